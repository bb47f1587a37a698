"""Plan a snapshot: its rows, its manifest, and everything it descends from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import LeakRefused, RoundsError
from curation.near_copies.on_record import HELD_OUT, is_searched, near_copies_of
from curation.provenance.leaks import check_generator_allowed, generator_lineage
from curation.provenance.value_scales import ValueScale
from curation.provenance.withdrawn import affected_note
from curation.queries import chunks
from curation.snapshots.choice import choose
from curation.snapshots.content import ContentDigest
from curation.snapshots.folder import FORMAT, SPLITS, SnapshotRow, caption_digest
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool
from curation.snapshots.support import Support, support_of
from curation.tables.generation import Batch, Generator
from curation.tables.images import Import, Label, Split
from curation.tables.withdrawals import AffectedKind

_ROWS = (
    "SELECT file_name, label, subject, origin, weight, pixel, file, split, why, batch_id, batch_index, caption"
    " FROM rows"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A snapshot before it is written: its manifest, and its rows in the pool."""

    pool: Pool
    manifest: dict[str, Any]
    support: Support
    batches: dict[int, tuple[str, str]]  # batch id: weights digest of its generator, digest of its request
    captioned: bool  # whether any row has a caption: then every row has the column

    @property
    def size(self) -> int:
        """Count the rows."""
        return int(self.pool.value("SELECT COUNT(*) FROM rows"))

    def rows(self, split: str) -> Iterator[SnapshotRow]:
        """Yield the rows of one split in the order of the folder."""
        return (self._snapshot_row(row) for row in self.pool.rows(f"{_ROWS} WHERE split = ? ORDER BY rowid", split))

    def _snapshot_row(self, row: tuple[Any, ...]) -> SnapshotRow:
        file_name, label, subject, origin, weight, pixel, file, split, why, batch_id, index, caption = row
        generator, batch = self.batches.get(batch_id, (None, None))
        text = caption or ""
        known = SnapshotRow(file_name, label, subject, origin, weight, pixel, file, split, why, generator, batch, index)
        return replace(known, text=text, text_sha256=caption_digest(text)) if self.captioned else known

    def items(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the values of the database rows, a chunk at a time."""
        names = ("image_id", "copy", "split", "label", "weight", "why")
        query = "SELECT image, copy, split, label, weight, why FROM rows ORDER BY image, copy"
        return chunks(dict(zip(names, row, strict=True)) for row in self.pool.rows(query))


@contextmanager
def planned(session: Session, name: str, recipe: MixRecipe) -> Iterator[Plan]:
    """Plan the snapshot of `recipe`; raises LeakRefused, BadInput or Conflict."""
    with drafted(session, name, recipe) as plan:
        if plan.pool.refusals:
            raise plan.pool.refusals[0]
        yield plan


@contextmanager
def drafted(session: Session, name: str, recipe: MixRecipe) -> Iterator[Plan]:
    """Plan like `planned`, also a mix that is refused: the reasons are in `pool.refusals`."""
    with Pool.opened() as pool:
        choose(session, pool, recipe)
        yield _plan(session, pool, name, recipe)


def _plan(session: Session, pool: Pool, name: str, recipe: MixRecipe) -> Plan:
    batches = _batches(session, pool)
    generators = list({batch.generator_id: batch.generator for batch in batches.values()}.values())
    support = support_of(session, pool, recipe)
    shape, bits = _single_shape(pool)
    classes = _classes(session, pool)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "classes": classes,
        "shape": shape,
        "bits": bits,
        "subjects": "known" if _subjects_known(session, pool) else "unknown",
        "value_scales": [
            {"slope": scale.slope, "intercept": scale.intercept, "unit": scale.unit or None, "images": count}
            for scale, count in _count_scales(pool).items()
        ],
        "notice": _notice(session, pool, generators),
        "recipe": recipe.model_dump(mode="json"),
        "lineage": {"generators": _ancestors(session, pool, recipe, generators), "readings": support.readings},
        "approved_by": support.by_reader(names=False),
        "left_out": dict(sorted(pool.left_out.items())),
        "counts": _count_images(pool),
        "near_copies": _near_copies(session, pool, recipe),
    }
    digests = {key: (batch.generator.weights_digest, batch.request_digest) for key, batch in batches.items()}
    captioned = pool.value("SELECT COUNT(caption) FROM rows")
    if captioned:
        manifest["captions"] = captioned
    plan = Plan(pool, manifest, support, digests, bool(captioned))
    content = ContentDigest(classes)
    for split in sorted(SPLITS):
        for row in plan.rows(split):
            content.add(row.content())
    manifest["digest"] = content.hexdigest()
    return plan


def _batches(session: Session, pool: Pool) -> dict[int, Batch]:
    by_id: dict[int, Batch] = {}
    for chunk in chunks(pool.rows("SELECT DISTINCT batch_id FROM rows WHERE batch_id IS NOT NULL ORDER BY 1")):
        batches = session.scalars(select(Batch).where(Batch.id.in_([row[0] for row in chunk])))
        by_id |= {batch.id: batch for batch in batches}
    return by_id


def _ancestors(session: Session, pool: Pool, recipe: MixRecipe, generators: list[Generator]) -> list[dict[str, Any]]:
    """Describe what the generators of the mix saw, ancestors included; a leak is a refusal."""
    ancestors = []
    for generator in generators:
        known = generator_lineage(session, generator)
        try:
            check_generator_allowed(session, generator)
            if not known.provenance_known and not recipe.allow_unknown_provenance:
                whose = f", or its ancestor {', '.join(known.unknown)}," if known.unknown else ""
                raise LeakRefused(
                    f"generator {generator.name!r}{whose} does not say what it was fitted on. Pass "
                    "--allow-unknown-provenance to take its images all the same; every report will say so."
                )
        except RoundsError as refusal:
            pool.refusals.append(refusal)
        ancestors.append(
            {
                "name": generator.name,
                "weights_digest": generator.weights_digest,
                "provenance": "known" if known.provenance_known else "UNKNOWN",
                "subjects": known.subjects,
                "pixel_sha256": known.pixels,
                "ancestors": generator.card.get("fitted_on", {}).get("ancestors", []),
                "affected": affected_note(session, AffectedKind.GENERATOR, generator.id),
            }
        )
    return ancestors


def _classes(session: Session, pool: Pool) -> list[str]:
    used = {row[0] for row in pool.rows("SELECT DISTINCT label FROM rows")}
    return [label for label in session.scalars(select(Label.name).order_by(Label.id)) if label in used]


def _count_images(pool: Pool) -> dict[str, dict[str, int]]:
    """Count images by split, then by `label, origin`."""
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    query = "SELECT split, label, origin, COUNT(*) FROM rows GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    for split, label, origin, count in pool.rows(query):
        counts[split][f"{label}, {origin}"] = count
    return counts


def _near_copies(session: Session, pool: Pool, recipe: MixRecipe) -> dict[str, list[str]] | None:
    """Name the held-out files that look like an image of another subject that is trained on; None: not searched."""
    if not is_searched(session):
        return None
    trained_on = (Split.TRAIN, Split.RESERVE) if recipe.extra_real == "reserve" else (Split.TRAIN,)
    copies = near_copies_of(session, trained_on)
    files: dict[str, list[str]] = {split.value: [] for split in HELD_OUT}
    for image, split, name in pool.rows("SELECT image, split, file_name FROM rows WHERE split <> 'train' ORDER BY 3"):
        if image in copies:
            files[split].append(name)
    return files


def _single_shape(pool: Pool) -> tuple[tuple[int, int, int], int]:
    query = """
    SELECT height, width, channels, bits, COUNT(*) FROM rows JOIN images ON images.id = rows.image
    GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
    """
    shapes = list(pool.rows(query))
    if len(shapes) > 1:
        listed = ", ".join(f"{n} of {h}x{w}x{c} {bits} bit" for h, w, c, bits, n in shapes[:4])
        pool.refuse(f"a snapshot needs images of one size and depth; got {listed}. Import them resampled to one size.")
    height, width, channels, bits, _ = shapes[0] if shapes else (0, 0, 0, 0, 0)
    return (height, width, channels), bits


def _count_scales(pool: Pool) -> dict[ValueScale, int]:
    """Count the real gray images by what their values stand for."""
    query = """
    SELECT images.bits, slope, intercept, unit, COUNT(*) FROM rows JOIN images ON images.id = rows.image
    WHERE images.origin = 'real' AND images.channels = 1 GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 2, 3, 4
    """
    return {ValueScale(*scale): count for *scale, count in pool.rows(query)}


def _imports(pool: Pool) -> list[int]:
    query = "SELECT DISTINCT import_id FROM rows JOIN images ON images.id = rows.image WHERE import_id IS NOT NULL"
    return [row[0] for row in pool.rows(query)]


def _subjects_known(session: Session, pool: Pool) -> bool:
    return all(session.scalars(select(Import.subjects_known).where(Import.id.in_(_imports(pool)))))


def _notice(session: Session, pool: Pool, generators: list[Generator]) -> str | None:
    notices = {generator.card.get("notice") for generator in generators}
    notices |= set(session.scalars(select(Import.notice).where(Import.id.in_(_imports(pool)))))
    return " ".join(sorted(notice for notice in notices if notice)) or None
