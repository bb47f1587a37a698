"""`rounds withdraw`: a subject leaves the project, and what descends from it is named."""

from dataclasses import asdict
from typing import Any

import click

from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.lineage.descent import Descent, descent_of
from curation.project import Project
from curation.tables.images import Subject
from curation.withdrawal.rebuild import rebuild_plan
from curation.withdrawal.remaining_copies import NOT_RECORDED, Copies, copies_of
from curation.withdrawal.subtraction import runs_to_subtract_from
from curation.withdrawal.withdraw import Done, count_removed, list_withdrawals
from curation.withdrawal.withdraw import withdraw as withdraw_subject
from train.adaptation.taking_out import SumsOfRuns


@click.command()
@click.argument("subject", required=False)
@click.option("--yes", is_flag=True, help="Carry it out. Without it, only show what would happen.")
@click.option("--reason", default="", help="The reason, in words that identify nobody. It is kept with the withdrawal.")
@click.option("--descendants", is_flag=True, help="Also remove synthetic images of generators that saw the subject.")
@click.option("--purge-snapshots", is_flag=True, help="Also remove the images from snapshot folders.")
@click.option("--list", "list_all", is_flag=True, help="List earlier withdrawals and their plans instead.")
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
    listed or used, and the plan to rebuild them is printed and kept. Runs that keep sums (`--adaptation ridge`) are
    not: the subject is taken out of them, which is training without it. If it is interrupted, run it again.

    \b
    Example:
      rounds withdraw s0042
      rounds withdraw s0042 --yes --reason "consent withdrawn" --purge-snapshots
    """
    if list_all == (subject is not None):
        raise click.UsageError("give either a SUBJECT or --list")
    if subject is None:
        _list_withdrawals(project, as_json)
    elif yes:
        with progress_bar("withdrawing", quiet=True):
            done = withdraw_subject(
                project, now(), subject, reason, descendants=descendants, purge=purge_snapshots, sums=SumsOfRuns()
            )
        with project.database.read() as session:
            copies = copies_of(session, project.root, done.descent)
        _print_done(done, copies, as_json)
    else:
        with project.database.read() as session:
            descent = descent_of(session, project.root, subject)
            whole = runs_to_subtract_from(session, project.root, descent, SumsOfRuns())
            plan = rebuild_plan(session, descent, "-w", descendants, whole)
            copies = copies_of(session, project.root, descent)
        if as_json:
            outlook = {"withdrawn": False, "plan": plan, "pictures_in": asdict(copies)}
            emit({**_descent_record(descent), **outlook}, as_json=True)
            return
        _print_descent(descent)
        _print_plan(plan)
        _print_copies(copies)
        click.echo("Nothing was changed. With --yes the images are removed and the rest is marked.")


def _descent_record(descent: Descent) -> dict[str, Any]:
    return {
        "subject": descent.subject.key,
        "split": descent.subject.split.value,
        "images": descent.images,
        "altered": descent.altered,
        "affected": [{"kind": row.kind.value, "name": row.name, "why": row.why} for row in descent.affected],
        "synthetic_images": descent.synthetic,
        "worklists": [
            {"name": shown.name, "images": shown.images, "descendants": shown.descendants, "readings": shown.readings}
            for shown in descent.worklists
        ],
    }


def _print_descent(descent: Descent) -> None:
    click.echo(f"subject {descent.subject.key} ({descent.subject.split.value})")
    altered = f", {_count(len(descent.altered), 'altered image')} made from them" if descent.altered else ""
    click.echo(f"  {_count(len(descent.images), 'image')}{altered}: removed")
    if descent.synthetic:
        click.echo(f"  {descent.synthetic} synthetic images by generators that saw it: stay, unless --descendants")
    for shown in descent.worklists:
        parts = [f"{shown.images} of its images"] if shown.images else []
        parts += [f"{shown.descendants} synthetic ones"] if shown.descendants else []
        click.echo(f"  worklist {shown.name}: shows {', '.join(parts)}; {shown.readings} readings stay")
    for row in descent.affected:
        click.echo(f"  {row.kind.value} {row.name}: {row.why}")
    if not descent.affected:
        click.echo("  nothing was made from it")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _print_plan(plan: list[dict[str, Any]]) -> None:
    if plan:
        click.echo("to rebuild, in this order:")
    for step in plan:
        note = f"  # {step['note']}" if step["note"] else ""
        click.echo(f"  {step['step']:>2}. {step['of']}: {step['command'] or 'by hand'}{note}")


def _print_done(done: Done, copies: Copies, as_json: bool) -> None:
    facts = {
        "withdrawal": done.number,
        **_descent_record(done.descent),
        "withdrawn": True,
        "repeated": done.repeated,
        "images_removed": done.images,
        "subtracted": list(done.subtracted),
        "removed": done.removed.counts(),
        "plan": done.plan,
        "pictures_in": asdict(copies),
    }
    if as_json:
        emit(facts, as_json=True)
        return
    _print_descent(done.descent)
    _print_plan(done.plan)
    for name in done.subtracted:
        click.echo(f"run {name}: taken out of its sums and solved again, equal to training without it; not marked")
    removed = done.removed
    again = "finished again" if done.repeated else "done"
    click.echo(
        f"withdrawal {done.number} {again}: {_count(done.images, 'tombstone')} made, {_count(removed.files, 'file')}, "
        f"{_count(removed.vectors, 'vector')} and {removed.purged} images in snapshots removed"
        + (f"; {removed.kept} files stay, another image needs them" if removed.kept else "")
    )
    _print_copies(copies)


def _print_copies(copies: Copies) -> None:
    """Print where images are that a withdrawal does not remove."""
    click.echo("its images are also in these places, which a withdrawal leaves as they are:")
    for folder in copies.folders:
        count = _count(folder.pictures, "image")
        click.echo(f"  {folder.path}: {count}; --purge-snapshots removes them, and then the snapshot cannot be used")
    if not copies.folders:
        click.echo("  no snapshot folder")
    for grids in copies.grids:
        click.echo(
            f"  {grids}: images made while the generator was fitted, which may show the subject; remove them by hand"
        )
    for export in copies.exports:
        left = f"{export.real} real and {export.synthetic} synthetic images left"
        click.echo(f"  export {export.at:%Y-%m-%d %H:%M}, {export.format} of {export.snapshot}: {left}")
    for backup in copies.backups:
        click.echo(f"  backup {backup.name}")
    click.echo(f"  not recorded: where exports and backups lie, {NOT_RECORDED}")


def _list_withdrawals(project: Project, as_json: bool) -> None:
    with project.database.read() as session:
        rows: list[dict[str, Any]] = [
            {
                "withdrawal": row.id,
                "subject": session.get_one(Subject, row.subject_id).key,
                "at": row.created_at,
                "reason": row.reason,
                "images": count_removed(session, row.id),
                "plan": row.plan,
            }
            for row in list_withdrawals(session)
        ]
    if as_json:
        emit(rows, as_json)
        return
    emit([{key: value for key, value in row.items() if key != "plan"} for row in rows], as_json, title="withdrawals")
    for row in rows:
        click.echo(f"withdrawal {row['withdrawal']}, {row['subject']}")
        _print_plan(row["plan"])
