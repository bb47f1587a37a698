"""Choose what goes into a worklist and in which order: candidates, audits of blocked images, controls."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.queries import newest_screenings
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import (
    PRIVACY_CHECKS,
    Batch,
    Generator,
    ScreenedImage,
    Screening,
    ScreeningCheck,
    ScreeningVerdict,
)
from curation.tables.images import Image, Import, Split
from curation.tables.reading import Outcome, OutcomeVerdict, Purpose
from curation.worklists.controls import Likeness, choose_defect_controls, choose_real_controls
from curation.worklists.items import Item, in_seeded_order, make_audits, make_candidates, select_labelled
from curation.worklists.recipe import check_recipe


def choose_items(session: Session, recipe: WorklistRecipe) -> list[Item]:
    """Choose candidates, audits of blocked images, and controls, by the seed and the pixels alone.

    No real image is in the list both as it is and with a defect. Raises BadInput for a recipe that contradicts itself,
    when there is nothing to read, or when too few controls have the shape, depth, spacing and class of the candidates.
    """
    check_recipe(session, recipe)
    candidates = choose_candidates(session, recipe)
    candidates += choose_audits(session, recipe)
    if not recipe.real_controls and not recipe.defect_controls:
        return candidates
    return candidates + _controls(
        session, recipe, Likeness.of(candidates), Split.VALIDATION, recipe.real_controls, recipe.defect_controls
    )


def choose_practice_items(session: Session, recipe: WorklistRecipe, like: Sequence[Item]) -> list[Item]:
    """Choose images to practise on before reading `like`: half real, half with a defect, of training subjects."""
    defects = recipe.practice // 2
    return _controls(session, recipe, Likeness.of(like), Split.TRAIN, recipe.practice - defects, defects)


def choose_candidates(session: Session, recipe: WorklistRecipe) -> list[Item]:
    """Choose images from the latest finished screening of each batch; raises BadInput when there are none."""
    latest = _latest_screenings(recipe)
    query = (
        select_labelled("request", Image.batch_id)
        .add_columns(ScreenedImage.verdict)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .where(
            ScreenedImage.screening_id.in_(latest),
            ScreenedImage.verdict.in_([ScreeningVerdict(verdict) for verdict in recipe.include]),
        )
    )
    if not recipe.again:
        decided = select(Outcome.image_id).where(Outcome.verdict != OutcomeVerdict.UNRESOLVED)
        query = query.where(Image.id.not_in(decided))
    candidates = in_seeded_order(make_candidates(session, query), recipe.seed)[: recipe.limit]
    if not candidates:
        raise BadInput(
            "expected screened candidates to read, and there are none. Run `rounds generate` and `rounds screen`. "
            "Images that have an outcome already are read again only with --again."
        )
    if recipe.order == "priority":
        scores = _doubts(session, latest)
        candidates = [replace(item, priority=scores.get(item.image_id, 0.0)) for item in candidates]
    return candidates


def choose_audits(session: Session, recipe: WorklistRecipe) -> list[Item]:
    """Choose a share of the images that screening blocked, so that readers measure how often it is wrong.

    Near copies of real images are never among them. No reading unblocks an image.
    """
    if not recipe.gate_audit_share:
        return []
    latest = _latest_screenings(recipe)
    blocked = (ScreeningCheck.screening_id.in_(latest), ScreeningCheck.verdict == ScreeningVerdict.BLOCK)
    copies = select(ScreeningCheck.image_id).where(*blocked, ScreeningCheck.name.in_(PRIVACY_CHECKS))
    query = (
        select_labelled("request", Image.batch_id)
        .add_columns(ScreeningCheck.name.label("check_name"))
        .join(ScreeningCheck, ScreeningCheck.image_id == Image.id)
        .where(*blocked, Image.id.not_in(copies))
    )
    audits = in_seeded_order(make_audits(session, query), recipe.seed)
    return audits[: math.ceil(recipe.gate_audit_share * len(audits))]


def draw_positions(items: Sequence[Item], recipe: WorklistRecipe) -> list[int]:
    """Draw each item's place in the worklist; candidates follow the recipe's order, controls stand anywhere.

    By `batch` older batches come first, by `flags` what screening flagged, by `priority` what it was least sure of.
    """
    random = np.random.default_rng(recipe.seed)
    if recipe.order == "random":
        return [int(place) for place in random.permutation(len(items))]
    candidates = [number for number, item in enumerate(items) if item.purpose is Purpose.CANDIDATE]
    others = sorted(set(range(len(items))) - set(candidates))
    keys = {
        "batch": lambda number: items[number].source_id,
        "flags": lambda number: not items[number].flagged,
        "priority": lambda number: -items[number].priority,
    }
    candidates.sort(key=keys[recipe.order])
    places = random.permutation(len(items))
    positions = dict(zip(others, places.tolist(), strict=False))
    positions |= dict(zip(candidates, np.sort(places[len(others) :]).tolist(), strict=True))
    return [positions[number] for number in range(len(items))]


def notice_of(session: Session, items: Sequence[Item]) -> str | None:
    """Join the notices of the generators and imports of these images, to be shown wherever they are."""
    synthetic = (Purpose.CANDIDATE, Purpose.GATE_AUDIT)
    batches = {item.source_id for item in items if item.purpose in synthetic}
    imports = {item.source_id for item in items if item.purpose not in synthetic}
    generators = select(Batch.generator_id).where(Batch.id.in_(batches))
    cards = session.scalars(select(Generator.card).where(Generator.id.in_(generators)))
    notices = {card.get("notice") for card in cards}
    notices |= set(session.scalars(select(Import.notice).where(Import.id.in_(imports))))
    return " ".join(sorted(notice for notice in notices if notice)) or None


def _controls(
    session: Session, recipe: WorklistRecipe, like: Likeness, split: Split, real: int, defects: int
) -> list[Item]:
    damaged = choose_defect_controls(session, like, split, recipe.seed, defects, recipe.label_shown)
    originals = {item.original_id for item in damaged if item.original_id is not None}
    return choose_real_controls(session, like, split, recipe.seed, real, originals) + damaged


def _latest_screenings(recipe: WorklistRecipe) -> Select[int]:
    latest = newest_screenings()
    return latest.where(Screening.batch_id.in_(recipe.batches)) if recipe.batches else latest


def _doubts(session: Session, latest: Select[int]) -> dict[int, float]:
    """Compute how near to a threshold each image came: 1 on it, towards 0 away from it.

    The distance is to the nearest flag limit of any check with a range, in halves of that range.
    """
    doubts: dict[int, float] = {}
    for screening_id, parameters in session.execute(
        select(Screening.id, Screening.parameters).where(Screening.id.in_(latest))
    ).all():
        ranges = {name: limits for name, limits in parameters.get("ranges", {}).items() if "flag_high" in limits}
        query = select(ScreeningCheck.image_id, ScreeningCheck.name, ScreeningCheck.value).where(
            ScreeningCheck.screening_id == screening_id, ScreeningCheck.name.in_(ranges)
        )
        for image_id, name, value in session.execute(query):
            doubts[image_id] = max(doubts.get(image_id, 0.0), _doubt(value, ranges[name]))
    return doubts


def _doubt(value: float, limits: dict[str, float | None]) -> float:
    high, low = limits["flag_high"], limits["flag_low"]
    assert high is not None
    half = max((high - (low or 0.0)) / 2, 1e-12)
    distance = min(abs(value - limit) for limit in (low, high) if limit is not None)
    return 1 / (1 + distance / half)
