"""Pictures drawn twice are found within a batch and in every batch before it, in bounded memory."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from curation.near_copies.fingerprints import fingerprints
from curation.progress import silent
from curation.project import Project
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck
from curation.tables.images import Image
from screening.checks import duplicates
from screening.checks.check import Unset
from screening.checks.duplicates import duplicate_distance, earlier_images, find_earlier
from screening.run import screen_batch
from tests.rows import NOW
from tests.screening.cohort import add_drawn, person

PEOPLE = [person(number) for number in range(3_000, 3_010)]


def verdicts(project: Project, batch_id: int, name: str) -> list[str]:
    with project.database.read() as session:
        rows = session.scalars(
            select(ScreeningCheck.verdict)
            .join(Image, Image.id == ScreeningCheck.image_id)
            .where(Image.batch_id == batch_id, ScreeningCheck.name == name)
            .order_by(Image.batch_index)
        )
        return [verdict.value for verdict in rows]


@pytest.mark.slow
def test_a_picture_of_an_earlier_batch_is_blocked_and_a_near_one_flagged(
    project: Project, cohort: dict[int, int], tiny_vit: Path
) -> None:
    first = add_drawn(project, PEOPLE[:6], name="first")
    add_drawn(project, PEOPLE[6:8], name="second")
    near = np.clip(PEOPLE[7] + np.random.default_rng(0).normal(0, 2, (64, 64, 1)), 0, 255).astype(np.uint8)
    third = add_drawn(project, [PEOPLE[8], PEOPLE[0], near, PEOPLE[9], PEOPLE[9]], name="third")
    for batch in (first, third):
        screen_batch(project, batch, NOW, silent, str(tiny_vit))
    assert verdicts(project, third, "duplicate_of_earlier") == ["pass", "block", "flag", "pass", "pass"]
    assert verdicts(project, third, "duplicate") == ["pass", "pass", "pass", "pass", "block"]
    assert set(verdicts(project, first, "duplicate_of_earlier")) == {"pass"}
    with project.database.read() as session:
        kept = {screening.batch_id: screening.parameters for screening in session.scalars(select(Screening))}
        assert session.scalar(select(ScreenedImage.verdict).where(ScreenedImage.screening_id == 1)) is not None
    assert (kept[first]["earlier_images"], kept[third]["earlier_images"], kept[third]["earlier_batches"]) == (0, 8, 2)


@pytest.mark.parametrize("at_once", [3, 4, 1_000])
def test_how_many_are_compared_at_a_time_changes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(duplicates, "AT_ONCE", at_once)
    monkeypatch.setattr(duplicates, "DIGESTS_AT_ONCE", 1)
    add_drawn(project, PEOPLE[:6], name="first")
    add_drawn(project, PEOPLE[6:], name="second")
    third = add_drawn(project, [PEOPLE[2], person(1)], name="third")
    prints = fingerprints(np.stack([PEOPLE[2], person(1)]))
    with project.database.read() as session:
        images = session.scalars(select(Image).where(Image.batch_id == third).order_by(Image.batch_index)).all()
        earlier = earlier_images(session, third, (64, 64, 1, 8))
    twins = find_earlier(
        project.database,
        earlier,
        prints,
        [image.pixel_sha256 for image in images],
        lambda files: fingerprints(project.store.stack(files)),
    )
    every = 1 - prints @ fingerprints(np.stack(PEOPLE)).T
    np.testing.assert_allclose(twins.distances, every.min(axis=1), atol=1e-6)
    assert twins.exact == {0}
    assert twins.image_ids.tolist() == [3, 1 + int(every[1].argmin())]


def test_with_too_few_real_images_only_exact_repeats_are_found() -> None:
    few = fingerprints(np.stack(PEOPLE))
    assert isinstance(duplicate_distance(few, few), Unset)
