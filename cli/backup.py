"""`rounds backup`, `rounds restore`: a copy of the project elsewhere, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.paths import LocalPath
from cli.project import print_some, print_verification
from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.backup.create import back_up, verify_backup
from curation.backup.restore import Places, restore
from curation.errors import Damaged
from curation.project import Project
from curation.verification.verify import verify_project

directory_path = LocalPath(file_okay=False, path_type=Path)
present_directory = LocalPath(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=directory_path)
@click.option(
    "--with-secrets",
    is_flag=True,
    help="Also copy the secret keys. Whoever has such a backup can forge the chain of events.",
)
@click.option(
    "--verify",
    "only_verify",
    is_flag=True,
    help="Make no backup. Read every file of the newest one there and check it.",
)
@click.option("--at", "name", help="With --verify: the name of the backup to check.")
@json_option
@pass_project
def backup(
    project: Project, directory: Path, with_secrets: bool, only_verify: bool, name: str | None, as_json: bool
) -> None:
    """Back up the project to DIRECTORY, also while people read. Files of earlier backups there are not copied again.

    \b
    Example:
      rounds backup /mnt/backup/brains
      rounds backup /mnt/backup/brains --verify
    """
    if only_verify:
        _verify(directory, name, as_json)
        return
    if name is not None:
        raise click.UsageError("--at goes with --verify: a new backup is named after the time.")
    with progress_bar("backing up", quiet=as_json) as report:
        made = back_up(project, directory, now(), report, with_secrets=with_secrets)
    if as_json:
        emit(asdict(made), as_json)
    else:
        size = f"{made.size_bytes / 1e6:.1f} MB"
        click.echo(
            f"backup {made.name}: {made.images} images, {made.files} files, {size}; {made.copied} new in {directory}"
        )
        if not made.secrets:
            click.echo("the keys are not in it: keep a copy of the secrets directory elsewhere, a restore needs it")
        print_some(made.missing)
    if made.missing:
        raise Damaged(
            f"{len(made.missing)} files were missing or altered in the project; the rest is backed up. "
            "Run `rounds verify` to see what is wrong."
        )


def _verify(directory: Path, name: str | None, as_json: bool) -> None:
    with progress_bar("verifying", quiet=as_json) as report:
        manifest, faults = verify_backup(directory, name, report)
    facts = {"backup": manifest.name, **manifest.header, **manifest.end, "faults": faults}
    if as_json:
        emit(facts, as_json)
    else:
        click.echo(f"backup {manifest.name}: {manifest.end['entries']} files read back, {len(faults)} faults")
        print_some(faults)
    if faults:
        raise Damaged(f"{len(faults)} faults in the backup {manifest.name}. Make another; nothing was changed.")


@click.command("restore")
@click.argument("backup_directory", type=present_directory)
@click.argument("target", type=directory_path)
@click.option("--at", "name", help="The name of the backup. Default: the newest.")
@click.option("--secrets", type=present_directory, help="The directory of the secret keys, where the backup has none.")
@click.option("--database-url", help="For PostgreSQL: the address of a new, empty database.")
@click.option("--store-url", default="store", show_default=True, help="Where the images go: a directory, or s3://...")
@json_option
def restore_backup(backup_directory: Path, target: Path, name: str | None, as_json: bool, **places: Any) -> None:
    """Restore a backup into the new directory TARGET and verify it. The original project is not touched.

    \b
    Example:
      rounds restore /mnt/backup/brains brains-again --secrets /mnt/keys/brains
    """
    with progress_bar("restoring", quiet=as_json) as report:
        restored = restore(backup_directory, name, target.resolve(), Places(**places), now(), report)
    if not as_json:
        click.echo(
            f"restored {restored.images} images of the backup {restored.backup}, made {restored.made_at}, into {target}"
        )
        click.echo(f"{restored.sign_ins_revoked} sign-ins revoked, {restored.leases_ended} leases ended")
    if not restored.is_newest_schema:
        if as_json:
            emit({**asdict(restored), "verified": False}, as_json)
        else:
            click.echo(f"its schema is revision {restored.schema}: run `rounds init` in {target}, then `rounds verify`")
        return
    project = Project.open(target.resolve())
    with progress_bar("verifying", quiet=as_json) as report:
        verification = verify_project(project, report)
    if as_json:
        emit({**asdict(restored), "verified": True, "faults": verification.faults}, as_json)
    else:
        print_verification(verification)
    if verification.faults:
        raise Damaged(f"{len(verification.faults)} faults, which were in the project when the backup was made.")
