"""Keyed pseudonyms of subjects and files: without the key nobody can find out which id is behind one."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.project import SUBJECTS_KEY, Project
from curation.provenance.aliases import with_bound_subjects
from curation.provenance.written_names import pasted
from curation.tables.images import Split, Subject

_KEPT = re.compile(r"file-[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """HMAC-SHA256 under a key that lies beside the project's other secrets, never in the database; 80 bits are kept."""

    key: bytes

    @classmethod
    def of(cls, project: Project) -> Self:
        """The pseudonyms of a project; raises NotFound when its key is missing."""
        return cls(project.secret(SUBJECTS_KEY))

    def subject(self, published: str) -> str:
        """The subject key of a patient id: `p-` and 20 hex digits. Space around the id does not count."""
        return f"p-{self._token('subject', pasted(published))}"

    def file(self, name: str) -> str:
        """The pseudonym of a file name: `file-` and 20 hex digits; a pseudonym stays as it is."""
        return name if _KEPT.fullmatch(name) else f"file-{self._token('file', name)}"

    def lone_subject(self, group: str) -> str:
        """The key of an unknown subject, from what its pictures share."""
        return f"image-{self._token('lone', group)}"

    def _token(self, use: str, text: str) -> str:
        message = f"{use}\0{text}".encode(errors="surrogatepass")
        return hmac.digest(self.key, message, "sha256").hex()[:20]


def find_splits(session: Session, subject_keys: Iterable[str]) -> dict[str, Split | None]:
    """The split of each subject key, in their order; None for a subject that is not in this project."""
    own_keys = {key: with_bound_subjects(session, [key]) for key in subject_keys}
    return {key: session.scalar(select(Subject.split).where(Subject.key.in_(own))) for key, own in own_keys.items()}
