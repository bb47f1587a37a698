"""Preview what a recipe gives before anything is written: counts, balance, coverage, readers, gaps."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from curation.reading.outcomes import stands
from curation.snapshots.coverage import Coverage, coverage_of
from curation.snapshots.folder import explain_mixed_scales
from curation.snapshots.gather import counted_worklists
from curation.snapshots.manifest import drafted
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool
from curation.tables.generation import Batch, Generator
from curation.tables.reading import Purpose, Reading, WorklistItem
from curation.worklists.admitted import count_screened


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """One class of the mix: its training images by origin, their share of the total weight, and its held-out ones."""

    label: str
    real: int
    synthetic: int
    weight_share: float
    validation: int
    test: int
    missing: int  # training images short of the target


@dataclass(frozen=True, slots=True)
class ApprovalAgreement:
    """How well the counting readings of the approved images agree, where an image has two or more."""

    images: int
    with_two_or_more: int
    all_agree: int
    mean_share: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview; `refused` lists what would stop a build."""

    digest: str
    refused: list[str]
    notice: str | None
    mixed_scales: str | None
    subjects: str
    classes: list[ClassCounts]
    target: int
    added_per_real: float | None
    generators: dict[str, int]
    coverage: Coverage
    readings: dict[str, int]
    approved_by: dict[str, dict[str, Any]]
    agreement: ApprovalAgreement
    corrected_label_ignored: int
    unread: int
    in_no_worklist: int
    left_out: dict[str, int]
    screened: dict[str, Any]  # what screening said of every synthetic image, and what worklists leave out
    kept_out_by_screening: dict[str, int]  # by class, under this recipe
    near_copies: dict[str, int] | None  # held-out split -> images that look like training images; None: not searched


def preview_snapshot(session: Session, recipe: MixRecipe, target: int | None = None) -> Preview:
    """Choose by `recipe` and describe the result; gaps count up to `target` images a class, else to the largest.

    Readers are named: show it only to those who may see who read. Raises BadInput for names that are not there.
    """
    with drafted(session, "preview", recipe) as plan:
        pool, manifest = plan.pool, plan.manifest
        classes, target = _count_classes(pool, recipe, target)
        real = sum(counts.real for counts in classes)
        unread, in_no_worklist = _unread(session, pool, recipe)
        readings = {key: value for key, value in manifest["lineage"]["readings"].items() if key != "ids"}
        return Preview(
            digest=manifest["digest"],
            refused=[str(refusal) for refusal in pool.refusals],
            notice=manifest["notice"],
            mixed_scales=explain_mixed_scales(manifest),
            subjects=manifest["subjects"],
            classes=classes,
            target=target,
            added_per_real=pool.value("SELECT COUNT(*) FROM extra") / real if real else None,
            generators=_generators(session, pool),
            coverage=coverage_of(session, pool),
            readings=readings,
            approved_by=plan.support.by_reader(names=True),
            agreement=_agreement(pool),
            corrected_label_ignored=0 if recipe.corrected_labels else _count_ignored_corrections(pool),
            unread=unread,
            in_no_worklist=in_no_worklist,
            left_out=manifest["left_out"],
            screened=count_screened(session).record(),
            kept_out_by_screening=pool.barred_by_class,
            near_copies=_count_files(manifest["near_copies"]),
        )


def _count_classes(pool: Pool, recipe: MixRecipe, target: int | None) -> tuple[list[ClassCounts], int]:
    counts: Counter[tuple[str, str, str]] = Counter()
    weights: defaultdict[str, float] = defaultdict(float)
    labels = set(recipe.classes)
    query = "SELECT label, split, origin, COUNT(*), SUM(weight) FROM rows GROUP BY 1, 2, 3"
    for label, split, origin, count, weight in pool.rows(query):
        labels.add(label)
        counts[label, split, origin] = count
        if split == "train":
            weights[label] += weight
    sizes = {label: counts[label, "train", "real"] + counts[label, "train", "synthetic"] for label in sorted(labels)}
    total = sum(weights.values())
    target = target or max(sizes.values(), default=0)
    classes = [
        ClassCounts(
            label=label,
            real=counts[label, "train", "real"],
            synthetic=counts[label, "train", "synthetic"],
            weight_share=weights[label] / total if total else 0.0,
            validation=counts[label, "validation", "real"],
            test=counts[label, "test", "real"],
            missing=max(0, target - size),
        )
        for label, size in sizes.items()
    ]
    return classes, target


def _count_files(files: dict[str, list[str]] | None) -> dict[str, int] | None:
    return None if files is None else {split: len(names) for split, names in files.items()}


def _generators(session: Session, pool: Pool) -> dict[str, int]:
    counts = dict(pool.rows("SELECT batch_id, COUNT(*) FROM rows WHERE origin = 'synthetic' GROUP BY batch_id"))
    names: Counter[str] = Counter()
    for batch_id, name in session.execute(select(Batch.id, Generator.name).join(Generator).order_by(Generator.name)):
        if batch_id in counts:
            names[name] += counts[batch_id]
    return dict(names)


def _agreement(pool: Pool) -> ApprovalAgreement:
    query = """
    SELECT COUNT(*), COALESCE(SUM(n >= 2), 0), COALESCE(SUM(n >= 2 AND agreeing = n), 0),
        AVG(CASE WHEN n >= 2 THEN CAST(agreeing AS REAL) / n END)
    FROM approved JOIN outcomes USING (image, worklist)
    WHERE image IN (SELECT image FROM rows WHERE origin = 'synthetic')
    """
    return ApprovalAgreement(*next(pool.rows(query)))


def _count_ignored_corrections(pool: Pool) -> int:
    """Count the images whose class readers corrected, and that the recipe takes under the class asked for."""
    return int(pool.value("SELECT COUNT(*) FROM approved WHERE corrected AND image IN (SELECT image FROM rows)"))


def _unread(session: Session, pool: Pool, recipe: MixRecipe) -> tuple[int, int]:
    """Count candidates without a reading in the counting worklists, and synthetic images in none of these."""
    if not recipe.needs_outcomes:
        return 0, 0
    lists = [worklist.id for worklist in counted_worklists(session, recipe.worklists)]
    listed = select(func.count(WorklistItem.image_id.distinct())).where(
        WorklistItem.worklist_id.in_(lists), WorklistItem.purpose == Purpose.CANDIDATE
    )
    read = exists().where(Reading.item_id == WorklistItem.id, stands())
    unread = session.scalar(listed.where(~read)) or 0
    drawn = pool.value("SELECT COUNT(*) FROM images WHERE origin = 'synthetic'")
    return unread, max(0, drawn - (session.scalar(listed) or 0))
