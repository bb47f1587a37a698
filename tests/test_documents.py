"""What the documents for developers name is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.decisions_index import PAGE, render

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("docs/architecture.md", "CONTRIBUTING.md")
FLOORS = ("cli", "curation", "generate", "review_ui", "screening", "train")


def names_in(document: str) -> list[str]:
    """Everything that stands in backticks, outside blocks of commands."""
    text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.M | re.S)
    return re.findall(r"`([^`\s]+)`", text)


def defines(path: Path, name: str) -> bool:
    """Whether a module defines `function`, `Class` or `Class.method`."""
    body = ast.parse(path.read_text()).body
    for part in name.split("."):
        matches = [node for node in body if getattr(node, "name", None) == part]
        if not matches:
            return False
        body = getattr(matches[0], "body", [])
    return True


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_function_named_by_its_module_exists(document: str) -> None:
    dotted = [name for name in names_in(document) if name.split(".")[0] in FLOORS and "." in name and "/" not in name]
    assert dotted
    for name in (name for name in dotted if not name.endswith((".py", ".md"))):
        parts = name.split(".")
        module = next(
            (n for n in range(len(parts), 0, -1) if (ROOT / Path(*parts[:n]).with_suffix(".py")).is_file()), 0
        )
        if module == 0:
            assert (ROOT / Path(*parts)).is_dir(), name
        elif module < len(parts):
            assert defines((ROOT / Path(*parts[:module])).with_suffix(".py"), ".".join(parts[module:])), name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_named_exists(document: str) -> None:
    paths = [name for name in names_in(document) if "/" in name and name.split("/")[0] in (*FLOORS, "tests", "docs")]
    assert paths
    for name in (name for name in paths if "NAME" not in name and "FAMILY" not in name):
        assert (ROOT / name).exists(), name


def test_the_index_of_decisions_lists_what_stands_below_it() -> None:
    page = PAGE.read_text()
    assert re.findall(r"^\d{4}-\d\d-\d\d.*", page, re.M) == [], "an entry begins with **its date. Its title**"
    assert page == render(page), "run `make docs` and commit docs/decisions.md"
