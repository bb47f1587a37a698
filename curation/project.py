"""A project: a directory with `rounds.toml`, and its database, image store, event chain and secrets."""

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from sqlalchemy.exc import OperationalError

from curation.audit import Chain, anchor
from curation.database import Database
from curation.errors import BadInput
from curation.image_store import ImageStore
from curation.settings import PROJECT_FILE, Settings, find_project, read_settings, write_project_file


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
        url = self.settings.database_url
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            url = f"{prefix}{self.root / url.removeprefix(prefix)}"
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
        return Chain(self.secret("audit.key"))

    @property
    def anchors_path(self) -> Path:
        """The file outside the database with which `rounds verify` compares the chain."""
        return self.root / "anchors.jsonl"

    def anchor(self) -> None:
        """Write the length of the chain to a file outside the database, so that a cut tail is noticed."""
        with self.database.read() as session:
            anchor(session, self.anchors_path)

    def directory(self, *parts: str) -> Path:
        """A directory of the project (`snapshots`, `generators`, ...), made if missing."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def secret(self, name: str) -> bytes:
        """A 32-byte key outside the database, made on first use and readable by its owner only."""
        directory = self.root / self.settings.secrets_directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        return path.read_bytes()


def open_or_make_project(
    root: Path, name: str | None = None, database_url: str = "sqlite:///rounds.db", store_url: str = "store"
) -> tuple[Project, bool]:
    """Open the project in `root`, made where there is none, its database brought up to date; and whether it was made.

    Raises BadInput when the database cannot be opened.
    """
    is_new = not (root / PROJECT_FILE).exists()
    if is_new:
        write_project_file(root, name or root.name or "rounds", database_url, store_url)
    project = Project.open(root)
    try:
        project.database.migrate()
    except OperationalError as error:
        raise BadInput(
            f"the database {project.settings.database_url} cannot be opened: {error.orig}. "
            f"Correct it in {root / PROJECT_FILE} and run `rounds init` again."
        ) from error
    return project, is_new
