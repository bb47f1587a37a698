"""What goes into a worklist: screened candidates, and real images of known truth mixed in blind."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.errors import BadInput
from curation.models.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.models.images import BuildStatus, Image, ImageLabel, Import, Label, Split, Subject
from curation.models.reading import Outcome, OutcomeVerdict, Purpose
from curation.real_images import is_ready_real

SPACING_TOLERANCE_MM = 1e-3


class ExclusionRule(BaseModel):
    """When a reader's readings leave the evidence; fixed with the worklist, before anyone reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_sensitivity: float | None = Field(default=None, ge=0, le=1, description="share of planted defects rejected")
    max_false_rejects: float | None = Field(default=None, ge=0, le=1, description="share of real images rejected")
    min_repeat_agreement: float | None = Field(default=None, ge=0, le=1, description="share of repeats read alike")
    min_median_ms: int | None = Field(default=None, ge=0, description="median time per image, idle time left out")


class WorklistRecipe(BaseModel):
    """What a worklist holds and how it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["verdict", "turing"] = "verdict"
    batches: tuple[int, ...] = Field(default=(), description="batch ids; none named means every screened batch")
    include: tuple[Literal["pass", "flag"], ...] = ("pass", "flag")
    limit: int | None = Field(default=None, gt=0, description="at most this many candidates, chosen by the seed")
    again: bool = Field(default=False, description="take images that have an outcome already as well")
    readers: tuple[str, ...] = Field(default=(), description="names of those who may read; none means every reader")
    readers_per_image: int = Field(default=1, ge=1, le=5)
    rule: Literal["single", "majority", "unanimous", "adjudicated"] = "single"
    order: Literal["random", "batch", "flags", "priority"] = "random"
    label_shown: bool = True
    grid: bool = Field(default=True, description="readers may read pages of 12, 24 or 48; only where labels show")
    grid_audit_share: float = Field(default=0.1, ge=0, le=1, description="of images left unmarked in a grid")
    ratings: bool = Field(default=False, description="offer ratings of anatomy, typicality and quality, 1 to 5")
    real_controls: int = Field(default=0, ge=0)
    defect_controls: int = Field(default=0, ge=0, description="images with a planted defect")
    repeat_share: float = Field(default=0.0, ge=0, le=0.5, description="of images, shown once more unknowingly")
    practice: int = Field(default=0, ge=0, le=200, description="images with feedback before a reader starts")
    modality: Literal["general", "mr", "ct", "xray", "ultrasound", "histology"] = "general"
    lease_s: int = Field(default=600, ge=60, le=86_400)
    margin: float | None = Field(default=None, gt=0.5, lt=1, description="a Turing test's AUC for indistinguishable")
    exclusion: ExclusionRule = ExclusionRule()
    vocabulary: str = "general"
    question: str | None = Field(default=None, max_length=500)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """An image on its way into a worklist; `label` is what a candidate was asked to show and what a control shows."""

    image_id: int
    label: str
    purpose: Purpose
    source_id: int  # the batch of a candidate, the import of a control
    pixel_sha256: str
    shape: tuple[int, int, int, int]  # height, width, channels, bits
    spacing_mm: tuple[float, float] | None


def choose_items(session: Session, recipe: WorklistRecipe) -> list[Item]:
    """Candidates, then controls, each in an order that depends on the seed and the pixels alone.

    Raises BadInput when there is nothing to read, or when there are too few controls that a reader could not tell by
    their shape, depth, spacing or class.
    """
    candidates = _candidates(session, recipe)
    if not candidates:
        raise BadInput(
            "no screened candidate to read: `rounds generate` draws some and `rounds screen` checks them; "
            "images that have an outcome already are read again only with --again."
        )
    return candidates + (_real_controls(session, recipe, candidates) if recipe.real_controls else [])


def notice_of(session: Session, items: Sequence[Item]) -> str | None:
    """What must be said wherever these images are shown: the notices of their generators and imports."""
    batches = {item.source_id for item in items if item.purpose is Purpose.CANDIDATE}
    imports = {item.source_id for item in items if item.purpose is Purpose.REAL_CONTROL}
    generators = select(Batch.generator_id).where(Batch.id.in_(batches))
    cards = session.scalars(select(Generator.card).where(Generator.id.in_(generators)))
    notices = {card.get("notice") for card in cards}
    notices |= set(session.scalars(select(Import.notice).where(Import.id.in_(imports))))
    return " ".join(sorted(notice for notice in notices if notice)) or None


def _candidates(session: Session, recipe: WorklistRecipe) -> list[Item]:
    """Images of the latest finished screening of each batch."""
    latest = select(func.max(Screening.id)).where(Screening.status == BuildStatus.READY).group_by(Screening.batch_id)
    if recipe.batches:
        latest = latest.where(Screening.batch_id.in_(recipe.batches))
    query = (
        _labelled("request", Image.batch_id)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .where(
            ScreenedImage.screening_id.in_(latest),
            ScreenedImage.verdict.in_([ScreeningVerdict(verdict) for verdict in recipe.include]),
        )
    )
    if not recipe.again:
        settled = select(Outcome.image_id).where(Outcome.verdict != OutcomeVerdict.UNRESOLVED)
        query = query.where(Image.id.not_in(settled))
    return _by_hash(_items(session, query, Purpose.CANDIDATE), recipe.seed)[: recipe.limit]


def _real_controls(session: Session, recipe: WorklistRecipe, candidates: Sequence[Item]) -> list[Item]:
    """Real images of validation subjects, which no generator may have seen, that look like the candidates."""
    shapes = {item.shape for item in candidates}
    if len(shapes) > 1:
        raise BadInput(f"controls need candidates of one shape and depth, got {len(shapes)}. Name batches of one.")
    (shape,) = shapes
    query = (
        _labelled("import", Image.import_id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == Split.VALIDATION)
        .where(Image.height == shape[0], Image.width == shape[1], Image.channels == shape[2], Image.bits == shape[3])
    )
    found = _items(session, query, Purpose.REAL_CONTROL)
    labels, spacings = {item.label for item in candidates}, {item.spacing_mm for item in candidates}
    labels_of = Counter(item.image_id for item in found)
    alike = [
        item
        for item in found
        if labels_of[item.image_id] == 1 and item.label in labels and _same_scale(item.spacing_mm, spacings)
    ]
    if len(alike) < recipe.real_controls:
        height, width, channels, bits = shape
        raise BadInput(
            f"expected {recipe.real_controls} real validation images of {height}x{width}x{channels}, {bits} bit, with "
            f"the candidates' classes and spacing, as controls; there are {len(alike)}. Ask for fewer, or import "
            "images that look like the candidates."
        )
    return _by_hash(alike, recipe.seed)[: recipe.real_controls]


def _same_scale(spacing: tuple[float, float] | None, candidates: set[tuple[float, float] | None]) -> bool:
    """Whether a spacing is that of a candidate, or one of the two is unknown."""
    if spacing is None or None in candidates:
        return True
    return any(np.allclose(spacing, other, atol=SPACING_TOLERANCE_MM) for other in candidates if other is not None)


def _labelled(source: str, source_id: InstrumentedAttribute[int | None]) -> Select[*tuple[Any, ...]]:
    labelled = and_(ImageLabel.image_id == Image.id, ImageLabel.source == source, ImageLabel.value >= 0.5)
    return (
        select(
            Image.id,
            Label.name,
            source_id,
            Image.pixel_sha256,
            Image.height,
            Image.width,
            Image.channels,
            Image.bits,
            Image.spacing_row_mm,
            Image.spacing_column_mm,
        )
        .join(ImageLabel, labelled)
        .join(Label, Label.id == ImageLabel.label_id)
    )


def _items(session: Session, query: Select[*tuple[Any, ...]], purpose: Purpose) -> list[Item]:
    return [
        Item(
            image_id,
            label,
            purpose,
            source_id,
            digest,
            (height, width, channels, bits),
            None if row_mm is None or column_mm is None else (row_mm, column_mm),
        )
        for image_id, label, source_id, digest, height, width, channels, bits, row_mm, column_mm in session.execute(
            query
        )
    ]


def _by_hash(items: list[Item], seed: int) -> list[Item]:
    def place(item: Item) -> tuple[str, int]:
        return hashlib.sha256(f"{seed}:{item.pixel_sha256}".encode()).hexdigest(), item.image_id

    return sorted(items, key=place)
