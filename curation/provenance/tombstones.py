"""`withdrawn.json` beside what descends from a withdrawn subject: which withdrawals, and which files are gone.

A snapshot never changes, so neither its rows nor its digest do. What a withdrawal adds is this file: it names the rows
by file, and says of each whether the picture itself was removed (`--purge-snapshots`) or still lies there. Runs,
generators and studies get one without rows. Whoever opens a copied folder without a database still learns of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from curation.files import whole_file

NOTE = "withdrawn.json"
FORMAT = "rounds-withdrawn/1"


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Withdrawals by number with their date, and files (`train/abc.png`) with whether they were purged."""

    withdrawals: Mapping[int, str] = field(default_factory=dict)
    files: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> Self:
        """What is written beside a snapshot, a run, a generator or a study; nothing when there is no such file."""
        path = directory / NOTE
        if not path.is_file():
            return cls()
        content = json.loads(path.read_text())
        return cls({int(number): str(date) for number, date in content["withdrawals"].items()}, dict(content["files"]))

    @property
    def words(self) -> list[str]:
        """One line per withdrawal."""
        return [f"AFFECTED by withdrawal {number} ({date})" for number, date in sorted(self.withdrawals.items())]

    @property
    def purged(self) -> frozenset[str]:
        """Files that were removed on purpose."""
        return frozenset(name for name, purged in self.files.items() if purged)

    def add(self, number: int, date: str, files: Iterable[str], purge: bool) -> Self:
        """These and those of one more withdrawal; what was purged stays so."""
        added = {name: purge or self.files.get(name, False) for name in files}
        return type(self)({**self.withdrawals, number: date}, {**self.files, **added})

    def write(self, directory: Path) -> None:
        """Write the file by rename."""
        content = {
            "format": FORMAT,
            "withdrawals": {str(number): date for number, date in sorted(self.withdrawals.items())},
            "files": dict(sorted(self.files.items())),
        }
        with whole_file(directory / NOTE) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n")
