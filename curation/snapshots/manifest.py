"""What a snapshot will say of itself: its rows, its manifest, and everything it descends from."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, LeakRefused
from curation.lineage.guard import check_generator_allowed, generator_lineage
from curation.lineage.withdrawn import mark
from curation.models.generation import Batch, Generator
from curation.models.images import Import, Label, Origin
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Reading
from curation.models.withdrawals import AffectedKind
from curation.snapshots.folder import FORMAT, SnapshotRow, content_digest, counts_of
from curation.snapshots.mix import Chosen, MixRecipe, approvals, choose

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A snapshot before it is written: rows of the folder, its manifest, and the values of its database rows."""

    rows: list[SnapshotRow]
    manifest: dict[str, Any]
    items: list[dict[str, Any]]


def plan_snapshot(session: Session, name: str, recipe: MixRecipe) -> Plan:
    """Choose the images of `recipe` and say everything about them; raises LeakRefused, BadInput or Conflict."""
    chosen = choose(session, recipe)
    batches = _batches(session, chosen)
    generators = {batch.generator.name: batch.generator for batch in batches.values()}
    lineage = _lineage(session, recipe, chosen, list(generators.values()))
    rows = _named([_row(item, batches) for item in chosen])
    shape, bits = _single_shape(chosen)
    used = {item.label for item in chosen}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "classes": [label for label in session.scalars(select(Label.name).order_by(Label.id)) if label in used],
        "shape": shape,
        "bits": bits,
        "subjects": "known" if _subjects_known(session, chosen) else "unknown",
        "notice": _notice(session, chosen, list(generators.values())),
        "recipe": recipe.model_dump(mode="json"),
        "lineage": lineage,
        "counts": counts_of(rows),
    }
    manifest["digest"] = content_digest(rows, manifest["classes"])
    items = [
        {"image_id": i.image.id, "copy": i.copy, "split": i.split, "label": i.label, "weight": 1.0, "why": i.why}
        for i in chosen
    ]
    return Plan(rows, manifest, items)


def _named(rows: list[SnapshotRow]) -> list[SnapshotRow]:
    """Give equal pictures of one split files of their own: a stranger's loader knows a row by its file name."""
    seen: Counter[tuple[str, str]] = Counter()
    named = []
    for row in sorted(rows, key=lambda row: (row.split, row.file_sha256, row.subject or "", row.label)):
        repeat = seen[row.split, row.file_sha256]
        seen[row.split, row.file_sha256] += 1
        named.append(replace(row, file_name=f"{row.file_sha256}-{repeat}.png") if repeat else row)
    return named


def _row(item: Chosen, batches: dict[int, Batch]) -> SnapshotRow:
    image = item.image
    batch = batches.get(image.batch_id) if image.batch_id is not None else None
    return SnapshotRow(
        file_name=f"{image.file_sha256}.png",
        label=item.label,
        subject=item.subject,
        origin=image.origin.value,
        weight=1.0,
        pixel_sha256=image.pixel_sha256,
        file_sha256=image.file_sha256,
        split=item.split.value,
        why=item.why,
        generator=batch.generator.weights_digest if batch else None,
        batch=batch.request_digest if batch else None,
        index=image.batch_index,
    )


def _batches(session: Session, chosen: list[Chosen]) -> dict[int, Batch]:
    wanted = {item.image.batch_id for item in chosen if item.image.batch_id is not None}
    batches = session.scalars(select(Batch).where(Batch.id.in_(wanted)))
    return {batch.id: batch for batch in batches if batch.generator is not None}


def _lineage(session: Session, recipe: MixRecipe, chosen: list[Chosen], generators: list[Generator]) -> dict[str, Any]:
    """Everything the mix descends from; raises LeakRefused when an ancestor saw a held-out subject."""
    ancestors = []
    for generator in generators:
        check_generator_allowed(session, generator)
        known = generator_lineage(session, generator)
        if not known.provenance_known and not recipe.allow_unknown_provenance:
            whose = f", or its ancestor {', '.join(known.unknown)}," if known.unknown else ""
            raise LeakRefused(
                f"generator {generator.name!r}{whose} does not say what it was fitted on. Pass "
                "--allow-unknown-provenance to take its images all the same; every report will say so."
            )
        ancestors.append(
            {
                "name": generator.name,
                "weights_digest": generator.weights_digest,
                "provenance": "known" if known.provenance_known else "UNKNOWN",
                "subjects": known.subjects,
                "pixel_sha256": known.pixels,
                "ancestors": generator.card.get("fitted_on", {}).get("ancestors", []),
                "affected": mark(session, AffectedKind.GENERATOR, generator.id),
            }
        )
    return {"generators": ancestors, "readings": _readings_facts(session, _frozen_readings(session, recipe, chosen))}


def _frozen_readings(session: Session, recipe: MixRecipe, chosen: list[Chosen]) -> list[int]:
    if recipe.synthetic != "approved":
        return []
    taken = {item.image.id for item in chosen if item.image.origin == Origin.SYNTHETIC}
    admitted = approvals(session, recipe.worklists)
    return sorted(
        {reading for image, approval in admitted.items() if image in taken for reading in approval.reading_ids}
    )


def _readings_facts(session: Session, reading_ids: list[int]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    readers: set[int] = set()
    grid = 0
    for start in range(0, len(reading_ids), CHUNK):
        chunk = reading_ids[start : start + CHUNK]
        query = (
            select(Reader.kind, Reader.id, Reading.mode)
            .join(Reading, Reading.reader_id == Reader.id)
            .where(Reading.id.in_(chunk))
        )
        for kind, reader_id, mode in session.execute(query):
            kinds[kind.value] += 1
            readers.add(reader_id)
            grid += mode == "grid"
    return {
        "ids": reading_ids,
        "readers": len(readers),
        "human": kinds[ReaderKind.HUMAN.value],
        "proxy": kinds[ReaderKind.PROXY.value],
        "grid": grid,
    }


def _single_shape(chosen: list[Chosen]) -> tuple[tuple[int, int, int], int]:
    shapes = Counter((i.image.height, i.image.width, i.image.channels, i.image.bits) for i in chosen)
    if len(shapes) != 1:
        listed = ", ".join(f"{n} of {h}x{w}x{c} {bits} bit" for (h, w, c, bits), n in shapes.most_common(4))
        raise BadInput(
            f"a snapshot needs images of one size and depth; got {listed}. Import them resampled to one size."
        )
    height, width, channels, bits = next(iter(shapes))
    return (height, width, channels), bits


def _subjects_known(session: Session, chosen: list[Chosen]) -> bool:
    imports = {item.image.import_id for item in chosen if item.image.import_id is not None}
    return all(session.scalars(select(Import.subjects_known).where(Import.id.in_(imports))))


def _notice(session: Session, chosen: list[Chosen], generators: list[Generator]) -> str | None:
    imports = {item.image.import_id for item in chosen if item.image.import_id is not None}
    notices = set(session.scalars(select(Import.notice).where(Import.id.in_(imports), Import.notice.is_not(None))))
    notices |= {generator.card.get("notice") for generator in generators}
    return " ".join(sorted(notice for notice in notices if notice)) or None
