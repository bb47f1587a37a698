"""Print previews and differences of snapshots as tables."""

from dataclasses import asdict
from typing import Any

import click

from cli.snapshot_notes import near_copies_line
from cli.terminal import emit, with_readable_keys
from curation.snapshots.coverage import Reach
from curation.snapshots.diff import SnapshotDiff
from curation.snapshots.preview import Preview
from curation.worklists.admitted import ScreenedCounts


def show_preview(preview: Preview) -> None:
    """Print a preview as tables, with what would stop a build last, where the eye is."""
    classes = [asdict(group) for group in preview.classes]
    for row in classes:
        row["weight_share"] = f"{row['weight_share']:.1%}"
        row[f"short of {preview.target}"] = row.pop("missing")
    emit(with_readable_keys(classes), False, "by class")
    emit(_facts(preview), False)
    readers = [{"reader": name, **facts} for name, facts in preview.approved_by.items()]
    if readers:
        emit(readers, False, "who read what was approved")
    reach = [*preview.coverage.classes, *preview.coverage.subgroups]
    if preview.coverage.screened:
        emit([_reach(group) for group in reach], False, "real training images near a synthetic one")
    if preview.left_out:
        emit([{"left out": why, "images": count} for why, count in preview.left_out.items()], False, "left out")
    if preview.mixed_scales:
        click.secho(preview.mixed_scales, fg="yellow")
    for refusal in preview.refused:
        click.secho(f"a build is refused: {refusal}", fg="red")


def _facts(preview: Preview) -> dict[str, Any]:
    readings, agreement = preview.readings, preview.agreement
    facts: dict[str, Any] = {
        "content": preview.digest[:12],
        "added per real": "-" if preview.added_per_real is None else f"{preview.added_per_real:.2f}",
        "generators": preview.generators or None,
        "readings": readings_line(readings),
        "agreement": agreement_line(
            agreement.images, agreement.with_two_or_more, agreement.all_agree, agreement.mean_share
        ),
        "candidates not read": preview.unread,
        "drawn, in no worklist": preview.in_no_worklist,
        "subjects": preview.subjects,
        "near copies": [_near_copies(preview, split) for split in ("validation", "test")],
        "notice": preview.notice,
    }
    facts |= ScreenedCounts(preview.screened["by_class"]).lines()
    facts["kept out by screening here"] = preview.kept_out_by_screening or "none"
    if preview.corrected_label_ignored:
        facts["kept against a correction"] = f"{preview.corrected_label_ignored} under the class asked for"
    if preview.coverage.synthetic and not preview.coverage.screened:
        facts["coverage"] = "unknown: screening stored no neighbours of these images"
    return facts


def _near_copies(preview: Preview, split: str) -> str:
    n_images = sum(getattr(row, split) for row in preview.classes)
    return near_copies_line(split, None if preview.near_copies is None else preview.near_copies[split], n_images)


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


def _reach(group: Reach) -> dict[str, Any]:
    share = [f"{count} ({count / group.real:.0%})" for count in (group.by_mix, group.by_drawn)]
    return {"group": group.group, "real": group.real, "this mix": share[0], "all generated": share[1]}


def show_diff(diff: SnapshotDiff, first: str, second: str) -> None:
    """Print a difference: the recipes, the counts, and a few images of each kind."""
    emit({"same content": diff.same_content, "unchanged": diff.unchanged, **diff.counts,
          "readings": f"{diff.readings[0]} and {diff.readings[1]}"}, False, f"{first} and {second}")  # fmt: skip
    if diff.recipe:
        rows = [{"recipe": name, first: was, second: now} for name, (was, now) in diff.recipe.items()]
        emit(rows, False, "recipes")
    by_group = diff.by_group.items()
    groups = [{"change": kind, "where": where, "images": n} for kind, places in by_group for where, n in places.items()]
    if groups:
        emit(groups, False, "where")
    if diff.examples:
        rows = [asdict(example) | {"pixel_sha256": example.pixel_sha256[:12]} for example in diff.examples]
        emit(rows, False, "the first of each")
