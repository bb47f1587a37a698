"""What goes into a snapshot: the recipe, and the choice of images it makes.

Choices never depend on the order of rows: candidates are ordered by a hash of (seed, pixel digest).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from curation.audit import digest_of
from curation.errors import BadInput, Conflict
from curation.models.generation import Batch, ScreeningCheck, ScreeningVerdict
from curation.models.images import BuildStatus, Image, ImageLabel, Label, Split, Subject
from curation.models.reading import OutcomeVerdict, Worklist
from curation.outcomes import decisions_of
from curation.real_images import is_ready_real

PRIVACY_CHECKS = ("near_copy", "near_copy_pixels")


class MixRecipe(BaseModel):
    """Which images a snapshot takes. Synthetic images and extra real ones go into the training split only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    synthetic: Literal["none", "approved", "raw", "random"] = "approved"
    extra_real: Literal["none", "duplicated", "reserve"] = "none"
    max_ratio: float | None = Field(default=None, gt=0, description="synthetic images per real training image, at most")
    real_per_class: int | None = Field(default=None, gt=0, description="keep this many real training images per class")
    worklists: tuple[str, ...] = Field(default=(), description="whose outcomes count; none named means all")
    corrected_labels: bool = True
    allow_unknown_provenance: bool = False
    seed: int = 0

    def digest(self) -> str:
        """SHA-256 of the recipe as canonical JSON."""
        return digest_of(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Chosen:
    """One image taken: its row, its label, why, and which repeat of it this is."""

    image: Image
    label: str
    split: Split
    subject: str | None
    why: str
    copy: int = 0


@dataclass(frozen=True, slots=True)
class Approval:
    """An outcome that admits an image under a label, and the readings it rests on."""

    label: str
    reading_ids: tuple[int, ...]
    proxy_only: bool
    worklist: str


def choose(session: Session, recipe: MixRecipe) -> list[Chosen]:
    """Every image the recipe takes, in no particular order; raises BadInput when it cannot be met."""
    real = _real_images(session)
    approved = approvals(session, recipe.worklists) if _needs_outcomes(recipe) else {}
    train = _keep_per_class([item for item in real if item.split == Split.TRAIN], recipe)
    if not train:
        raise BadInput("no real training image in this project. Import some first: `rounds import --help`.")
    held_out = [item for item in real if item.split in (Split.VALIDATION, Split.TEST)]
    extra = _synthetic(session, recipe, approved) + _extra_real(session, recipe, approved, train, real)
    return train + held_out + _cap(extra, recipe, len(train))


def approvals(session: Session, worklists: Sequence[str]) -> dict[int, Approval]:
    """Approved candidates by image id; raises Conflict when one worklist approves what another rejects."""
    taken: dict[int, Approval] = {}
    rejected: set[int] = set()
    for worklist in _worklists(session, worklists):
        for image_id, decision in decisions_of(session, worklist).items():
            if decision.verdict == OutcomeVerdict.REJECTED:
                rejected.add(image_id)
            elif decision.verdict == OutcomeVerdict.APPROVED:
                taken[image_id] = Approval(
                    decision.label or "", decision.reading_ids, decision.proxy_only, worklist.name
                )
    conflicting = sorted(rejected & taken.keys())
    if conflicting:
        shown = ", ".join(map(str, conflicting[:5]))
        raise Conflict(
            f"{len(conflicting)} images are approved in one worklist and rejected in another (image ids {shown}). "
            "Name the worklists that count with --worklist."
        )
    return taken


def _worklists(session: Session, names: Sequence[str]) -> list[Worklist]:
    everything = list(session.scalars(select(Worklist).order_by(Worklist.id)))
    missing = sorted(set(names) - {worklist.name for worklist in everything})
    if missing:
        raise BadInput(f"no worklist named {', '.join(missing)}. `rounds worklist list` shows those there are.")
    return [worklist for worklist in everything if not names or worklist.name in names]


def _needs_outcomes(recipe: MixRecipe) -> bool:
    return recipe.synthetic in ("approved", "random") or recipe.extra_real != "none"


def _labelled(source: str) -> Select[Image, str]:
    labelled = and_(ImageLabel.image_id == Image.id, ImageLabel.source == source, ImageLabel.value >= 0.5)
    query = select(Image, Label.name).join(ImageLabel, labelled).join(Label, Label.id == ImageLabel.label_id)
    return query.where(Image.withdrawn_at.is_(None))


def _real_images(session: Session) -> list[Chosen]:
    query = _labelled("import").add_columns(Subject).join(Subject, Subject.id == Image.subject_id)
    query = query.where(is_ready_real())
    return [
        Chosen(image, label, subject.split, subject.key, f"real, {subject.split.value} subject")
        for image, label, subject in session.execute(query)
    ]


def _drawn(session: Session) -> list[Chosen]:
    """Every synthetic image of a finished batch that no privacy check blocked, under the label it was asked for."""
    copies = (
        select(ScreeningCheck.image_id)
        .where(ScreeningCheck.name.in_(PRIVACY_CHECKS), ScreeningCheck.verdict == ScreeningVerdict.BLOCK)
        .scalar_subquery()
    )
    query = _labelled("request").join(Batch, Batch.id == Image.batch_id)
    query = query.where(Batch.status == BuildStatus.READY, Image.id.not_in(copies))
    return [Chosen(image, label, Split.TRAIN, None, "synthetic, as drawn") for image, label in session.execute(query)]


def _synthetic(session: Session, recipe: MixRecipe, approved: dict[int, Approval]) -> list[Chosen]:
    if recipe.synthetic == "none":
        return []
    drawn = _drawn(session)
    if recipe.synthetic == "raw":
        return drawn
    if not approved:
        raise BadInput(
            "no candidate is approved yet. Read a worklist first (`rounds review`), or choose another --synthetic."
        )
    requested = {item.image.id: item for item in drawn}
    taken = []
    for image_id, approval in approved.items():
        item = requested.get(image_id)
        if item is not None:
            label = approval.label if recipe.corrected_labels and approval.label else item.label
            taken.append(Chosen(item.image, label, Split.TRAIN, None, f"approved in {approval.worklist}"))
    if recipe.synthetic == "approved":
        return taken
    return _take(
        drawn, Counter(item.label for item in taken), recipe.seed, "synthetic, drawn at random to the approved counts"
    )


def _extra_real(
    session: Session, recipe: MixRecipe, approved: dict[int, Approval], train: list[Chosen], real: list[Chosen]
) -> list[Chosen]:
    if recipe.extra_real == "none":
        return []
    labels = {item.image.id: item.label for item in _drawn(session)}
    counts = Counter(approval.label or labels[image] for image, approval in approved.items() if image in labels)
    if recipe.extra_real == "reserve":
        reserve = [item for item in real if item.split == Split.RESERVE]
        moved = [Chosen(i.image, i.label, Split.TRAIN, i.subject, "real, reserve subject") for i in reserve]
        return _take(moved, counts, recipe.seed, "real, reserve subject")
    return _repeat(train, counts, recipe.seed)


def _take(pool: Iterable[Chosen], counts: Counter[str], seed: int, why: str) -> list[Chosen]:
    """`counts` of each class from `pool`, chosen by hash; raises BadInput when a class has too few."""
    by_label: dict[str, list[Chosen]] = defaultdict(list)
    for item in _hash_ordered(pool, seed):
        by_label[item.label].append(item)
    short = {label: (count, len(by_label[label])) for label, count in counts.items() if len(by_label[label]) < count}
    if short:
        listed = ", ".join(f"{label}: {wanted} wanted, {there} there" for label, (wanted, there) in short.items())
        raise BadInput(
            f"not enough images ({why}): {listed}. Draw or import more, or lower the counts with --max-ratio."
        )
    return [
        Chosen(item.image, item.label, item.split, item.subject, why)
        for label, count in counts.items()
        for item in by_label[label][:count]
    ]


def _repeat(train: list[Chosen], counts: Counter[str], seed: int) -> list[Chosen]:
    by_label: dict[str, list[Chosen]] = defaultdict(list)
    for item in _hash_ordered(train, seed):
        by_label[item.label].append(item)
    repeats = []
    for label, count in counts.items():
        if not by_label[label]:
            raise BadInput(
                f"no real training image of class {label!r} to repeat. Import some, or leave --extra-real out."
            )
        for position in range(count):
            item = by_label[label][position % len(by_label[label])]
            copy = 1 + position // len(by_label[label])
            repeats.append(Chosen(item.image, label, Split.TRAIN, item.subject, "real, repeated", copy))
    return repeats


def _keep_per_class(train: list[Chosen], recipe: MixRecipe) -> list[Chosen]:
    if recipe.real_per_class is None:
        return train
    counts: Counter[str] = Counter()
    kept = []
    for item in _hash_ordered(train, recipe.seed):
        if counts[item.label] < recipe.real_per_class:
            counts[item.label] += 1
            kept.append(item)
    return kept


def _cap(extra: list[Chosen], recipe: MixRecipe, n_real: int) -> list[Chosen]:
    """At most `max_ratio` extra images per real training image, taken round-robin over classes."""
    if recipe.max_ratio is None:
        return extra
    by_label: dict[str, list[Chosen]] = defaultdict(list)
    for item in _hash_ordered(extra, recipe.seed):
        by_label[item.label].append(item)
    depth = {id(item): position for items in by_label.values() for position, item in enumerate(items)}
    in_turn = sorted(extra, key=lambda item: (depth[id(item)], item.label))
    return in_turn[: int(recipe.max_ratio * n_real)]


def _hash_ordered(items: Iterable[Chosen], seed: int) -> list[Chosen]:
    def position(item: Chosen) -> tuple[str, int]:
        return hashlib.sha256(f"{seed}:{item.image.pixel_sha256}".encode()).hexdigest(), item.copy

    return sorted(items, key=position)
