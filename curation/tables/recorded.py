"""The tables whose rows events record, the kinds of those events, and what hangs on a row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from curation.digests import digest_of
from curation.tables.column_types import as_stored
from curation.tables.content import (
    ASSIGNMENT,
    COLUMNS,
    Values,
    json_values,
    judgement_content,
    measurement_content,
    pairs_content,
    report_content,
    values_of,
)
from curation.tables.generation import (
    Batch,
    Generator,
    GeneratorPixels,
    GeneratorSubject,
    ScreenedImage,
    Screening,
)
from curation.tables.images import Image, Import
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.members import CHUNK, MemberTable, images_of, items_of, screened_images, snapshot_items
from curation.tables.pairs import Pair, PairList, PairReading
from curation.tables.people import Consent, Reader, SignIn
from curation.tables.reading import Assignment, Reading, Worklist, WorklistItem, WorklistReader
from curation.tables.training import AddedBackbone, Evaluation, Run, Snapshot, SnapshotItem, Study
from curation.tables.withdrawals import Withdrawal

Between: TypeAlias = tuple[int, int]  # the first and the last id of some rows


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table, the kinds of events that record its rows, and the key under which an event names a row.

    `removed` is the kind of event that says that a row was removed by its command. `more` reads what hangs on the rows
    between two ids. `own_content` is the plain digest of tables that have had one from the first. Earlier versions
    recorded no event for some rows of a `late` table. `told` are what events say of a row in so many words, and in
    which column it stands, so that a fault can say what differs.
    """

    what: str
    plural: str
    model: Any
    key: str
    added: tuple[str, ...]
    changed: tuple[str, ...] = ()
    removed: str | None = None
    more: Callable[[Session, Between], Mapping[int, Values]] | None = None
    members: MemberTable | None = None
    own_content: Callable[[Session, Any], str] | None = None
    late: bool = False
    told: Sequence[tuple[str, str]] = ()

    def read(self, session: Session, which: ColumnElement[bool], limit: int = CHUNK) -> list[tuple[int, Values]]:
        """Read ids and covered values of the first rows that are so, in the order of ids."""
        names = COLUMNS[self.model]
        query = select(self.model.id, *(as_stored(getattr(self.model, name)) for name in names)).where(which)
        rows = session.execute(query.order_by(self.model.id).limit(limit)).all()
        more = self.more(session, (rows[0].id, rows[-1].id)) if rows and self.more else {}
        return [(row[0], json_values(names, row[1:]) | more.get(row[0], {})) for row in rows]


def _readers_of_worklists(session: Session, between: Between) -> Mapping[int, Values]:
    named = select(WorklistReader.worklist_id, WorklistReader.reader_id).where(
        WorklistReader.worklist_id.between(*between)
    )
    readers: dict[int, Values] = {}
    for worklist_id, reader_id in session.execute(named.order_by(WorklistReader.worklist_id, WorklistReader.reader_id)):
        readers.setdefault(worklist_id, {"readers": []})["readers"].append(reader_id)
    return readers


def _seen_by_generators(session: Session, between: Between) -> Mapping[int, Values]:
    """Digest what each generator was fitted on: subjects and pictures."""
    seen: dict[int, Values] = {}
    for name, model, column in (
        ("subjects", GeneratorSubject, GeneratorSubject.subject_key),
        ("pixels", GeneratorPixels, GeneratorPixels.pixel_sha256),
    ):
        for generator_id in session.scalars(select(Generator.id).where(Generator.id.between(*between))).all():
            keys = session.scalars(select(column).where(model.generator_id == generator_id)).all()
            seen.setdefault(generator_id, {})[name] = digest_of(sorted(keys))
    return seen


def _slots_of_readings(session: Session, between: Between) -> Mapping[int, Values]:
    query = select(Reading.id, *(getattr(Assignment, name) for name in ASSIGNMENT)).join(
        Assignment, Assignment.id == Reading.assignment_id
    )
    return {row.id: values_of(ASSIGNMENT, row) for row in session.execute(query.where(Reading.id.between(*between)))}


def _pairs_content(session: Session, row: PairList) -> str:
    return pairs_content(row, list(session.scalars(select(Pair).where(Pair.pair_list_id == row.id))))


RECORDED: Sequence[RecordedTable] = (
    RecordedTable(
        "import",
        "imports",
        Import,
        "import",
        ("import",),
        ("import.names_removed", "import.subjects_bound"),
        members=MemberTable("image", Image.import_id, images_of(Image.import_id)),
        told=(("source_digest", "source_digest"),),
    ),
    RecordedTable(
        "generator",
        "generators",
        Generator,
        "generator",
        ("generator.added",),
        removed="generator.removed",
        more=_seen_by_generators,
        told=(("weights", "weights_digest"),),
    ),
    RecordedTable(
        "batch",
        "batches",
        Batch,
        "batch",
        ("batch.requested",),
        ("batch.ready",),
        "batch.removed",
        members=MemberTable("image", Image.batch_id, images_of(Image.batch_id)),
        told=(("request", "request_digest"),),
    ),
    RecordedTable(
        "screening",
        "screenings",
        Screening,
        "screening",
        ("batch.screened",),
        members=MemberTable("image", ScreenedImage.screening_id, screened_images),
    ),
    RecordedTable(
        "reader",
        "readers",
        Reader,
        "reader",
        ("reader.added",),
        (
            *("reader.password_changed", "reader.password_reset", "reader.linked", "reader.deactivated"),
            *("reader.activated", "reader.role_changed"),
        ),
        told=(("kind", "kind"), ("role", "role")),
    ),
    RecordedTable("sign-in", "sign-ins", SignIn, "sign_in", ("reader.signed_in",)),
    RecordedTable("consent", "consents", Consent, "consent", ("consent.given",), ("consent.withdrawn",)),
    RecordedTable(
        "worklist",
        "worklists",
        Worklist,
        "worklist",
        ("worklist.created",),
        (
            *("worklist.paused", "worklist.resumed", "worklist.readers_set", "worklist.rule_changed"),
            "worklist.closed",
        ),
        more=_readers_of_worklists,
        members=MemberTable("item", WorklistItem.worklist_id, items_of),
        late=True,  # practice
        told=(("items", "size"),),
    ),
    RecordedTable(
        "reading", "readings", Reading, "reading", ("reading.recorded", "reading.voided"), more=_slots_of_readings
    ),
    RecordedTable(
        "snapshot",
        "snapshots",
        Snapshot,
        "snapshot",
        ("snapshot.built",),
        removed="snapshot.removed",
        members=MemberTable("image", SnapshotItem.snapshot_id, snapshot_items),
        told=(("digest", "digest"),),
    ),
    RecordedTable(
        "backbone",
        "backbones",
        AddedBackbone,
        "backbone",
        ("backbone.added",),
        removed="backbone.removed",
        told=(("digest", "digest"),),
    ),
    RecordedTable(
        "run",
        "runs",
        Run,
        "run",
        ("run.finished",),
        ("run.finished", "run.subject_subtracted"),
        "run.removed",
        told=(("config", "config_digest"),),
    ),
    RecordedTable("evaluation", "evaluations", Evaluation, "evaluation", ("run.evaluated",), late=True),
    RecordedTable(
        "study",
        "studies",
        Study,
        "study",
        ("study.finished",),
        ("study.finished",),
        "study.removed",
        told=(("plan", "plan_digest"),),
    ),
    RecordedTable(
        *("withdrawal", "withdrawals", Withdrawal, "withdrawal"), ("subject.withdrawn",), ("subject.withdrawn",)
    ),
    RecordedTable(
        "report of error rates",
        "reports of error rates",
        CheckReport,
        "check_report",
        ("privacy.measured", "checks.measured"),
        own_content=lambda _, row: report_content(row),
    ),
    RecordedTable(
        "measurement of a set",
        "measurements of sets",
        SetMeasurement,
        "measurement",
        ("set.measured",),
        own_content=lambda _, row: measurement_content(row),
    ),
    RecordedTable(
        "list of pairs", "lists of pairs", PairList, "pair_list", ("pairs.created",), own_content=_pairs_content
    ),
    RecordedTable(
        "judgement of a pair",
        "judgements of pairs",
        PairReading,
        "pair_reading",
        ("pair.judged",),
        own_content=lambda _, row: judgement_content(row),
    ),
)


def table_of(model: type[Any]) -> RecordedTable:
    """Find how rows of a table are recorded."""
    return next(table for table in RECORDED if table.model is model)
