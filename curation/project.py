"""A project: a directory with `rounds.toml`, and its database, image store, event chain and secrets."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select

from curation.audit import Chain, anchor
from curation.database import Database, file_url, parse_url
from curation.errors import BadInput, Conflict, Damaged, NotFound, Unavailable
from curation.image_store import MARKER, ImageStore
from curation.requests import check_title
from curation.settings import PROJECT_FILE, Settings, find_project, read_settings, write_project_file
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus, Image, Subject
from curation.tables.operations import Event, EventHead
from curation.tables.training import AddedBackbone, Run, Snapshot, Study

AUDIT_KEY = "audit.key"
SUBJECTS_KEY = "subjects.key"
EXPORT_KEY = "export.key"
REFERENCES_KEY = "references.key"
STATE_KEY = "oidc-state.key"
KEY_BYTES = 32
KEYS = {  # what each key of a project is for
    AUDIT_KEY: "the chain of events",
    SUBJECTS_KEY: "the pseudonyms of patients and files",
    EXPORT_KEY: "the names in exports",
    REFERENCES_KEY: "the choice of reference images",
    STATE_KEY: "sign-in by an identity provider, and devices that signed in before",
}
HELD_BY: dict[str, Any] = {  # the folders of a project, and the table whose rows say what lies in each
    "backbones": AddedBackbone,
    "generators": Generator,
    "runs": Run,
    "snapshots": Snapshot,
    "studies": Study,
}
_KEYED_SUBJECT = re.compile(r"(p|image)-[0-9a-f]{20}")


@dataclass(frozen=True)
class Project:
    """The project that a command, the worker or the review page opens; each part is opened on first use."""

    root: Path
    settings: Settings

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the project in `root`."""
        return cls(root, read_settings(root))

    @classmethod
    def find(cls, start: Path) -> Self:
        """Open the nearest project from `start` upwards; raises NotFound."""
        return cls.open(find_project(start.resolve()))

    @cached_property
    def database(self) -> Database:
        """The database; a relative SQLite file is relative to the project."""
        url = parse_url(self.settings.database_url)
        if url.get_backend_name() == "sqlite":
            url = file_url(self.root / str(url.database))
        return Database(url, self._settle_store)

    def _settle_store(self) -> None:
        if "store" in self.__dict__:  # opened, so that files may have been put there
            self.store.settle()

    @cached_property
    def store(self) -> ImageStore:
        """The image store; a relative directory is relative to the project."""
        url = self.settings.store_url
        return ImageStore(url if "://" in url else str(self.root / url))

    @cached_property
    def chain(self) -> Chain:
        """The chain of events under the key of this project."""
        return Chain(self.secret(AUDIT_KEY))

    @property
    def anchors_path(self) -> Path:
        """The file outside the database with which `rounds verify` compares the chain."""
        return self.root / "anchors.jsonl"

    def anchor(self) -> None:
        """Write the length of the chain to a file outside the database, so that a cut tail is noticed."""
        with self.database.read() as session:
            anchor(session, self.anchors_path)

    def directory(self, *parts: str) -> Path:
        """A directory of the project (`snapshots`, ...), made if missing; raises what `check_folder` raises."""
        self.check_folder(parts[0])
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def check_folder(self, name: str) -> None:
        """Raise Unavailable where rows say what lies in a folder of the project, and it is missing or empty.

        It may be a link or a mount whose disk is away: what is made then would be hidden once the disk is back.
        """
        table, path = HELD_BY.get(name), self.root / name
        if table is None or (path.is_dir() and any(path.iterdir())):
            return
        ready = [table.status == BuildStatus.READY] if hasattr(table, "status") else []
        with self.database.read() as session:
            inside = select(table.name).where(table.directory.startswith(f"{name}/"), *ready)
            held = session.scalars(inside.order_by(table.id).limit(1)).first()
        if held is not None:
            raise Unavailable(
                f"{path} is empty or missing, and should hold {held!r}: is its disk mounted? Mount it, or restore a "
                f"backup; where it is lost for good, remove what is recorded there (`rounds run remove` and its like)."
            )

    @property
    def secrets_directory(self) -> Path:
        """Where the keys of this project lie, outside the database."""
        return self.root / self.settings.secrets_directory

    def secret(self, name: str) -> bytes:
        """Read a key outside the database; raises NotFound, for a key that is lost is never replaced by another."""
        path = self.secrets_directory / name
        try:
            key = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(
                f"{path} is missing: expected the key of {KEYS[name]}. Put it back from where the project's keys are "
                "kept; nothing else stands for it. Where nothing was made under it yet, `rounds init` makes it."
            ) from error
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}. Let this account read it.") from error
        if len(key) < KEY_BYTES:
            raise BadInput(f"{path} has {len(key)} bytes, expected {KEY_BYTES}. Put the whole key back.")
        return key

    def make_key(self, name: str) -> None:
        """Make a key of 32 bytes, readable by its owner only; one that is there stays."""
        self.secrets_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(self.secrets_directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))


def open_or_make_project(
    root: Path, name: str | None = None, database_url: str = "sqlite:///rounds.db", store_url: str = "store"
) -> tuple[Project, bool]:
    """Open the project in `root`, made where there is none, its database brought up to date; and whether it was made.

    Raises BadInput, Conflict, Damaged or Unavailable when the database or the store cannot be used, Conflict also when
    it has events and the key of the chain is missing; then nothing is left of a new project.
    """
    if (root / PROJECT_FILE).exists():
        project = Project.open(root)
        if project.database.is_empty():
            _refuse_to_begin_again(project, in_store=bool(project.store.folders()))
        project.database.migrate()
        _make_missing_keys(project)
        _prepare_store(project)
        return project, False
    with _removed_on_failure() as note:
        note(root / PROJECT_FILE)
        shown_name = "".join(letter if letter.isprintable() else "?" for letter in root.name)
        title = check_title(name, "project") if name is not None else shown_name or "rounds"
        write_project_file(root, title, database_url, store_url)
        project = Project.open(root)
        for path in project.database.files():
            note(path)
        if project.database.is_empty():
            _refuse_to_begin_again(project, in_store=False)  # its store may be one that others use too
        if project.store.directory is not None:
            note(project.store.directory / MARKER)
        for key in KEYS:
            note(project.secrets_directory / key)
        project.store.prepare()
        project.database.migrate()
        _make_missing_keys(project)
    return project, True


def _refuse_to_begin_again(project: Project, *, in_store: bool) -> None:
    """Raise Damaged where anchors or pictures say that the empty database held something."""
    has_anchors = project.anchors_path.is_file() and project.anchors_path.stat().st_size > 0
    if has_anchors or in_store:
        left = " and ".join([project.anchors_path.name] * has_anchors + ["stored images"] * in_store)
        raise Damaged(
            f"the database {project.database.place} is missing, empty or damaged, and {left} show that it held "
            "something. Restore a backup with `rounds restore`, or begin anew in another directory."
        )


def _prepare_store(project: Project) -> None:
    """Make the store where nothing was stored yet; raises Unavailable where images were, and the store is gone."""
    with project.database.read() as session:
        has_images = session.scalars(select(Image.id).limit(1)).first() is not None
    if has_images:
        project.store.require()
    else:
        project.store.prepare()


@contextmanager
def _removed_on_failure() -> Iterator[Callable[[Path], None]]:
    """Yield a function that notes a path before it is made; when the block fails, what was not there before goes."""
    noted: list[Path] = []
    try:
        yield lambda path: noted.extend(place for place in (path, *path.parents) if not place.exists())
    except BaseException:
        for path in sorted(set(noted), key=lambda place: -len(place.parts)):
            with suppress(OSError):  # what is in a folder by now is somebody else's
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _make_missing_keys(project: Project) -> None:
    """Make the keys under which nothing was made yet; raises Conflict when the chain of events has lost its own."""
    missing = [name for name in KEYS if not (project.secrets_directory / name).is_file()]
    if not missing:
        return
    with project.database.read() as session:
        events = session.scalars(select(EventHead.count)).one()
        in_use = {
            AUDIT_KEY: events > 0,
            SUBJECTS_KEY: any(_KEYED_SUBJECT.fullmatch(key) for key in session.scalars(select(Subject.key))),
            EXPORT_KEY: session.scalars(select(Event.sequence).where(Event.kind == "export").limit(1)).first()
            is not None,
        }
    if AUDIT_KEY in missing and events:
        raise Conflict(
            f"{project.secrets_directory / AUDIT_KEY} is missing, and the database has {events} events under it. "
            "Put the key back from where the project's keys are kept, or from a backup made with --with-secrets; "
            "a new one would call every event altered."
        )
    for name in missing:
        if not in_use.get(name, False):
            project.make_key(name)
