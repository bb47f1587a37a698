"""Writes what a soak run did into docs/soak.md: one dated row each, with the commit it ran on."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

RECORD = Path(__file__).parents[1] / "docs" / "soak.md"
COLUMNS = ("date", "commit", "what", "counts", "broken off", "acknowledged", "lost", "doubled", "seconds")
HEAD = """# Soak

`make soak` runs the soak tests at the counts that the documents state; each run adds rows here. A lost reading was
acknowledged to the reader, or shown as saved, and is not in the database as given. A doubled reading is in the database
more than once, or without a key press. A plus after the commit means that files differed from it.

"""


def record_soak(
    what: str, counts: str, broken_off: str, acknowledged: int, lost: int, doubled: int, seconds: float
) -> None:
    """Append one row; makes the file when there is none."""
    if not RECORD.exists():
        rule = "|".join(["---"] * len(COLUMNS))
        RECORD.write_text(f"{HEAD}| {' | '.join(COLUMNS)} |\n|{rule}|\n", encoding="utf-8")
    cells = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        commit(),
        what,
        counts,
        broken_off,
        *(f"{number:,}" for number in (acknowledged, lost, doubled)),
        f"{seconds:.0f}",
    ]
    with RECORD.open("a", encoding="utf-8") as record:
        record.write(f"| {' | '.join(cells)} |\n")


def commit() -> str:
    """The short hash of the checked-out commit, with a plus when tracked files differ from it; `-` outside git."""
    described = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
        cwd=RECORD.parent.parent,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "-"
