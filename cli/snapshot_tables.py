"""How previews and differences of snapshots are printed for the eye."""

from dataclasses import asdict
from typing import Any

import click

from cli.terminal import emit, with_readable_keys
from curation.snapshots.coverage import Reach
from curation.snapshots.diff import SnapshotDiff
from curation.snapshots.preview import Preview


def show_preview(found: Preview) -> None:
    """Print a preview as tables, with what would stop a build last, where the eye is."""
    classes = [asdict(one) for one in found.classes]
    for row in classes:
        row["weight_share"] = f"{row['weight_share']:.1%}"
        row[f"short of {found.target}"] = row.pop("missing")
    emit(with_readable_keys(classes), False, "by class")
    emit(_facts(found), False)
    readers = [{"reader": name, **facts} for name, facts in found.approved_by.items()]
    if readers:
        emit(readers, False, "who read what was approved")
    reach = [*found.coverage.classes, *found.coverage.subgroups]
    if found.coverage.screened:
        emit([_reach(one) for one in reach], False, "real training images near a synthetic one")
    if found.left_out:
        emit([{"left out": why, "images": count} for why, count in found.left_out.items()], False, "left out")
    for refusal in found.refused:
        click.secho(f"a build is refused: {refusal}", fg="red")


def _facts(found: Preview) -> dict[str, Any]:
    readings, agreement = found.readings, found.agreement
    facts: dict[str, Any] = {
        "content": found.digest[:12],
        "added per real": "-" if found.added_per_real is None else f"{found.added_per_real:.2f}",
        "generators": found.generators or None,
        "readings": readings_line(readings),
        "agreement": agreement_line(
            agreement.images, agreement.with_two_or_more, agreement.all_agree, agreement.mean_share
        ),
        "candidates not read": found.unread,
        "drawn, in no worklist": found.in_no_worklist,
        "subjects": found.subjects,
        "notice": found.notice,
    }
    if found.corrected_label_ignored:
        facts["kept against a correction"] = f"{found.corrected_label_ignored} under the class asked for"
    if found.coverage.synthetic and not found.coverage.screened:
        facts["coverage"] = "unknown: screening stored no neighbours of these images"
    return facts


def readings_line(readings: dict[str, Any]) -> str:
    """Who stands behind the approvals, in one line, excluded readers included."""
    line = (
        f"{readings['human']} by people, {readings['proxy']} by proxy models, {readings.get('grid', 0)} for whole pages"
    )
    excluded = readings.get("images_on_excluded_readers", 0)
    if excluded:
        line += f"; {excluded} approvals rest on readers whom their worklist's rules exclude"
    return line


def agreement_line(images: int, several: int, all_agree: int, mean: float | None) -> str:
    """How far the readings of approved images agree; of single readings nothing is said."""
    if mean is None:
        return f"not known: none of {images} approved images has two readings that count" if images else "-"
    return f"{mean:.0%} on average, all of them on {all_agree} of {several} images with two or more readings"


def _reach(one: Reach) -> dict[str, Any]:
    share = [f"{count} ({count / one.real:.0%})" for count in (one.by_mix, one.by_drawn)]
    return {"group": one.group, "real": one.real, "this mix": share[0], "everything drawn": share[1]}


def show_diff(found: SnapshotDiff, first: str, second: str) -> None:
    """Print a difference: the recipes, the counts, and a few images of each kind."""
    emit({"same content": found.same_content, "unchanged": found.unchanged, **found.counts,
          "readings": f"{found.readings[0]} and {found.readings[1]}"}, False, f"{first} and {second}")  # fmt: skip
    if found.recipe:
        rows = [{"recipe": name, first: was, second: now} for name, (was, now) in found.recipe.items()]
        emit(rows, False, "recipes")
    groups = [
        {"change": kind, "where": where, "images": n}
        for kind, some in found.by_group.items()
        for where, n in some.items()
    ]
    if groups:
        emit(groups, False, "where")
    if found.examples:
        emit(
            [asdict(one) | {"pixel_sha256": one.pixel_sha256[:12]} for one in found.examples],
            False,
            "the first of each",
        )
