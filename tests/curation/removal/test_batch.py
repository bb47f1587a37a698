"""A batch on which nothing rests is removed with its images and screenings; everything else keeps it."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from curation.audit import MEMBERS
from curation.errors import Busy, Conflict, NotFound
from curation.jobs import enqueue
from curation.lineage.graph import NodeKind
from curation.lineage.naming import find_node
from curation.locks import drawing_images
from curation.progress import silent
from curation.project import Project
from curation.queries import unused_number
from curation.removal.batch import plan_batch_removal, remove_batch
from curation.removal.remove import remove
from curation.tables.generation import Batch, ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image
from curation.tables.measures import SetMeasurement
from curation.tables.operations import Event
from curation.tables.pairs import Pair, PairList, PairTruth
from curation.vector_files import VectorFile, rows_of
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.rows import NOW

BATCH = NodeKind.BATCH


@pytest.fixture
def free(lived: Project) -> Project:
    """The same, with a screening of batch 3, and without the snapshot that holds its images."""
    remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")
    with lived.database.write() as session:
        screening = Screening(
            batch_id=3, parameters={}, parameters_digest="0" * 64, status=BuildStatus.READY, created_at=NOW
        )
        session.add(screening)
        session.flush()
        for image_id in session.scalars(select(Image.id).where(Image.batch_id == 3)).all():
            place = {"screening_id": screening.id, "image_id": image_id, "verdict": ScreeningVerdict.PASS}
            session.add(ScreenedImage(**place, neighbours=[]))
            session.add(ScreeningCheck(**place, name="sharpness", value=1.0, threshold=2.0))
        session.flush()
        payload = {MEMBERS: lived.chain.members(session, Screening, screening.id)}
        lived.chain.record_row(session, "batch.screened", screening, payload, NOW)
    return lived


def files_of(project: Project) -> list[str]:
    with project.database.read() as session:
        return list(session.scalars(select(Image.file_sha256).where(Image.batch_id == 3)))


@pytest.mark.slow
def test_images_labels_screenings_and_files_go_and_the_events_stay(free: Project) -> None:
    files = files_of(free)
    embeddings = VectorFile(free.directory("embeddings"), "x", 1)
    embeddings.append(files, np.ones((len(files), 1), np.float32))
    planned = plan_batch_removal(free, BATCH, "3")
    assert (planned.files, planned.size_bytes > 0) == (4, True)
    assert remove_batch(free, NOW, BATCH, "3") == planned
    assert not any(free.store.size_bytes(digest) for digest in files)
    assert not set(files) & rows_of(free.root / "embeddings" / "x.1.rows").keys()
    with free.database.read() as session:
        for table in (ScreenedImage, ScreeningCheck, Screening):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.get(Batch, 3) is None
        event = session.scalars(select(Event).order_by(Event.sequence.desc())).first()
        assert event is not None
        assert (event.kind, event.payload["batch"], event.payload["screenings"]) == ("batch.removed", 3, [1])
        with pytest.raises(NotFound, match=r"no batch '3' in this project; one of this name was removed on"):
            find_node(session, "batch:3")
    verified = verify_project(free, silent)
    assert (verified.faults, verified.orphans) == ([], [])
    remove(free, NOW, NodeKind.GENERATOR, "g3")


def test_its_numbers_are_never_given_again(free: Project) -> None:
    remove_batch(free, NOW, BATCH, "3")
    with free.database.read() as session:
        if session.get_bind().dialect.name == "sqlite":
            assert unused_number(session, Batch, "batch") == 4
            assert unused_number(session, Screening, "screening", removed_with="batch") == 2
    with pytest.raises(NotFound, match=r"no batch 3\. `rounds batch list`"):
        remove_batch(free, NOW, BATCH, "3")


def test_a_picture_that_another_image_shows_stays(free: Project) -> None:
    with free.database.write() as session:
        first, *_ = files_of(free)
        session.scalars(select(Image).where(Image.batch_id == 2)).first().file_sha256 = first  # type: ignore[union-attr]
    assert remove_batch(free, NOW, BATCH, "3").files == 3
    assert free.store.size_bytes(first)


def measurement(**request: Any) -> SetMeasurement:
    row = {"request_digest": "0" * 64, "status": BuildStatus.READY, "result": {}, "created_at": NOW}
    return SetMeasurement(id=1, request={"images": "raw"} | request, **row | {"created_at": NOW.replace(year=2030)})


def pair_list(project: Project) -> list[Any]:
    with project.database.read() as session:
        shown = session.scalars(select(Image.id).where(Image.batch_id == 3)).first()
    listed = PairList(id=1, name="near", recipe={}, status=BuildStatus.READY, size=1, created_at=NOW)
    seen = {"truth": PairTruth.DIFFERENT, "first_image_id": 1, "second_image_id": shown}
    return [listed, Pair(id=1, key="p", pair_list_id=1, position=1, **seen)]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("measurement of it", "measurement 1 rests"),
        ("measurement of all", "measurement 1 rests"),
        ("pairs", "list of pairs near rests"),
        ("job", "job 1 \\(screen, queued\\) rests"),
        ("measure job", "job 1 \\(measure, queued\\) rests"),
    ],
)
def test_it_stays_while_something_rests_on_it(free: Project, what: str, told: str) -> None:
    added = {
        "measurement of it": lambda: [measurement(batches=[3])],
        "measurement of all": lambda: [measurement()],
        "pairs": lambda: pair_list(free),
    }
    with free.database.write() as session:
        for row in added.get(what, list)():
            session.add(row)
            session.flush()
        if what == "job":
            enqueue(session, NOW, "screen", {"batch": 3})
        if what == "measure job":
            enqueue(session, NOW, "measure", {"request": {"batches": [3]}})
    with pytest.raises(Conflict, match=f"batch 3 stays: {told} on it"):
        remove_batch(free, NOW, BATCH, "3")
    assert free.store.size_bytes(files_of(free)[0])


def test_it_stays_in_a_snapshot_after_a_withdrawal_and_while_somebody_draws(lived: Project) -> None:
    with pytest.raises(Conflict, match="batch 3 stays: snapshot fourth rests on it"):
        remove_batch(lived, NOW, BATCH, "3")
    remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")
    with drawing_images(lived), drawing_images(lived), pytest.raises(Busy, match="images are being drawn"):
        remove_batch(lived, NOW, BATCH, "3")
    withdraw(lived, NOW, "s0", "", descendants=True)
    with pytest.raises(Conflict, match="batch 3 stays: a withdrawal rests on it"):
        remove_batch(lived, NOW, BATCH, "3")


def test_a_batch_under_way_is_removed_with_what_was_drawn(free: Project) -> None:
    with free.database.write() as session:
        batch = session.get_one(Batch, 3)
        batch.status, batch.size = BuildStatus.BUILDING, 40
    remove_batch(free, NOW, BATCH, "3")
    with free.database.read() as session:
        assert session.get(Batch, 3) is None
