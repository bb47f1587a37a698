"""Find the node that a user names: `kind:key`, or a bare name that only one thing has."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.digests import digest_of
from curation.errors import BadInput, NotFound
from curation.lineage.graph import NodeKind, Ref
from curation.provenance.aliases import with_bound_subjects
from curation.provenance.written_names import pasted
from curation.tables.generation import Batch, Generator
from curation.tables.images import Image, Import, Subject
from curation.tables.operations import Event
from curation.tables.reading import Worklist
from curation.tables.training import AddedBackbone, Run, Snapshot, Study
from curation.tables.withdrawals import AffectedKind

NAMED: dict[NodeKind, tuple[InstrumentedAttribute[Any], AffectedKind | None]] = {
    NodeKind.GENERATOR: (Generator.name, AffectedKind.GENERATOR),
    NodeKind.SNAPSHOT: (Snapshot.name, AffectedKind.SNAPSHOT),
    NodeKind.BACKBONE: (AddedBackbone.name, None),
    NodeKind.RUN: (Run.name, AffectedKind.RUN),
    NodeKind.STUDY: (Study.name, AffectedKind.STUDY),
    NodeKind.WORKLIST: (Worklist.name, None),
    NodeKind.SUBJECT: (Subject.key, None),
}
NUMBERED: dict[NodeKind, tuple[InstrumentedAttribute[Any], AffectedKind | None]] = {
    NodeKind.IMPORT: (Import.id, None),
    NodeKind.IMAGE: (Image.id, AffectedKind.IMAGE),
    NodeKind.BATCH: (Batch.id, AffectedKind.BATCH),
}


def find_node(session: Session, text: str) -> Ref:
    """Find the node called `kind:key`, or by a bare name that only one thing has; raises BadInput or NotFound."""
    if not pasted(text).isprintable():
        raise BadInput(f"expected a node as kind:name, got {text!r}.")
    kind_name, colon, key = text.partition(":")
    if not colon:
        return _by_bare_name(session, pasted(text))
    kind_name, key = pasted(kind_name), key if key.isprintable() else pasted(key)
    starts = [*NAMED, *NUMBERED]
    if kind_name == NodeKind.REPORT:
        kind_name = NodeKind.STUDY
    if kind_name not in starts:
        raise BadInput(f"expected {', '.join(starts)} or report before the colon, got {kind_name!r}.")
    kind = NodeKind(kind_name)
    if kind in NUMBERED and not (key.isascii() and key.isdecimal() and len(key) <= 18):
        raise BadInput(f"expected a number after {kind}:, got {key!r}.")
    column = (NAMED.get(kind) or NUMBERED[kind])[0]
    written = (int(key),) if kind in NUMBERED else (key, pasted(key))
    stored = session.scalars(select(column).where(column.in_(written)).order_by(column != written[0])).first()
    if stored is None and kind is NodeKind.SUBJECT:
        stored = next(iter(with_bound_subjects(session, [str(name) for name in written]) - set(written)), None)
    if stored is None:
        removed = _removal_note(session, kind, key)
        raise NotFound(f"there is no {kind} {key!r} in this project{removed}. `rounds status` shows what there is.")
    return Ref(kind, str(stored))


def _removal_note(session: Session, kind: NodeKind, name: str) -> str:
    """Say when a thing of this name was removed; events keep the digest of the name."""
    query = select(Event).where(Event.kind == f"{kind}.removed").order_by(Event.sequence.desc())
    for event in session.scalars(query):
        if event.payload.get("name") == digest_of(name):
            return f"; one of this name was removed on {event.at:%Y-%m-%d} (event {event.sequence})"
    return ""


def _by_bare_name(session: Session, name: str) -> Ref:
    refs = [
        Ref(kind, name)
        for kind, (column, _) in NAMED.items()
        if session.scalars(select(column).where(column == name)).first() is not None
    ]
    if len(refs) != 1:
        several = f"; there are {', '.join(map(str, refs))}" if refs else ", and nothing has that name"
        several += "" if refs else "".join(_removal_note(session, kind, name) for kind in NAMED)
        raise NotFound(f"expected a node as kind:name, such as snapshot:first; got {name!r}{several}.")
    return refs[0]
