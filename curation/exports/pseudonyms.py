"""Name people and subjects in exports by keyed hashes; the key stays in the project.

They are the same in every export of a project, so that two releases can be compared, and tell nothing to
whoever has no key. Subject keys that are public already (the simulated cohort's) stay as they are.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

COHORT = "virtual-brains:"
_COHORT_KEY = re.compile(r"vb-\d{6}")
_LENGTH = 12


def is_simulated(import_source: str | None, subject_key: str | None) -> bool:
    """Tell whether an image came from the simulated cohort, whose subject keys are published numbers."""
    from_cohort = import_source is not None and import_source.startswith(COHORT)
    return from_cohort and subject_key is not None and _COHORT_KEY.fullmatch(subject_key) is not None


@dataclass(frozen=True, slots=True)
class ExportPseudonyms:
    """Keyed hashes under one project's export key."""

    key: bytes

    def subject(self, subject_key: str) -> str:
        """Name a subject in exports."""
        return f"subject-{self._hash('subject', subject_key)}"

    def reader(self, reader_id: int) -> str:
        """Name a reader in exports."""
        return f"reader-{self._hash('reader', str(reader_id))}"

    def _hash(self, kind: str, value: str) -> str:
        return hmac.new(self.key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:_LENGTH]
