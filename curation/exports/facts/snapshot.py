"""Gather what strangers may know of a snapshot: counts, sources, generators, thresholds.

No name, path or key is among them. They are gathered once per export; the card, Croissant, the scorecard and the
checklists only word them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.digests import digest_of
from curation.exports.facts.reading import ReadingFacts, reading_facts
from curation.exports.facts.tellable import make_tellable
from curation.exports.options import ExportOptions
from curation.exports.pseudonyms import COHORT
from curation.exports.selection import Counts, Selection, count_by_label, count_origins
from curation.snapshots.folder import SPLITS
from curation.tables.generation import Batch, Generator, Screening
from curation.tables.images import BuildStatus, Image, Import, Origin
from curation.tables.training import Snapshot, SnapshotItem

MADE = (Origin.SYNTHETIC.value, Origin.ALTERED.value)
PUBLIC_SOURCES = (COHORT, "medmnist:")


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source of real images; it is named only where it is a public collection."""

    name: str
    digest: str
    images: int
    subjects_known: bool
    notice: str | None
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class GeneratorFacts:
    """A generator of images of the snapshot, and how much its weights saw."""

    name: str
    weights_digest: str
    provenance_known: bool
    images: int
    subjects: int
    seen_digest: str  # over the pixel digests of everything it was fitted on


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """One generation request and the newest screening of its images."""

    digest: str
    generator: str
    drawn_at: datetime
    images: int
    settings: dict[str, Any]
    screening: dict[str, Any] | None  # parameters


@dataclass(frozen=True)
class SnapshotFacts:
    """All facts of a snapshot that an export contains."""

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
    captioned: bool  # whether images have captions
    near_copies: dict[str, int]  # held-out split: images that look like a training image of another subject

    @property
    def made(self) -> int:
        """Count the synthetic and altered images in the export."""
        return count_origins(self.counts, *MADE)

    @property
    def real(self) -> int:
        """Count the real images in the export."""
        return count_origins(self.counts, Origin.REAL.value)

    @property
    def real_left_out(self) -> int:
        """Count the real images of the snapshot that are left out."""
        return count_origins(self.whole, Origin.REAL.value) - self.real

    @property
    def images(self) -> int:
        """Count all images in the export."""
        return self.made + self.real

    @property
    def simulated(self) -> bool:
        """Tell whether every real image is of the simulated cohort."""
        return bool(self.sources) and all(source.name.startswith(COHORT) for source in self.sources)

    @property
    def generator_names(self) -> dict[str, str]:
        """Map weights digests to names."""
        return {generator.weights_digest: generator.name for generator in self.generators}


def gather_facts(selection: Selection, options: ExportOptions, now: datetime) -> SnapshotFacts:
    """Gather the facts in one consistent view of the database."""
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
            whole=count_by_label(row for split in SPLITS for row in folder.iter_rows(split)),
            sources=_source_facts(session, snapshot.id),
            generators=_generator_facts(session, snapshot.id, folder.lineage),
            batches=_batch_facts(session, snapshot.id),
            reading=reading_facts(session, snapshot.id, selection.readings, selection.pseudonyms),
            captioned=folder.captioned,
            near_copies={split: len(folder.near_copies(split) or ()) for split in SPLITS[1:]},
        )


def _with_image_counts(table: Any, link: InstrumentedAttribute[Any], snapshot_id: int) -> Select[*tuple[Any, int]]:
    """Select imports or batches with how many of their images the snapshot holds."""
    return (
        select(table, func.count(Image.id.distinct()))
        .join(Image, link == table.id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .group_by(table.id)
        .order_by(table.id)
    )


def _source_facts(session: Session, snapshot_id: int) -> list[SourceFacts]:
    query = _with_image_counts(Import, Image.import_id, snapshot_id)
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


def _generator_facts(session: Session, snapshot_id: int, lineage: Any) -> list[GeneratorFacts]:
    """Describe the generators whose images are in the snapshot, with how much they saw and never what."""
    query = (
        select(Generator)
        .join(Batch, Batch.generator_id == Generator.id)
        .join(Image, Image.batch_id == Batch.id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .distinct()
        .order_by(Generator.id)
    )
    ancestors = {entry["weights_digest"]: entry for entry in lineage.get("generators", ())}
    facts = []
    for generator in session.scalars(query):
        seen = ancestors.get(generator.weights_digest, {})
        pixels = sorted(seen.get("pixel_sha256", ()))
        facts.append(
            GeneratorFacts(
                name=generator.name,
                weights_digest=generator.weights_digest,
                provenance_known=seen.get("provenance") == "known",
                images=len(pixels),
                subjects=len(seen.get("subjects", ())),
                seen_digest=digest_of(pixels),
            )
        )
    return facts


def _batch_facts(session: Session, snapshot_id: int) -> list[BatchFacts]:
    query = _with_image_counts(Batch, Image.batch_id, snapshot_id)
    return [
        BatchFacts(
            digest=batch.request_digest,
            generator=batch.generator.name,
            drawn_at=batch.created_at,
            images=images,
            settings=dict(make_tellable(session, batch.request)),
            screening=_newest_screening(session, batch.id),
        )
        for batch, images in session.execute(query)
    ]


def _newest_screening(session: Session, batch_id: int) -> dict[str, Any] | None:
    query = select(Screening.parameters).where(Screening.batch_id == batch_id, Screening.status == BuildStatus.READY)
    parameters = session.scalars(query.order_by(Screening.id.desc()).limit(1)).first()
    return None if parameters is None else dict(make_tellable(session, parameters))
