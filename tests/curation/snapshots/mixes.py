"""Projects for tests of the choice: rows without pictures, written in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from curation.project import Project
from curation.reading.slots import slot_values
from curation.snapshots.manifest import drafted
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Origin, Split, Subject
from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    Purpose,
    Reading,
    Verdict,
    Worklist,
    WorklistItem,
)
from tests.operation_ids import new_op_id
from tests.rows import NOW, add_generator, add_import, label_id

CLASSES = ("a", "b", "c")
ACCEPT, REJECT, UNSURE = Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE


@dataclass(frozen=True)
class Real:
    """A real image of its own subject, or of a named one; several labels with their values."""

    number: int
    labels: tuple[tuple[str, float], ...] = (("a", 1.0),)
    split: Split = Split.TRAIN
    subject: str | None = None


@dataclass(frozen=True)
class ReadingSpec:
    """One reading: its reader, verdict, label, worklist and mode."""

    reader: str = "ada"
    verdict: Verdict = ACCEPT
    label: str | None = None
    worklist: str = "first"
    mode: str = "single"
    adjudicates: bool = False


@dataclass(frozen=True)
class Synthetic:
    """A synthetic image: what it was asked for, by which generator, its readings, what screening says."""

    number: int
    label: str = "a"
    generator: str = "gen"
    readings: tuple[ReadingSpec, ...] = ()
    screening: str | None = "pass"
    checks: dict[str, float] = field(default_factory=dict)
    copy: bool = False
    neighbours: tuple[int, ...] = ()


Spec = Real | Synthetic


def readings_of(*verdicts: Verdict, worklist: str = "first") -> tuple[ReadingSpec, ...]:
    """Give one reading each by ada, ben, cem, dan."""
    readers = ("ada", "ben", "cem", "dan")[: len(verdicts)]
    pairs = zip(readers, verdicts, strict=True)
    return tuple(ReadingSpec(reader, verdict, worklist=worklist) for reader, verdict in pairs)


def write_mix(project: Project, specs: Sequence[Spec], rule: str = "majority") -> None:
    """Rows of `specs` in their order; labels, readers and worklists exist before, in an order of their own."""
    with project.database.write() as session:
        for name in CLASSES:
            label_id(session, name)
        readings = {reading for spec in specs if isinstance(spec, Synthetic) for reading in spec.readings}
        mix = _Mix(session, rule, readings)
        for spec in specs:
            if isinstance(spec, Real):
                mix.real(spec)
            else:
                mix.drawn(spec)


class _Mix:
    def __init__(self, session: Session, rule: str, everything: set[ReadingSpec]) -> None:
        self.session = session
        self.source: Import = add_import(session)
        self.subjects: dict[str, int] = {}
        self.batches: dict[str, tuple[Batch, Screening]] = {}
        self.real_ids: dict[int, int] = {}
        self.readers = {name: self._reader(name) for name in sorted({reading.reader for reading in everything})}
        self.worklists = {
            name: self._worklist(name, rule) for name in sorted({reading.worklist for reading in everything})
        }
        self.positions = 0

    def _reader(self, name: str) -> int:
        kind = ReaderKind.PROXY if name.startswith("proxy") else ReaderKind.HUMAN
        reader = Reader(name=name, kind=kind, role=Role.READER, active=True, failed_sign_ins=0, created_at=NOW)
        self.session.add(reader)
        self.session.flush()
        return reader.id

    def _worklist(self, name: str, rule: str) -> int:
        worklist = Worklist(
            name=name, status=BuildStatus.READY, question="?", label_shown=True, readers_per_image=1,
            rule={"kind": rule, "readers": 1}, classes=list(CLASSES), reasons=[], recipe={}, size=0, created_at=NOW,
        )  # fmt: skip
        self.session.add(worklist)
        self.session.flush()
        return worklist.id

    def _image(self, number: int, **columns: object) -> Image:
        image = Image(
            file_sha256=f"{number:064x}", pixel_sha256=f"{number:064x}", height=4, width=4, channels=1, bits=8,
            created_at=NOW, **columns,
        )  # fmt: skip
        self.session.add(image)
        self.session.flush()
        return image

    def real(self, spec: Real) -> None:
        key = spec.subject or f"s{spec.number}"
        if key not in self.subjects:
            subject = Subject(key=key, split=spec.split, known=True)
            self.session.add(subject)
            self.session.flush()
            self.subjects[key] = subject.id
        image = self._image(spec.number, origin=Origin.REAL, import_id=self.source.id, subject_id=self.subjects[key])
        self.real_ids[spec.number] = image.id
        for name, value in spec.labels:
            label = label_id(self.session, name)
            self.session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=value))

    def _batch(self, generator: str) -> tuple[Batch, Screening]:
        if generator not in self.batches:
            row: Generator = add_generator(self.session, generator, ("elsewhere",), ("f" * 64,))
            batch = Batch(
                generator_id=row.id, request={"of": generator}, request_digest=f"{generator:0<64}", size=0,
                status=BuildStatus.READY, created_at=NOW,
            )  # fmt: skip
            self.session.add(batch)
            self.session.flush()
            screening = Screening(
                batch_id=batch.id, parameters={}, parameters_digest="0", status=BuildStatus.READY, created_at=NOW
            )
            self.session.add(screening)
            self.session.flush()
            self.batches[generator] = batch, screening
        return self.batches[generator]

    def drawn(self, spec: Synthetic) -> None:
        batch, screening = self._batch(spec.generator)
        image = self._image(spec.number, origin=Origin.SYNTHETIC, batch_id=batch.id, batch_index=spec.number)
        label = label_id(self.session, spec.label)
        self.session.add(ImageLabel(image_id=image.id, label_id=label, source="request", value=1.0))
        key = {"screening_id": screening.id, "image_id": image.id}
        checks = {name: (value, ScreeningVerdict.PASS) for name, value in spec.checks.items()}
        if spec.copy:
            checks["near_copy"] = (0.0, ScreeningVerdict.BLOCK)
        if spec.screening is not None:
            near = [
                {"image_id": self.real_ids[neighbour], "distance": 0.1, "by": "features"}
                for neighbour in spec.neighbours
            ]
            self.session.add(ScreenedImage(**key, verdict=ScreeningVerdict(spec.screening), neighbours=near))
        for name, (value, verdict) in checks.items():
            self.session.add(ScreeningCheck(**key, name=name, value=value, threshold="", verdict=verdict))
        items: dict[str, WorklistItem] = {}
        for slot, reading in enumerate(spec.readings):
            item = items.get(reading.worklist) or self._item(self.worklists[reading.worklist], image.id)
            items[reading.worklist] = item
            self._read(item, slot, reading)

    def _item(self, worklist: int, image: int) -> WorklistItem:
        self.positions += 1
        item = WorklistItem(worklist_id=worklist, image_id=image, purpose=Purpose.CANDIDATE, position=self.positions)
        self.session.add(item)
        self.session.flush()
        return item

    def _read(self, item: WorklistItem, slot: int, reading: ReadingSpec) -> None:
        reader = self.readers[reading.reader]
        purpose = AssignmentPurpose.ADJUDICATION if reading.adjudicates else AssignmentPurpose.FIRST
        values = slot_values(item.worklist_id, item.id, item.position, slot)
        done = {"state": AssignmentState.DONE, "reader_id": reader, "purpose": purpose}
        assignment = Assignment(**(values | done))
        self.session.add(assignment)
        self.session.flush()
        self.session.add(
            Reading(
                op_id=new_op_id(),
                verdict=reading.verdict,
                corrected_label=reading.label,
                reasons=[],
                mode=reading.mode,
                assignment_id=assignment.id,
                item_id=item.id,
                reader_id=reader,
                read_at=NOW,
                created_at=NOW,
            )
        )
        self.session.flush()


@dataclass(frozen=True)
class Mix:
    """What a recipe took: (split, label, origin, subject, number, weight, generator) of each row, and its refusals."""

    rows: list[tuple[str, str, str, str | None, int, float, str | None]]
    digest: str
    left_out: dict[str, int]
    refused: list[str]

    @property
    def added(self) -> list[int]:
        """Numbers of the synthetic images."""
        return sorted(row[4] for row in self.rows if row[2] == "synthetic")

    @property
    def numbers(self) -> set[int]:
        """Numbers of all images."""
        return {row[4] for row in self.rows}


def taken(project: Project, **recipe: object) -> Mix:
    """The mix of a recipe, refused or not."""
    with (
        project.database.read() as session,
        drafted(session, "mix", MixRecipe.model_validate(recipe)) as plan,
    ):
        rows = [
            (row.split, row.label, row.origin, row.subject, int(row.pixel_sha256, 16), row.weight, row.generator)
            for split in ("test", "train", "validation")
            for row in plan.rows(split)
        ]
        refused = [str(refusal) for refusal in plan.pool.refusals]
        return Mix(rows, plan.manifest["digest"], plan.manifest["left_out"], refused)
