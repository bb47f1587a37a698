"""Write the index at the top of `docs/decisions.md` from the titles below it. A test compares the two."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "decisions.md"
HEADING = "## Index by room\n"
SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
ENTRY = re.compile(r"^\*\*\d{4}-\d\d-\d\d\. (?P<title>.+?)\*\*", re.MULTILINE | re.DOTALL)
WIDTH = 140


def anchor(title: str) -> str:
    """Name the place of a heading as GitHub does: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def render(page: str) -> str:
    """Return the page with its index made anew."""
    before, rest = page.split(HEADING)
    body = rest[SECTION.search(rest).start() :]  # type: ignore[union-attr]
    parts = SECTION.split(body)[1:]
    lines = [_line(title, text) for title, text in zip(parts[::2], parts[1::2], strict=True)]
    return f"{before}{HEADING}\n" + "\n".join(lines) + f"\n\n{body}"


def _line(title: str, text: str) -> str:
    entries = [" ".join(entry["title"].split()).rstrip(".") for entry in ENTRY.finditer(text)]
    line = f"- [{title}](#{anchor(title)}): {'; '.join(entries)}."
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
