"""A project with people at work in it: files, a worklist, readers who claim and read."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import Generator
from curation.tables.images import Split
from curation.tables.people import Reader, SignIn
from curation.worklists.create import create_worklist
from tests.builders import add_candidates, oval
from tests.curation.reading_room import NOON, add_person, verdict
from tests.projects import new_project
from tests.rows import NOW, picture
from tests.worlds.recorded import record_rows


def lived_in(root: Path, database_url: str, images: int = 30, readers: int = 2) -> tuple[Project, list[int]]:
    """A migrated database becomes a project with an import, a worklist of candidates, a snapshot, a sign-in."""
    project = new_project(root, "lived-in", database_url, "store")
    splits = (Split.TRAIN, Split.VALIDATION, Split.TEST)
    real = [
        IncomingImage(f"{n}.png", picture(n, 64), ("normal", "ring_lesion")[n // 3 % 2], f"p{n}", splits[n % 3])
        for n in range(12)
    ]
    import_source(project, NOW, Source("real", "real", real, 12))
    with project.database.write() as session:
        add_candidates(project, session, [oval(100 + number) for number in range(images)])
        _give_weights(root, session.scalars(select(Generator)).one())
        create_worklist(session, project.chain, NOW, WorklistRecipe(name="w"))
        ids = [add_person(session, f"r{number}") for number in range(readers)]
        signed_in = {"csrf_token": "c", "created_at": NOON, "last_seen_at": NOON, "expires_at": NOON}
        session.add(SignIn(reader_id=ids[0], token_sha256="t" * 64, **signed_in))
    record_rows(project)
    build_snapshot(project, "first", MixRecipe(synthetic="none"), NOW, silent)
    return project, ids


def lived_in_world(images: int) -> tuple[str, Callable[[Path, str], None]]:
    """The name of a world with so many candidates, and what makes it."""

    def make(root: Path, database_url: str) -> None:
        lived_in(root, database_url, images)[0].database.dispose()

    return f"lived-in-{images}", make


def readers_of(project: Project) -> list[int]:
    """The ids of the readers."""
    with project.database.read() as session:
        return list(session.scalars(select(Reader.id).order_by(Reader.id)))


def _give_weights(root: Path, generator: Generator) -> None:
    generator.directory = "generators/tiny"
    folder = root / generator.directory / "unet"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    line = f"unet/model.safetensors:{hashlib.sha256(b'weights').hexdigest()}\n"
    generator.weights_digest = hashlib.sha256(line.encode()).hexdigest()


@contextmanager
def people_reading(project: Project, readers: list[int]) -> Iterator[list[str]]:
    """Threads that read the worklist while the block runs; yields the operations acknowledged so far."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def read(reader_id: int) -> None:
        while not stop.is_set():
            with project.database.write() as session:
                held = claim(session, NOON, reader_id, 1, 2)
            if not held:
                return
            for item in held:
                request = verdict(item.key)
                with project.database.write() as session:
                    record_reading(session, project.chain, NOON, reader_id, request)
                acknowledged.append(request.op_id)

    with ThreadPoolExecutor(len(readers)) as pool:
        under_way = [pool.submit(read, reader) for reader in readers]
        try:
            yield acknowledged
        finally:
            stop.set()
    for future in under_way:
        future.result()
