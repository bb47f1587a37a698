"""A file that can be imported as far as its name and its row in the table go."""

from collections.abc import Mapping
from dataclasses import dataclass

from curation.tables.images import Split


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a file before it is opened; a file without labels may bring its own."""

    file: str
    labels: Mapping[str, float] | None
    subject: str | None
    split: Split | None
    covariates: Mapping[str, str | float] | None = None
