"""What may be told of a snapshot to strangers: counts, sources, generators, thresholds. No name, path or key.

Gathered once per export; the card, Croissant, the scorecard and the checklists only word it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.digests import digest_of
from curation.exports.facts.reading import ReadingFacts, reading_facts
from curation.exports.facts.tellable import tellable
from curation.exports.options import ExportOptions
from curation.exports.pseudonyms import COHORT
from curation.exports.selection import Counts, Selection, counted, of_origin
from curation.snapshots.folder import SPLITS
from curation.tables.generation import Batch, Generator, Screening
from curation.tables.images import BuildStatus, Image, Import, Origin
from curation.tables.training import Snapshot, SnapshotItem

MADE = (Origin.SYNTHETIC.value, Origin.ALTERED.value)
PUBLIC_SOURCES = (COHORT, "medmnist:")


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where real images came from; a name only where it is that of a public collection."""

    name: str
    digest: str
    images: int
    subjects_known: bool
    notice: str | None
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class GeneratorFacts:
    """A generator that drew images of the snapshot, and what reached its weights."""

    name: str
    weights_digest: str
    provenance_known: bool
    images: int
    subjects: int
    seen_digest: str  # over the pixel digests of everything it was fitted on


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """One request and the newest screening of what it drew."""

    digest: str
    generator: str
    drawn_at: datetime
    images: int
    settings: dict[str, Any]
    screening: dict[str, Any] | None  # parameters


@dataclass(frozen=True)
class SnapshotFacts:
    """Everything that is told."""

    name: str
    digest: str
    built_at: datetime
    exported_at: datetime
    options: ExportOptions
    classes: list[str]
    shape: tuple[int, int, int]
    bits: int
    notice: str | None
    subjects: str
    stale: bool
    recipe: dict[str, Any]
    counts: Counts  # what leaves
    whole: Counts  # what the snapshot holds
    sources: list[SourceFacts]
    generators: list[GeneratorFacts]
    batches: list[BatchFacts]
    reading: ReadingFacts

    @property
    def made(self) -> int:
        """Synthetic and altered images that leave."""
        return of_origin(self.counts, *MADE)

    @property
    def real(self) -> int:
        """Real images that leave."""
        return of_origin(self.counts, Origin.REAL.value)

    @property
    def real_left_out(self) -> int:
        """Real images of the snapshot that stay."""
        return of_origin(self.whole, Origin.REAL.value) - self.real

    @property
    def images(self) -> int:
        """Everything that leaves."""
        return self.made + self.real

    @property
    def simulated(self) -> bool:
        """Whether every real image is of the simulated cohort."""
        return bool(self.sources) and all(source.name.startswith(COHORT) for source in self.sources)

    @property
    def generator_names(self) -> dict[str, str]:
        """Names by weights digest."""
        return {generator.weights_digest: generator.name for generator in self.generators}


def gather(selection: Selection, options: ExportOptions, now: datetime) -> SnapshotFacts:
    """Everything that an export tells, in one consistent view."""
    folder = selection.folder
    with selection.project.database.read() as session:
        snapshot = session.get_one(Snapshot, selection.snapshot_id)
        return SnapshotFacts(
            name=folder.name,
            digest=folder.digest,
            built_at=snapshot.created_at,
            exported_at=now,
            options=options,
            classes=folder.classes,
            shape=folder.shape,
            bits=folder.bits,
            notice=folder.notice,
            subjects=folder.subjects,
            stale=selection.stale,
            recipe=dict(snapshot.recipe),
            counts=selection.counts(),
            whole=counted(row for split in SPLITS for row in folder.iter_rows(split)),
            sources=_sources(session, snapshot.id),
            generators=_generators(session, snapshot.id, folder.lineage),
            batches=_batches(session, snapshot.id),
            reading=reading_facts(session, snapshot.id, selection.readings, selection.pseudonyms),
        )


def _sources(session: Session, snapshot_id: int) -> list[SourceFacts]:
    query = (
        select(Import, func.count(Image.id.distinct()))
        .join(Image, Image.import_id == Import.id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .group_by(Import.id)
        .order_by(Import.id)
    )
    return [
        SourceFacts(
            name=source.source if source.source.startswith(PUBLIC_SOURCES) else f"source {number}",
            digest=source.source_digest,
            images=images,
            subjects_known=source.subjects_known,
            notice=source.notice,
            imported_at=source.created_at,
        )
        for number, (source, images) in enumerate(session.execute(query), 1)
    ]


def _generators(session: Session, snapshot_id: int, lineage: Any) -> list[GeneratorFacts]:
    """The generators whose images are in the snapshot, with how much they saw and never what."""
    drew = (
        select(Generator)
        .join(Batch, Batch.generator_id == Generator.id)
        .join(Image, Image.batch_id == Batch.id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .distinct()
        .order_by(Generator.id)
    )
    ancestors = {entry["weights_digest"]: entry for entry in lineage.get("generators", ())}
    found = []
    for generator in session.scalars(drew):
        seen = ancestors.get(generator.weights_digest, {})
        pixels = sorted(seen.get("pixel_sha256", ()))
        found.append(
            GeneratorFacts(
                name=generator.name,
                weights_digest=generator.weights_digest,
                provenance_known=seen.get("provenance") == "known",
                images=len(pixels),
                subjects=len(seen.get("subjects", ())),
                seen_digest=digest_of(pixels),
            )
        )
    return found


def _batches(session: Session, snapshot_id: int) -> list[BatchFacts]:
    query = (
        select(Batch, func.count(Image.id.distinct()))
        .join(Image, Image.batch_id == Batch.id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .group_by(Batch.id)
        .order_by(Batch.id)
    )
    return [
        BatchFacts(
            digest=batch.request_digest,
            generator=batch.generator.name,
            drawn_at=batch.created_at,
            images=images,
            settings=dict(tellable(session, batch.request)),
            screening=_screening(session, batch.id),
        )
        for batch, images in session.execute(query)
    ]


def _screening(session: Session, batch_id: int) -> dict[str, Any] | None:
    query = select(Screening.parameters).where(Screening.batch_id == batch_id, Screening.status == BuildStatus.READY)
    found = session.scalars(query.order_by(Screening.id.desc()).limit(1)).first()
    return None if found is None else dict(tellable(session, found))
