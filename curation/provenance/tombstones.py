"""Read and write `withdrawn.json` beside what descends from a withdrawn subject.

A snapshot never changes, so neither its rows nor its digest do. A withdrawal adds this file: it names the rows by file,
and says of each whether the picture itself was removed (`--purge-snapshots`) or still lies there. Runs, generators and
studies get one without rows. Whoever opens a copied folder without a database still learns of it.
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
        """Read the file beside a snapshot, a run, a generator or a study; empty when there is none."""
        path = directory / NOTE
        if not path.is_file():
            return cls()
        content = json.loads(path.read_text())
        return cls({int(number): str(date) for number, date in content["withdrawals"].items()}, dict(content["files"]))

    @property
    def notes(self) -> list[str]:
        """Write one line for each withdrawal."""
        return [f"AFFECTED by withdrawal {number} ({date})" for number, date in sorted(self.withdrawals.items())]

    @property
    def purged(self) -> frozenset[str]:
        """Name the files that were removed on purpose."""
        return frozenset(name for name, purged in self.files.items() if purged)

    def add(self, number: int, date: str, files: Iterable[str], purge: bool) -> Self:
        """Add another withdrawal and its files; a purged file stays purged."""
        added = {name: purge or self.files.get(name, False) for name in files}
        return type(self)({**self.withdrawals, number: date}, {**self.files, **added})

    def write(self, directory: Path) -> None:
        """Write the file, whole or not at all."""
        content = {
            "format": FORMAT,
            "withdrawals": {str(number): date for number, date in sorted(self.withdrawals.items())},
            "files": dict(sorted(self.files.items())),
        }
        with whole_file(directory / NOTE) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n")
