"""`rounds withdraw`: a subject leaves the project, and what descends from it is named."""

from dataclasses import asdict
from typing import Any

import click

from cli.terminal import emit, json_option, now, pass_project
from curation.lineage.descent import Descent, descent_of
from curation.project import Project
from curation.tables.images import Subject
from curation.withdrawal.rebuild import rebuild_plan
from curation.withdrawal.remaining_copies import NOT_RECORDED, Copies, copies_of
from curation.withdrawal.withdraw import Done, count_removed, list_withdrawals
from curation.withdrawal.withdraw import withdraw as withdraw_subject


@click.command()
@click.argument("subject", required=False)
@click.option("--yes", is_flag=True, help="Do it; without it, only say what would happen.")
@click.option("--reason", default="", help="Why, in words that identify nobody; kept with the withdrawal.")
@click.option("--descendants", is_flag=True, help="Remove synthetic images too, of generators that saw the subject.")
@click.option("--purge-snapshots", is_flag=True, help="Remove the pictures from snapshot folders too.")
@click.option("--list", "list_all", is_flag=True, help="List earlier withdrawals with their plans instead.")
@json_option
@pass_project
def withdraw(
    project: Project,
    subject: str | None,
    yes: bool,
    reason: str,
    descendants: bool,
    purge_snapshots: bool,
    list_all: bool,
    as_json: bool,
) -> None:
    """Withdraw SUBJECT, named by its key: list everything that descends from it, and with --yes remove its images.

    Rows and digests stay, so that the subject does not come back by an import and the guards against leaks know it.
    Readings stay. Generators, batches, snapshots, runs and studies that descend from it are marked wherever they are
    listed or used, and the plan to rebuild them is printed and kept. Interrupted, run it again.

    \b
    Example:
      rounds withdraw s0042
      rounds withdraw s0042 --yes --reason "consent withdrawn" --purge-snapshots
    """
    if list_all == (subject is not None):
        raise click.UsageError("give either a SUBJECT or --list")
    if subject is None:
        _list(project, as_json)
    elif yes:
        done = withdraw_subject(project, now(), subject, reason, descendants=descendants, purge=purge_snapshots)
        with project.database.read() as session:
            copies = copies_of(session, project.root, done.descent)
        _say_done(done, copies, as_json)
    else:
        with project.database.read() as session:
            found = descent_of(session, project.root, subject)
            plan = rebuild_plan(session, found, "-w", descendants)
            copies = copies_of(session, project.root, found)
        if as_json:
            emit({**_record(found), "withdrawn": False, "plan": plan, "pictures_in": asdict(copies)}, as_json=True)
            return
        _say_descent(found)
        _say_plan(plan)
        _say_copies(copies)
        click.echo("Nothing was changed. With --yes the images are removed and the rest is marked.")


def _record(found: Descent) -> dict[str, Any]:
    reached = [{"kind": one.kind.value, "name": one.name, "why": one.why} for one in found.affected]
    return {
        "subject": found.subject.key,
        "split": found.subject.split.value,
        "images": found.images,
        "altered": found.altered,
        "affected": reached,
        "synthetic_images": found.synthetic,
        "worklists": [
            {"name": one.name, "images": one.images, "descendants": one.descendants, "readings": one.readings}
            for one in found.worklists
        ],
    }


def _say_descent(found: Descent) -> None:
    click.echo(f"subject {found.subject.key} ({found.subject.split.value})")
    altered = f", {_count(len(found.altered), 'altered image')} made from them" if found.altered else ""
    click.echo(f"  {_count(len(found.images), 'image')}{altered}: removed")
    if found.synthetic:
        click.echo(f"  {found.synthetic} synthetic images by generators that saw it: stay, unless --descendants")
    for shown in found.worklists:
        parts = [f"{shown.images} of its images"] if shown.images else []
        parts += [f"{shown.descendants} synthetic ones"] if shown.descendants else []
        click.echo(f"  worklist {shown.name}: shows {', '.join(parts)}; {shown.readings} readings stay")
    for one in found.affected:
        click.echo(f"  {one.kind.value} {one.name}: {one.why}")
    if not found.affected:
        click.echo("  nothing was made from it")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _say_plan(plan: list[dict[str, Any]]) -> None:
    if plan:
        click.echo("to rebuild, in this order:")
    for step in plan:
        note = f"  # {step['note']}" if step["note"] else ""
        click.echo(f"  {step['step']:>2}. {step['of']}: {step['command'] or 'by hand'}{note}")


def _say_done(done: Done, copies: Copies, as_json: bool) -> None:
    facts = {
        "withdrawal": done.number,
        **_record(done.descent),
        "withdrawn": True,
        "repeated": done.repeated,
        "images_removed": done.images,
        "removed": done.removed.counts(),
        "plan": done.plan,
        "pictures_in": asdict(copies),
    }
    if as_json:
        emit(facts, as_json=True)
        return
    _say_descent(done.descent)
    _say_plan(done.plan)
    removed = done.removed
    again = "finished again" if done.repeated else "done"
    click.echo(
        f"withdrawal {done.number} {again}: {_count(done.images, 'tombstone')} made, {_count(removed.files, 'file')}, "
        f"{_count(removed.vectors, 'vector')} and {removed.purged} pictures in snapshots removed"
        + (f"; {removed.kept} files stay, another image needs them" if removed.kept else "")
    )
    _say_copies(copies)


def _say_copies(copies: Copies) -> None:
    """Where pictures are that a withdrawal does not remove, so that nobody takes them for gone."""
    click.echo("beside the store its pictures are in (a withdrawal leaves what is listed here):")
    for folder in copies.folders:
        count = _count(folder.pictures, "picture")
        click.echo(f"  {folder.path}: {count}; --purge-snapshots removes them, and the snapshot is used no more")
    if not copies.folders:
        click.echo("  no snapshot folder")
    for grids in copies.grids:
        click.echo(f"  {grids}: pictures made while the generator was fitted, which may show it; remove them by hand")
    for export in copies.exports:
        left = f"{export.real} real and {export.synthetic} synthetic images left"
        click.echo(f"  export {export.at:%Y-%m-%d %H:%M}, {export.format} of {export.snapshot}: {left}")
    for backup in copies.backups:
        click.echo(f"  backup {backup.name}")
    click.echo(f"  not recorded: where exports and backups lie, {NOT_RECORDED}")


def _list(project: Project, as_json: bool) -> None:
    with project.database.read() as session:
        rows: list[dict[str, Any]] = [
            {
                "withdrawal": one.id,
                "subject": session.get_one(Subject, one.subject_id).key,
                "at": one.created_at,
                "reason": one.reason,
                "images": count_removed(session, one.id),
                "plan": one.plan,
            }
            for one in list_withdrawals(session)
        ]
    if as_json:
        emit(rows, as_json)
        return
    emit([{key: value for key, value in row.items() if key != "plan"} for row in rows], as_json, title="withdrawals")
    for row in rows:
        click.echo(f"withdrawal {row['withdrawal']}, {row['subject']}")
        _say_plan(row["plan"])
