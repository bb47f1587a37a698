"""Figures of a screening: verdicts by class, and each check's values beside those of real images."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.queries import class_asked, newest_screenings
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, Import

Floats = NDArray[np.floating[Any]]

BINS = 32
MARGIN = 0.02  # beyond the outermost value or threshold, so that neither lies on the frame
COPIES = ("near_copy", "near_copy_pixels")
NOT_SET = "not set"
NOTHING_NEAR = 2.0  # the distance where there is no earlier image


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of a check's values: the share of the batch's images in it, and of held-out real ones."""

    drawn: float
    real: float


@dataclass(frozen=True, slots=True)
class CheckFigure:
    """One check over a batch. Lines are thresholds: (where, `flag` or `block`)."""

    name: str
    n: int
    flagged: int
    blocked: int
    not_set: str | None
    real_n: int
    left: float
    right: float
    beyond: int  # images of the batch outside [left, right], counted in the first and the last bin
    bins: list[Bin]
    lines: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class ScreeningFigures:
    """The newest screening of a batch."""

    screening_id: int
    batch_id: int
    generator: str
    parameters: dict[str, Any]
    by_class: dict[str, Counter[str]]
    checks: list[CheckFigure]


def screened_batches(session: Session) -> list[tuple[int, int, str]]:
    """(screening, batch, generator) of the newest screening of each batch, newest batch first."""
    rows = session.execute(
        select(Screening.id, Screening.batch_id, Generator.name)
        .join(Batch, Batch.id == Screening.batch_id)
        .join(Generator, Generator.id == Batch.generator_id)
        .where(Screening.id.in_(newest_screenings()))
        .order_by(Screening.batch_id.desc())
    )
    return [(screening_id, batch_id, name) for screening_id, batch_id, name in rows]


def screening_figures(session: Session, screening_id: int) -> ScreeningFigures:
    """Every figure of one screening; raises NotFound."""
    row = session.get(Screening, screening_id)
    if row is None or row.status is not BuildStatus.READY:
        raise NotFound(f"there is no screening {screening_id}. `rounds screen` makes one.")
    generator = session.scalars(
        select(Generator.name).join(Batch, Batch.generator_id == Generator.id).where(Batch.id == row.batch_id)
    ).one()
    names = session.scalars(select(ScreeningCheck.name).where(ScreeningCheck.screening_id == row.id).distinct()).all()
    known = [*row.parameters.get("ranges", {}), *row.parameters.get("limits", {})]
    ordered = sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))
    checks = [_check(session, row, name) for name in ordered]
    return ScreeningFigures(row.id, row.batch_id, generator, row.parameters, _by_class(session, row.id), checks)


def notices(session: Session) -> list[str]:
    """The notices of this project's imports."""
    query = select(Import.notice).where(Import.status == BuildStatus.READY, Import.notice.is_not(None)).distinct()
    return [str(notice) for notice in session.scalars(query.order_by(Import.notice))]


def threshold_lines(parameters: dict[str, Any], name: str) -> list[tuple[float, str]]:
    """Where a check's thresholds lie, as its screening saved them; none where they were not set."""
    thresholds = parameters.get("ranges", {}).get(name) or parameters.get("limits", {}).get(name) or {}
    if name == "near_copy":
        gate = parameters.get(name, {})
        thresholds = {"flag": gate.get("distance"), "block": gate.get("sure_distance")}
    if name == "near_copy_pixels":  # it blocks, or it says nothing
        thresholds = {"block": parameters.get(name, {}).get("distance")}
    if name.startswith("duplicate"):
        thresholds = {"flag": parameters.get("duplicate_below")}
    keys = ("flag_low", "flag_high", "flag", "block", "block_low", "block_high")
    return [(float(thresholds[key]), key.split("_")[0]) for key in keys if thresholds.get(key) is not None]


def class_of_image() -> ColumnElement[str]:
    """The class that an `Image` was asked to show."""
    return func.coalesce(class_asked(Image.id), "no class")


def _by_class(session: Session, screening_id: int) -> dict[str, Counter[str]]:
    label = class_of_image()
    rows = session.execute(
        select(label, ScreenedImage.verdict, func.count())
        .join(Image, Image.id == ScreenedImage.image_id)
        .where(ScreenedImage.screening_id == screening_id)
        .group_by(label, ScreenedImage.verdict)
        .order_by(label)
    )
    verdicts: dict[str, Counter[str]] = {}
    for name, verdict, count in rows:
        verdicts.setdefault(name, Counter())[verdict.value] = count
    return verdicts


def _check(session: Session, screening: Screening, name: str) -> CheckFigure:
    rows = session.execute(
        select(ScreeningCheck.value, ScreeningCheck.verdict, ScreeningCheck.threshold).where(
            ScreeningCheck.screening_id == screening.id, ScreeningCheck.name == name
        )
    ).all()
    verdicts = Counter(verdict.value for _, verdict, _ in rows)
    unset = next((threshold for _, _, threshold in rows if threshold.startswith(NOT_SET)), None)
    values = np.array([value for value, _, threshold in rows if not threshold.startswith(NOT_SET)])
    if name.startswith("duplicate"):
        values = values[values < NOTHING_NEAR]
        unset = unset if len(values) else "nothing before it to compare with"
    real = screening.parameters.get("real_values", {}).get(name, {"n": 0, "quantiles": []})
    lines = threshold_lines(screening.parameters, name)
    left, right = _reach(values, real["quantiles"], [where for where, _ in lines])
    drawn = np.histogram(np.clip(values, left, right), BINS, (left, right))[0] / max(len(values), 1)
    share = _share_of_quantiles(real["quantiles"], left, right)
    return CheckFigure(
        name,
        len(rows),
        verdicts["flag"],
        verdicts["block"],
        unset,
        int(real["n"]),
        left,
        right,
        int(((values < left) | (values > right)).sum()),
        [Bin(*pair) for pair in zip(drawn.tolist(), share.tolist(), strict=True)],
        [line for line in lines if left <= line[0] <= right],
    )


def _reach(values: Floats, quantiles: Sequence[float], lines: Sequence[float]) -> tuple[float, float]:
    """The ends of the plot: real images and thresholds, and of the batch as much again on either side."""
    fixed = [*quantiles, *lines]
    if not quantiles:
        fixed += np.quantile(values, [0, 1]).tolist() if len(values) else [0.0, 1.0]
    low, high = min(fixed), max(fixed)
    room = (high - low) or abs(high) or 1.0
    if len(values):
        low, high = max(min(low, float(values.min())), low - room), min(max(high, float(values.max())), high + room)
    edge = MARGIN * ((high - low) or room)
    return low - edge, high + edge


def _share_of_quantiles(quantiles: Sequence[float], left: float, right: float) -> Floats:
    """The share of real images in each bin, each stretch between two quantiles spread evenly."""
    shares = np.zeros(BINS)
    edges = np.linspace(left, right, BINS + 1)
    for low, high in itertools.pairwise(quantiles):
        part = 1 / (len(quantiles) - 1)
        if high <= low:
            shares[min(int(np.searchsorted(edges, low, "right")) - 1, BINS - 1)] += part
        else:
            overlap = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
            shares += part * np.maximum(overlap, 0) / (high - low)
    return shares


def list_ready_batches(session: Session) -> Sequence[int]:
    """The ids of the batches that can be screened: every image of them is generated."""
    return session.scalars(select(Batch.id).where(Batch.status == BuildStatus.READY).order_by(Batch.id)).all()


def newest_screening(session: Session, batch_id: int) -> tuple[dict[str, Any], dict[str, int]]:
    """The parameters of the newest screening of a batch, and how many images each check flagged or blocked."""
    newest = select(Screening).where(Screening.batch_id == batch_id).order_by(Screening.id.desc()).limit(1)
    screening = session.scalars(newest).one()
    raised = (
        select(ScreeningCheck.name, func.count())
        .where(ScreeningCheck.screening_id == screening.id, ScreeningCheck.verdict != ScreeningVerdict.PASS)
        .group_by(ScreeningCheck.name)
    )
    return screening.parameters, {name: count for name, count in session.execute(raised)}
