"""Restore a backup into a new directory, where it can be inspected, verified and worked on.

Every file is checked against its digest before the first one is written. The project is put together beside the target
and renamed. What belonged to the old server ends: sign-ins are revoked, leases run out at once. Nothing is migrated.
"""

import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import CursorResult, Update, update
from sqlalchemy.orm import Session

from curation.backup.create import fingerprint, verify_backup
from curation.backup.database import POSTGRESQL, load_copy
from curation.backup.pool import BackupDirectory, Manifest, out_of_reach
from curation.database import file_url, newest_revision, parse_url, place_of
from curation.errors import BadInput, Conflict, Damaged, NotFound
from curation.files import whole_folder
from curation.progress import OnProgress
from curation.project import AUDIT_KEY, Project
from curation.settings import PROJECT_FILE, toml_string
from curation.store_errors import check_store_url
from curation.tables.operations import Job, JobStatus
from curation.tables.people import SignIn
from curation.tables.reading import Assignment, AssignmentState

REPORT_EVERY = 100
OVERRIDES = ("ROUNDS_DATABASE_URL", "ROUNDS_STORE_URL", "ROUNDS_SECRETS_DIRECTORY")
_PLACES = re.compile(r"^(database_url|store_url|secrets_directory)\s*=.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a restored project's data; the store and an SQLite file lie in its directory by default."""

    database_url: str | None = None
    store_url: str = "store"
    secrets: Path | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, from which backup, and whether its schema is that of this version."""

    backup: str
    made_at: str
    images: int
    sign_ins_revoked: int
    leases_ended: int
    schema: str
    is_newest_schema: bool


def restore(
    directory: Path, name: str | None, target: Path, places: Places, now: datetime, report: OnProgress
) -> Restored:
    """Restore the backup `name` of `directory` (the newest without one) into `target`, a new or empty directory.

    Raises Conflict when something is there, Damaged when a file of the backup is not as it was kept, BadInput when the
    audit key is neither in the backup nor in `places.secrets`. The target is untouched then.
    """
    manifest = BackupDirectory(directory).manifest(name)
    url = _database_url(manifest, places)
    check_store_url(places.store_url)
    _check_target(target)
    _check_keys(manifest, places)
    _, faults = verify_backup(directory, manifest.name, report)
    damaged = [fault for fault in faults if "when the backup was made" not in fault]
    if damaged:
        raise Damaged(f"{len(damaged)} files of the backup are damaged, nothing was restored: {'; '.join(damaged[:5])}")
    try:
        with whole_folder(target) as partial:
            _write_project(BackupDirectory(directory), manifest, partial, places, url, report)
            if target.exists():
                target.rmdir()
    except OSError as error:
        raise out_of_reach(target, error) from error
    return _end_old_sessions(manifest, target, now)


def _check_target(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"{target} is not empty. A backup is restored into a new directory only.")
    overriding = [name for name in OVERRIDES if name in os.environ]
    if overriding:
        raise BadInput(f"{', '.join(overriding)} would lead to another project's data. Unset it, then restore again.")


def _database_url(manifest: Manifest, places: Places) -> str:
    kind = manifest.header["database"]
    if kind == POSTGRESQL:
        if places.database_url is None:
            raise BadInput("this backup is of PostgreSQL: name a new, empty database with --database-url.")
        address = parse_url(places.database_url)
        if address.get_backend_name() != "postgresql":
            raise BadInput(f"this backup is of PostgreSQL and cannot become {place_of(address)!r}.")
        return places.database_url
    if places.database_url is not None:
        raise BadInput(
            "this backup is of SQLite; its database is a file in the new directory. Leave --database-url out."
        )
    return "sqlite:///rounds.db"


def _check_keys(manifest: Manifest, places: Places) -> None:
    """Refuse a restore without the key of the chain: nobody could tell whether the database was altered."""
    if places.secrets is None and not manifest.header["secrets"]:
        raise BadInput(
            "this backup was made without the project's keys. Name the directory where they are kept with --secrets: "
            "without audit.key nobody can say whether the readings were altered."
        )
    if places.secrets is None:
        return
    if not (places.secrets / AUDIT_KEY).is_file():
        raise NotFound(f"{places.secrets} has no {AUDIT_KEY}: expected the project's secrets directory.")
    if fingerprint((places.secrets / AUDIT_KEY).read_bytes()) != manifest.header["key"]:
        raise BadInput(f"{places.secrets / AUDIT_KEY} is not the key this project's chain was made with. Name another.")


def _write_project(
    pool: BackupDirectory, manifest: Manifest, root: Path, places: Places, url: str, report: OnProgress
) -> None:
    """Write every file of the backup under `root`, images into the store that `places` names."""
    secrets = root / "secrets"
    secrets.mkdir(mode=0o700)
    if places.secrets is not None:
        for path in sorted(places.secrets.iterdir()):
            _copy_secret(path, secrets / path.name)
    database: Path | None = None
    for entry in manifest.entries():
        source = pool.object(entry.sha256)
        if entry.kind == "database":
            database = source
        elif entry.kind == "secret" and places.secrets is None:
            _copy_secret(source, secrets / _path_inside(entry.path))
        elif entry.kind == "file":
            copy = root / _path_inside(entry.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    _write_settings(root / PROJECT_FILE, url, places.store_url)
    _copy_images(pool, manifest, Project.open(root), report)
    assert database is not None
    place = file_url(root / "rounds.db") if url.startswith("sqlite") else parse_url(url)
    load_copy(manifest.header["database"], database, place)


def _copy_images(pool: BackupDirectory, manifest: Manifest, project: Project, report: OnProgress) -> None:
    project.store.prepare()
    images = (entry for entry in manifest.entries() if entry.kind == "image")
    for done, entry in enumerate(images, 1):
        project.store.put(pool.object(entry.sha256).read_bytes())
        if done % REPORT_EVERY == 0:
            report(done, manifest.end["images"], "images")
    project.store.settle()


def _path_inside(path: str) -> str:
    """Return a path of a manifest when it stays inside the project; raises Damaged."""
    if path.startswith("/") or ".." in Path(path).parts:
        raise Damaged(f"the backup names {path!r}, which lies outside a project. Do not use this backup.")
    return path


def _copy_secret(source: Path, target: Path) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(source.read_bytes())


def _write_settings(path: Path, database_url: str, store_url: str) -> None:
    """Write the project's own settings with the new places of its data."""
    kept = _PLACES.sub("", path.read_text(encoding="utf-8"))
    # A key after a table's head would belong to that table, so what is new comes first.
    places = {"database_url": database_url, "store_url": store_url, "secrets_directory": "secrets"}
    path.write_text(
        "".join(f"{key} = {toml_string(value)}\n" for key, value in places.items()) + kept, encoding="utf-8"
    )


def _end_old_sessions(manifest: Manifest, root: Path, now: datetime) -> Restored:
    """End what belonged to the old server and record the restore in the chain; uses columns of the first schema."""
    project = Project.open(root)
    try:
        with project.database.write() as session:
            revoked = _count(session, update(SignIn).where(SignIn.revoked_at.is_(None)).values(revoked_at=now))
            leased = update(Assignment).where(Assignment.state == AssignmentState.LEASED).values(lease_until=now)
            ended = _count(session, leased)
            _count(session, update(Job).where(Job.status == JobStatus.RUNNING).values(lease_until=now))
            facts = {"seal": manifest.seal, "sign_ins": revoked, "leases": ended}
            project.chain.record(session, "project.restored", facts, now)
        schema = str(project.database.revision())
    finally:
        project.database.dispose()
    return Restored(
        backup=manifest.name,
        made_at=manifest.header["made_at"],
        images=manifest.end["images"],
        sign_ins_revoked=revoked,
        leases_ended=ended,
        schema=schema,
        is_newest_schema=schema == newest_revision(),
    )


def _count(session: Session, statement: Update) -> int:
    done = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(done, CursorResult)
    return done.rowcount
