"""A batch is generated whole, once, and goes on where it stopped."""

import threading
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, select

import generate.batches
from curation.errors import BadInput, LeakRefused, NotFound
from curation.project import Project
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, ImageLabel, Split
from curation.tables.operations import Event, Job, JobStatus
from generate.batch_request import request_batch
from generate.batches import list_missing_images, run_batch_job
from generate.card import read_card
from generate.registry import add_generator
from generate.request import GenerationRequest
from generate.sample import sample_images
from tests.generate.projects import images_of, queue, tiny_request
from tests.rows import NOW, add_import, add_real


class Killed(BaseException):
    """Stands for a kill: nothing of the job's own runs after it."""


def ignore(done: int, total: int, note: str | None) -> None:
    """For jobs nobody watches."""


def assert_whole(project: Project, batch_id: int, fitted: Path, request: GenerationRequest) -> None:
    """Every index once, with the label of the plan and the pixels of an uninterrupted run."""
    expected = list(sample_images(fitted, request.plan(), request, device="cpu"))
    images = images_of(project, batch_id)
    assert [(index, label) for index, label, _ in images] == request.plan()
    for (_, _, pixels), (_, _, wanted) in zip(images, expected, strict=True):
        assert np.array_equal(pixels, wanted)


def test_a_batch_holds_the_plan_and_its_screening_is_queued(project: Project, fitted: Path) -> None:
    request = tiny_request()
    batch_id, _ = queue(project, fitted, request)
    seen: list[tuple[int, int]] = []
    run_batch_job(project, {"batch": batch_id}, lambda done, total, note: seen.append((done, total)))
    assert_whole(project, batch_id, fitted, request)
    assert seen == [(0, 7), (7, 7)]
    with project.database.read() as session:
        batch = session.get_one(Batch, batch_id)
        assert batch.status is BuildStatus.READY
        assert GenerationRequest.model_validate(batch.request) == request
        assert batch.request_digest == request.digest()
        screening = session.scalars(select(Job).where(Job.kind == "screen")).one()
        assert screening.payload == {"batch": batch_id}
        assert session.scalar(select(func.count()).where(Event.kind == "batch.ready")) == 1


def test_the_same_request_is_the_same_batch_and_another_seed_another(project: Project, fitted: Path) -> None:
    first = queue(project, fitted, tiny_request())
    assert queue(project, fitted, tiny_request(counts={"dark": 3, "bright": 4})) == first
    assert queue(project, fitted, tiny_request(seed=8))[0] != first[0]
    with project.database.read() as session:
        assert session.scalar(select(func.count()).where(Event.kind == "batch.requested")) == 2


def test_a_cancelled_batch_is_queued_again_when_requested_again(project: Project, fitted: Path) -> None:
    batch_id, job_id = queue(project, fitted, tiny_request())
    with project.database.write() as session:
        session.get_one(Job, job_id).status = JobStatus.CANCELLED
    assert queue(project, fitted, tiny_request()) == (batch_id, job_id)
    with project.database.read() as session:
        assert session.get_one(Job, job_id).status is JobStatus.QUEUED


def test_a_label_the_generator_does_not_know_is_refused_and_nothing_is_kept(project: Project, fitted: Path) -> None:
    with pytest.raises(BadInput, match="expected classes among dark, bright, got purple"):
        queue(project, fitted, tiny_request(counts={"dark": 1, "purple": 1}))
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Batch)) == 0
        assert session.scalar(select(func.count()).select_from(Job)) == 0


def test_an_unknown_generator_and_an_unknown_batch_are_named(project: Project) -> None:
    with project.database.write() as session, pytest.raises(NotFound, match="no generator named 'tiny-flow'"):
        request_batch(session, project.chain, NOW, tiny_request())
    with pytest.raises(NotFound, match="no batch 5"):
        run_batch_job(project, {"batch": 5}, ignore)


@pytest.mark.parametrize("split", [Split.VALIDATION, Split.TEST])
def test_a_generator_that_saw_a_held_out_subject_is_refused(project: Project, fitted: Path, split: Split) -> None:
    add_generator(project, NOW, fitted)
    with project.database.write() as session:
        image = add_real(project, session, add_import(session), 1, "dark", split)
        assert image.subject is not None
        image.subject.key = read_card(fitted)["fitted_on"]["subjects"][0]
    with project.database.write() as session, pytest.raises(LeakRefused, match="validation or test"):
        request_batch(session, project.chain, NOW, tiny_request())


@pytest.mark.slow
def test_only_the_missing_indexes_are_generated(project: Project, fitted: Path) -> None:
    request = tiny_request()
    batch_id, _ = queue(project, fitted, request)
    run_batch_job(project, {"batch": batch_id}, ignore)
    with project.database.write() as session:
        lost = session.scalars(select(Image.id).where(Image.batch_index.in_([1, 5]))).all()
        session.execute(delete(ImageLabel).where(ImageLabel.image_id.in_(lost)))
        session.execute(delete(Image).where(Image.id.in_(lost)))
    with project.database.read() as session:
        assert [index for index, _ in list_missing_images(session, session.get_one(Batch, batch_id))] == [1, 5]
    seen: list[int] = []
    run_batch_job(project, {"batch": batch_id}, lambda done, total, note: seen.append(done))
    assert seen == [5, 7]
    assert_whole(project, batch_id, fitted, request)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 3])
def test_a_run_killed_after_some_chunks_goes_on_without_gaps_or_doubles(
    project: Project, fitted: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.batches, "CHUNK", chunk)
    request = tiny_request()
    batch_id, _ = queue(project, fitted, request)

    def kill_at(limit: int, done: int) -> None:
        if done >= limit:
            raise Killed

    for limit in (chunk, 2 * chunk):
        with pytest.raises(Killed):
            run_batch_job(project, {"batch": batch_id}, lambda done, total, note, limit=limit: kill_at(limit, done))
    assert len(images_of(project, batch_id)) == 2 * chunk
    with project.database.read() as session:
        assert session.get_one(Batch, batch_id).status is BuildStatus.BUILDING
    run_batch_job(project, {"batch": batch_id}, ignore)
    assert_whole(project, batch_id, fitted, request)


def test_previews_are_there_while_the_batch_is_generated(
    project: Project, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.batches, "CHUNK", 2)
    batch_id, _ = queue(project, fitted, tiny_request())
    seen: list[int] = []
    run_batch_job(project, {"batch": batch_id}, lambda *_: seen.append(len(images_of(project, batch_id))))
    assert seen == [0, 2, 4, 6, 7]


def test_a_finished_batch_run_again_changes_nothing(project: Project, fitted: Path) -> None:
    batch_id, _ = queue(project, fitted, tiny_request())
    for _ in range(2):
        run_batch_job(project, {"batch": batch_id}, ignore)
    with project.database.read() as session:
        assert session.scalar(select(func.count()).where(Job.kind == "screen")) == 1
        assert session.scalar(select(func.count()).where(Event.kind == "batch.ready")) == 1


@pytest.mark.slow
def test_two_workers_of_one_batch_double_nothing(
    project: Project, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.batches, "CHUNK", 1)
    request = tiny_request()
    batch_id, _ = queue(project, fitted, request)
    started = threading.Barrier(2)
    problems: list[Exception] = []

    def work() -> None:
        def report(done: int, total: int, note: str | None) -> None:
            if done == 0:
                started.wait(60)

        try:
            run_batch_job(project, {"batch": batch_id}, report)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert_whole(project, batch_id, fitted, request)
