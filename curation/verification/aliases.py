"""Hold the keys of bound subjects against the events that bound them.

Whoever asks for such a key must find the subject it is part of. Events keep a digest of each key, made with the key of
the chain, and the number of that subject. Those of earlier versions say only how many keys there are.
"""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.tables.near_copies import SubjectAlias
from curation.verification.marks import events_of

BOUND = "subjects.bound"


def alias_faults(session: Session, chain: Chain, not_covered: Counter[str]) -> Iterator[str]:
    """Describe each key of a bound subject that is missing, leads elsewhere or was added; count those not covered."""
    recorded: dict[str, int] = {}
    bound = 0
    for _, _, payload in events_of(session, (BOUND,)):
        bound += payload.get("subjects", 0) - payload.get("into", 0)
        recorded |= payload.get("aliases", {})
    rows = session.execute(select(SubjectAlias.key, SubjectAlias.subject_id)).all()
    stored = {chain.alias_digest(key): subject for key, subject in rows}
    for digest in sorted(recorded.keys() - stored.keys()):
        yield f"subject {recorded[digest]}: a key of a subject bound into it is missing, an event records it"
    for digest in sorted(recorded.keys() & stored.keys()):
        if recorded[digest] != stored[digest]:
            expected = f"an event records subject {recorded[digest]}"
            yield f"subject {stored[digest]}: a key of a subject bound into another leads to it, {expected}"
    unnamed, expected_unnamed = len(stored.keys() - recorded.keys()), bound - len(recorded)
    if expected_unnamed:
        not_covered["keys of bound subjects"] += unnamed
    if unnamed != expected_unnamed:
        yield f"keys of bound subjects: there are {unnamed} that no event names, the events record {expected_unnamed}"
