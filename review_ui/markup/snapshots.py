"""HTML of the page of snapshots, with every value from the database escaped."""

from collections.abc import Sequence
from html import escape

from curation.snapshots.preview import Preview
from curation.snapshots.stale import SnapshotSummary
from curation.worklists.admitted import ScreenedCounts
from review_ui.markup.plots import readable, section, two_columns


def snapshot_table(rows: Sequence[SnapshotSummary]) -> str:
    """Every snapshot, newest first, and why stale ones are stale."""
    if not rows:
        return section("Snapshots", "<p class='r-soft'>None yet: <code>rounds snapshot build NAME</code>.</p>")
    head = "<thead><tr><th>Name</th><th>Images</th><th>Readings</th><th>Built</th><th>State</th></tr></thead>"
    body = "".join(_snapshot_row(row) for row in reversed(rows))
    note = "A stale snapshot stays as it is. Build another to take the change in."
    return section("Snapshots", f'<table class="r-table">{head}<tbody>{body}</tbody></table>', note=note)


def _snapshot_row(row: SnapshotSummary) -> str:
    images = ", ".join(f"{count} {split}" for split, count in row.counts.items())
    state = "stale" if row.stale else row.status
    why = "".join(f"<small>{escape(reason)}</small>" for reason in row.why_stale)
    return (
        f"<tr><th>{escape(row.name)}<small>{escape(row.digest)}</small></th><td>{escape(images)}</td>"
        f"<td>{row.readings}</td><td>{row.created_at:%Y-%m-%d %H:%M}</td><td>{escape(state)}{why}</td></tr>"
    )


def preview_sections(preview: Preview) -> str:
    """The result of a recipe: refusals first, then classes, support, coverage and what is left out."""
    refused = "".join(f"<p>{escape(reason)}</p>" for reason in preview.refused)
    parts = [f'<section class="r-section r-warning"><h3>A build is refused</h3>{refused}</section>' if refused else ""]
    notices = [preview.notice, preview.mixed_scales]
    notice = "".join(f'<p class="r-notice">{escape(line)}</p>' for line in notices if line)
    parts.append(section("By class", _classes(preview) + notice))
    parts.append(section("Held-out images that look like training images", _near_copies(preview)))
    parts.append(_screening(preview))
    parts.append(section("What approvals rest on", _support(preview)))
    if preview.coverage.screened:
        note = "Share of real training images that screening found among the three nearest of a synthetic one."
        parts.append(section("Coverage", _coverage(preview), note=note))
    elif preview.coverage.synthetic:
        unknown = "<p class='r-soft'>Unknown: screening stored no neighbours of these images.</p>"
        parts.append(section("Coverage", unknown))
    if preview.left_out:
        parts.append(section("Left out", two_columns(list(preview.left_out.items()))))
    return "".join(parts)


def _classes(preview: Preview) -> str:
    titles = ("Class", "Real", "Synthetic", "Weight", "Validation", "Test", f"Short of {preview.target}")
    rows = [
        (readable(row.label), row.real, row.synthetic, f"{row.weight_share:.0%}", row.validation, row.test, row.missing)
        for row in preview.classes
    ]
    return _table(titles, rows)


def _screening(preview: Preview) -> str:
    """What screening said of the synthetic images of each class, and what worklists and this mix leave out for it."""
    counts = ScreenedCounts(preview.screened["by_class"])
    if not counts.by_class:
        return section("Screening", "<p class='r-soft'>No synthetic image has been screened.</p>")
    titles = ("Class", "Passed", "Flagged", "Blocked", "No worklist takes, by default", "Kept out of this mix")
    rows = [
        (readable(name), *said.values(), counts.left_out[name], preview.kept_out_by_screening.get(name, 0))
        for name, said in counts.by_class.items()
    ]
    default = str(counts.lines()["default"])
    return section("Screening", _table(titles, rows), note=f"{default[0].upper()}{default[1:]}.")


def _near_copies(preview: Preview) -> str:
    """Of each held-out split, how many images look like a training image of another subject."""
    if preview.near_copies is None:
        return "<p class='r-soft'>Not searched yet: <code>rounds near-copies find</code>.</p>"
    held_out = {split: sum(getattr(row, split) for row in preview.classes) for split in preview.near_copies}
    rows = [(readable(split), f"{count} of {held_out[split]}") for split, count in preview.near_copies.items()]
    return two_columns(rows)


def _support(preview: Preview) -> str:
    readings, agreement = preview.readings, preview.agreement
    rows: list[tuple[str, object]] = [
        ("Readings by people", readings["human"]),
        ("Readings by proxies (models)", readings["proxy"]),
        ("Of these for whole pages", readings["grid"]),
        ("Images with two readings or more", f"{agreement.with_two_or_more} of {agreement.images}"),
        ("Their readings agree, on average", "-" if agreement.mean_share is None else f"{agreement.mean_share:.0%}"),
        ("Approvals on readers whom rules exclude", readings["images_on_excluded_readers"]),
        ("Candidates not read yet", preview.unread),
        ("Drawn, in no worklist that counts", preview.in_no_worklist),
    ]
    if preview.corrected_label_ignored:
        rows.append(("Kept under the class asked for, against a correction", preview.corrected_label_ignored))
    readers = [
        (name, facts["kind"] if facts["kind"] == "human" else "proxy, a model", facts["readings"], facts["accepted"])
        for name, facts in preview.approved_by.items()
    ]
    return two_columns(rows) + (_table(("Reader", "Kind", "Readings", "Accepted"), readers) if readers else "")


def _coverage(preview: Preview) -> str:
    rows = [
        (readable(reach.group), reach.real, f"{reach.by_mix / reach.real:.0%}", f"{reach.by_drawn / reach.real:.0%}")
        for reach in (*preview.coverage.classes, *preview.coverage.subgroups)
    ]
    return _table(("Real training images", "Number", "Near this mix", "Near anything drawn"), rows)


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr><th>{escape(str(row[0]))}</th>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return f'<table class="r-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
