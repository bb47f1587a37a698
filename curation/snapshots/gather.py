"""Fill the pool from the database, streaming: real and synthetic images, outcomes, screening results."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from curation.digests import canonical_json, digest_of
from curation.errors import BadInput
from curation.provenance.real_images import is_ready_real
from curation.provenance.value_scales import ValueScale
from curation.queries import SHAPE, VALUE_SCALE, blocked_for_privacy, is_positive, newest_screenings
from curation.reading.outcome_rule import Decision, StandingReading
from curation.reading.outcomes import iterate_decisions
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import CHUNK, Pool
from curation.tables.generation import Batch, ScreenedImage, ScreeningCheck
from curation.tables.images import BuildStatus, Image, ImageCaption, ImageLabel, Label, Origin, Subject
from curation.tables.reading import OutcomeVerdict, Verdict, Worklist

SEVERAL = "several of its classes are positive, and a snapshot has one label an image"
NO_CLASS = "no class of the recipe is positive"
PRIVACY = "blocked as a near copy of a training image"
WITHDRAWN = "withdrawn"
OTHER_OUTCOME = "synthetic: an outcome of a kind the recipe does not let count"
_IMAGE = (Image.id, Image.pixel_sha256, Image.file_sha256, *SHAPE)
_INSERT = f"INSERT INTO images VALUES ({', '.join('?' * 21)})"


def gather(session: Session, pool: Pool, recipe: MixRecipe) -> None:
    """Load everything `recipe` may choose from; raises BadInput for classes and worklists that are not there."""
    known = set(session.scalars(select(Label.name)))
    missing = sorted(set(recipe.classes) - known)
    if missing:
        raise BadInput(f"no class named {', '.join(missing)}; there are: {', '.join(sorted(known)) or 'none yet'}.")
    pool.insert(_INSERT, _real_images(session, pool, recipe))
    if recipe.takes_synthetic:
        _bar_privacy_blocks(session, pool)
        pool.insert(_INSERT, _synthetic_images(session, pool, recipe))
        _bar_by_screening(session, pool, recipe)
        barred = "SELECT why, COUNT(*) FROM barred JOIN images ON images.id = barred.image GROUP BY why"
        for why, count in pool.rows(barred):
            pool.left_out[f"synthetic: {why}"] += count
        by_class = "SELECT label, COUNT(*) FROM barred JOIN images ON images.id = barred.image GROUP BY label"
        pool.barred_by_class = dict(pool.rows(f"{by_class} ORDER BY label"))
        pool.execute("DELETE FROM images WHERE id IN (SELECT image FROM barred)")
    if recipe.needs_outcomes:
        digests: list[list[Any]] = []
        for worklist in counted_worklists(session, recipe.worklists):
            rows = _outcomes(pool, worklist.id, _decisions(session, worklist, digests), recipe)
            pool.insert("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        pool.outcomes_digest = digest_of(digests)


def counted_worklists(session: Session, names: Sequence[str]) -> list[Worklist]:
    """Find the worklists whose outcomes count, oldest first; raises BadInput for a name that is not there."""
    worklists = list(session.scalars(select(Worklist).order_by(Worklist.id)))
    missing = sorted(set(names) - {worklist.name for worklist in worklists})
    if missing:
        raise BadInput(f"no worklist named {', '.join(missing)}. `rounds worklist list` shows those there are.")
    return [worklist for worklist in worklists if not names or worklist.name in names]


def outcomes_digest(session: Session, names: Sequence[str]) -> str:
    """Compute one digest over the current outcomes of the counted worklists and the readings they rest on."""
    digests: list[list[Any]] = []
    for worklist in counted_worklists(session, names):
        for _ in _decisions(session, worklist, digests):
            pass
    return digest_of(digests)


def _decisions(
    session: Session, worklist: Worklist, digests: list[list[Any]]
) -> Iterator[tuple[int, list[StandingReading], Decision]]:
    """Yield the decisions of a worklist; after the last, `digests` has one more entry unless there were none."""
    sha256, is_empty = hashlib.sha256(), True
    for image, readings, decision in iterate_decisions(session, worklist):
        sha256.update(canonical_json([image, decision.verdict.value, decision.label, decision.reading_ids]))
        is_empty = False
        yield image, readings, decision
    if not is_empty:
        digests.append([worklist.id, sha256.hexdigest()])


def _labels(source: str) -> Select[*tuple[Any, ...]]:
    """Select images in the order of their ids, with a row for each label that `source` gives them."""
    labelled = and_(ImageLabel.image_id == Image.id, is_positive(source))
    query = select(*_IMAGE, Label.name).select_from(Image).outerjoin(ImageLabel, labelled)
    return query.outerjoin(Label, Label.id == ImageLabel.label_id).order_by(Image.id)


def _with_one_label(
    session: Session, pool: Pool, query: Select[*tuple[Any, ...]], wanted: Sequence[str], what: str
) -> Iterator[tuple[Any, str]]:
    """Yield each image with its one positive label among `wanted`, or all; count those with none or several."""
    rows = session.execute(query.execution_options(yield_per=CHUNK))
    for _, group in groupby(rows, key=lambda row: row[0]):
        labelled = list(group)
        labels = {row.name for row in labelled if row.name is not None and (not wanted or row.name in wanted)}
        if len(labels) == 1:
            yield labelled[0], labels.pop()
        else:
            pool.left_out[f"{what}: {SEVERAL if labels else NO_CLASS}"] += 1


def _position(recipe: MixRecipe, pixel: str) -> bytes:
    return hashlib.sha256(f"{recipe.seed}:{pixel}".encode()).digest()


def _real_images(session: Session, pool: Pool, recipe: MixRecipe) -> Iterator[tuple[Any, ...]]:
    query = _labels("import").add_columns(Subject.key, Subject.split, Image.import_id, *VALUE_SCALE[1:])
    query = query.join(Subject, Subject.id == Image.subject_id).where(is_ready_real())
    query = query.add_columns(ImageCaption.text).outerjoin(ImageCaption, ImageCaption.image_id == Image.id)
    for row, label in _with_one_label(session, pool, query, recipe.classes, "real"):
        shape, origin = tuple(row[3:7]), (row.import_id, None, None, None)
        scale = ValueScale.of(row.bits, row.rescale_slope, row.rescale_intercept, row.signed_offset, row.value_unit)
        place = (_position(recipe, row.pixel_sha256), f"{row.file_sha256}{row.key}")
        yield (
            row.id, Origin.REAL.value, row.split.value, row.key, label, row.pixel_sha256, row.file_sha256,
            *shape, *origin, *place, scale.slope, scale.intercept, scale.unit, row.text,
        )  # fmt: skip


def _synthetic_images(session: Session, pool: Pool, recipe: MixRecipe) -> Iterator[tuple[Any, ...]]:
    """Yield every synthetic image of a finished batch with the class asked for; barred ones are cut later."""
    columns = (Image.batch_id, Batch.generator_id, Batch.request_digest, Image.batch_index, Image.withdrawn_at)
    query = _labels("request").add_columns(*columns).join(Batch, Batch.id == Image.batch_id)
    query = query.where(Batch.status == BuildStatus.READY)
    for row, label in _with_one_label(session, pool, query, (), "synthetic"):
        if row.withdrawn_at is not None:
            pool.left_out[f"synthetic: {WITHDRAWN}"] += 1
            continue
        shape, origin = tuple(row[3:7]), (None, row.batch_id, row.generator_id, row.batch_index)
        place = (_position(recipe, row.pixel_sha256), f"{row.file_sha256}{row.request_digest}{row.batch_index:09}")
        yield (
            row.id, Origin.SYNTHETIC.value, "train", None, label, row.pixel_sha256, row.file_sha256,
            *shape, *origin, *place, None, None, None, None,
        )  # fmt: skip


def _bar_privacy_blocks(session: Session, pool: Pool) -> None:
    """Bar what any screening blocked for privacy, whatever came later and whatever the recipe."""
    rows = session.execute(blocked_for_privacy().execution_options(yield_per=CHUNK))
    pool.insert("INSERT OR IGNORE INTO barred VALUES (?, ?)", ((row.image_id, PRIVACY) for row in rows))


def _bar_by_screening(session: Session, pool: Pool, recipe: MixRecipe) -> None:
    """Bar what the newest finished screening of its batch does not admit."""
    limits = recipe.screening
    if limits.admit == "any" and not limits.checks:
        return
    latest = newest_screenings()
    verdicts = select(ScreenedImage.image_id, ScreenedImage.verdict).where(ScreenedImage.screening_id.in_(latest))
    rows = session.execute(verdicts.execution_options(yield_per=CHUNK))
    pool.insert("INSERT OR IGNORE INTO screened VALUES (?, ?)", ((row.image_id, row.verdict.value) for row in rows))
    pool.execute(
        "INSERT OR IGNORE INTO barred SELECT id, 'not screened' FROM images"
        " WHERE origin = 'synthetic' AND id NOT IN (SELECT image FROM screened)"
    )
    refused = {"any": (), "flag": ("block",), "pass": ("block", "flag")}[limits.admit]
    for verdict in refused:
        why = f"screening says {verdict}"
        pool.execute("INSERT OR IGNORE INTO barred SELECT image, ? FROM screened WHERE verdict = ?", why, verdict)
    for limit in limits.checks:
        here = (ScreeningCheck.screening_id.in_(latest), ScreeningCheck.name == limit.check)
        values = select(ScreeningCheck.image_id, ScreeningCheck.value).where(*here)
        pool.execute("DROP TABLE IF EXISTS checked")
        pool.execute("CREATE TABLE checked (image INTEGER PRIMARY KEY, value REAL)")
        rows = session.execute(values.execution_options(yield_per=CHUNK))
        pool.insert("INSERT OR IGNORE INTO checked VALUES (?, ?)", (tuple(row) for row in rows))
        pool.execute(
            "INSERT OR IGNORE INTO barred SELECT image, ? FROM checked WHERE value < ? OR value > ?",
            f"{limit.check} outside the limits",
            float("-inf") if limit.at_least is None else limit.at_least,
            float("inf") if limit.at_most is None else limit.at_most,
        )
        pool.execute(
            "INSERT OR IGNORE INTO barred SELECT id, ? FROM images"
            " WHERE origin = 'synthetic' AND id NOT IN (SELECT image FROM checked WHERE value IS NOT NULL)",
            f"no value of {limit.check}",
        )


def _outcomes(
    pool: Pool, worklist_id: int, decisions: Iterator[tuple[int, list[StandingReading], Decision]], recipe: MixRecipe
) -> Iterator[tuple[Any, ...]]:
    for image, readings, decision in decisions:
        if not _is_counted(decision, recipe):
            pool.left_out[OTHER_OUTCOME] += 1
            continue
        agree = [_agrees(reading, decision) for reading in readings if reading.id in decision.reading_ids]
        ids = json.dumps(decision.reading_ids)
        yield image, worklist_id, decision.verdict.value, decision.label, ids, len(agree), sum(agree)


def _is_counted(decision: Decision, recipe: MixRecipe) -> bool:
    """Tell whether the recipe lets an outcome of this kind count, for or against an image."""
    if (decision.grid and not recipe.allow_grid) or (decision.proxy_only and not recipe.allow_proxy):
        return False
    return recipe.outcomes == "all" or decision.adjudicated == (recipe.outcomes == "adjudicated")


def _agrees(reading: StandingReading, decision: Decision) -> bool:
    expected = {OutcomeVerdict.APPROVED: Verdict.ACCEPT, OutcomeVerdict.REJECTED: Verdict.REJECT}.get(decision.verdict)
    return reading.verdict is expected and (expected is not Verdict.ACCEPT or reading.label == decision.label)
