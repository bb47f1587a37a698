"""The rules of the house that no linter knows; `make check` runs them.

A file has at most 300 lines, no two public classes share a name, and a module's docstring starts with a sentence of at
most 100 characters. Browser tests and those that run alone stand where `make test` looks for them. Migrations are left
out: they are records of what a schema once was.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 300
MAX_SENTENCE = 100
FLOORS = ("benchmarks", "cli", "curation", "generate", "review_ui", "screening", "tests", "train")
LEFT_OUT = ("curation/migrations/versions/",)
MARKERS = {"e2e": "tests/e2e/", "alone": "tests/review_ui/"}  # `make test` collects these folders alone: 25 s less each


def python_files() -> list[str]:
    """The Python files that git tracks or would track, from the root of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split() if Path(name).is_file() and not name.startswith(LEFT_OUT)]
    return sorted(name for name in names if name.split("/")[0] in FLOORS)


def docstring_faults(name: str, tree: ast.Module) -> Iterator[str]:
    """Say where a module's docstring is missing or does not start with one short sentence."""
    docstring = ast.get_docstring(tree)
    if not tree.body and name.endswith("__init__.py"):
        return
    if not docstring:
        yield f"{name}: expected a docstring that says what the module does. Write one sentence."
        return
    line = docstring.splitlines()[0]
    if len(line) > MAX_SENTENCE:
        yield f"{name}: the docstring's first line has {len(line)} characters, at most {MAX_SENTENCE}. Shorten it."
    if not line.endswith("."):
        yield f"{name}: the docstring's first line is not a sentence that ends with a period. Make it one."


def marker_faults(name: str, source: str) -> Iterator[str]:
    """Say where a test has a marker that `make test` looks for in another folder: it would never run."""
    for marker, folder in MARKERS.items():
        if f"pytest.mark.{marker}" in source and not name.startswith(folder):
            yield f"{name}: `make test` runs tests marked {marker} in {folder} only. Move it there."


def public_classes(tree: ast.Module) -> Iterator[str]:
    """The names of the module's classes that do not start with an underscore."""
    yield from (node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))


def faults(names: list[str]) -> Iterator[str]:
    """Every breach of a rule, one line each."""
    classes: dict[str, list[str]] = defaultdict(list)
    for name in names:
        source = Path(name).read_text()
        tree = ast.parse(source)
        if (lines := source.count("\n")) > MAX_LINES:
            yield f"{name}: {lines} lines, at most {MAX_LINES}. Two things live here: give each a file."
        yield from docstring_faults(name, tree)
        yield from marker_faults(name, source)
        if not name.startswith("tests/"):
            for class_name in public_classes(tree):
                classes[class_name].append(name)
    for class_name, places in sorted(classes.items()):
        if len(places) > 1:
            yield f"{class_name}: a public class of this name stands in {', '.join(places)}. Rename all but one."


if __name__ == "__main__":
    breaches = list(faults(python_files()))
    print("\n".join(breaches) or "House rules kept.")
    sys.exit(bool(breaches))
