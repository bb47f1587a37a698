"""A set of a project is measured once for a request, at equal n and without test subjects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from curation.check_names import measure_key
from curation.errors import BadInput, Conflict, NotFound
from curation.image_store import Pixels
from curation.progress import silent
from curation.project import Project
from curation.tables.images import Image, Origin, Split, Subject
from curation.tables.measures import SetMeasurement
from curation.tables.operations import Event
from curation.tables.people import ReaderKind
from curation.tables.reading import Verdict
from screening.report.measurements import every_figure, find_measurement, medoid_files, outcomes_by
from screening.set_measures.measure import measure_sets
from screening.set_measures.request import MeasureRequest
from tests.rows import NOW, add_image, add_import
from tests.screening.cohort import add_drawn, person
from tests.screening.set_measures.room import (
    DRAWN,
    NOTICE,
    TRAIN,
    cohort_with_notice,
    fitted_elsewhere,
    fitted_on,
    images_of,
    read,
)
from tests.worlds.read_set import VERDICTS
from tests.worlds.recorded import assert_recorded
from tests.worlds.shared import fill_from


@pytest.fixture
def measure(project: Project, tiny_vit: Path) -> Callable[..., SetMeasurement]:
    """Measures with few resamples; returns the row."""

    def measured(**values: Any) -> SetMeasurement:
        request = MeasureRequest.checked(**({"resamples": 20} | values))
        measured = measure_sets(project, request, NOW, silent, str(tiny_vit))
        with project.database.read() as session:
            return find_measurement(session, measured)

    return measured


def noisy(pixels: Pixels, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 1, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def read_batch(project: Project, read_set_world: Path) -> int:
    """Sixty fresh pictures, read by a person: 36 approved, 12 rejected, 12 unresolved."""
    fill_from(project, read_set_world)
    return 1


@pytest.fixture
def cohort_alone(project: Project, cohort_with_notice_world: Path) -> None:
    """Eighty training and forty-eight validation subjects, and nothing drawn yet."""
    fill_from(project, cohort_with_notice_world)


def named(row: SetMeasurement, scope: str) -> dict[str, dict[str, Any]]:
    """The measures of a scope by name."""
    (measured,) = [entry for entry in row.result["scopes"] if entry["scope"] == scope]
    return {entry["name"]: entry for entry in measured["measures"]}


@pytest.mark.slow
def test_the_approved_are_measured_per_class_and_whole_beside_their_floor(
    read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    row = measure(images="approved")
    scopes = {entry["scope"]: entry["n"] for entry in row.result["scopes"]}
    assert scopes["whole"] == 36
    assert row.result["scopes_left_out"].keys() == {"bright", "normal"}
    assert row.result["images"] == {"measured": 36, "drawn": 60, "approved": 36}
    assert (row.result["notice"], row.result["intervals"]) == (NOTICE, "subject-level")
    for name, entry in named(row, "whole").items():
        assert entry["key"] == measure_key({"name": name})  # as a result without keys is read
        if name == "Fréchet distance":
            assert "36 images do not exceed" in entry["note"]
            continue
        for side in ("value", "floor", "excess"):
            assert entry[side]["low"] <= entry[side]["value"] <= entry[side]["high"], (name, side)
    raw = measure(images="raw")
    assert {entry["scope"]: entry["n"] for entry in raw.result["scopes"]} == {"whole": 48, "bright": 24, "normal": 24}


@pytest.mark.slow
def test_fresh_pictures_are_no_farther_than_held_out_ones_and_copies_are_found_by_authenticity(
    project: Project, cohort_alone: None, measure: Callable[..., SetMeasurement]
) -> None:
    fresh = add_drawn(project, [person(number) for number in DRAWN])
    copies = add_drawn(project, [noisy(person(number), number) for number in TRAIN[:60]], name="copier")
    blurred = add_drawn(project, [person(number) // 8 * 8 for number in range(5_000, 5_060)], name="coarse")
    measured = {name: named(measure(images="raw", batches=(batch,)), "whole") for name, batch in
             {"fresh": fresh, "copies": copies, "coarse": blurred}.items()}  # fmt: skip
    assert measured["fresh"]["kernel distance"]["excess"]["low"] <= 0
    assert measured["copies"]["precision"]["value"]["value"] >= measured["fresh"]["precision"]["value"]["value"]
    assert measured["copies"]["authenticity"]["value"]["value"] < 0.1
    assert measured["copies"]["authenticity"]["excess"]["high"] < 0
    assert measured["fresh"]["authenticity"]["excess"]["high"] > 0
    assert measured["coarse"]["spectral distance"]["excess"]["low"] > 0


@pytest.mark.slow
def test_the_same_request_is_measured_once_and_a_new_reading_is_another(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    first, again = measure(images="approved"), measure(images="approved")
    assert first.id == again.id
    read(project, images_of(project, read_batch)[4:5], [Verdict.ACCEPT], name="second")
    later = measure(images="approved")
    assert later.id != first.id
    assert later.result["images"]["measured"] == 37
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SetMeasurement)) == 2
        payloads = list(session.scalars(select(Event.payload).where(Event.kind == "set.measured")))
    assert_recorded(project, "measurement of a set")
    assert [entry["measurement"] for entry in payloads] == [first.id, later.id]


@pytest.mark.slow
def test_equal_requests_in_two_projects_give_equal_figures(
    project: Project, tmp_path: Path, make_project: Callable[[Path], Project], tiny_vit: Path
) -> None:
    other = make_project(tmp_path / "other")
    results = []
    for room in (project, other):
        cohort_with_notice(room)
        add_drawn(room, [person(number) for number in DRAWN[:40]])
        request = MeasureRequest.checked(images="raw", resamples=20)
        measured = measure_sets(room, request, NOW, silent, str(tiny_vit))
        with room.database.read() as session:
            results.append(find_measurement(session, measured).result)
    other.database.dispose()
    assert results[0] == results[1]


@pytest.mark.slow
def test_test_subjects_are_never_looked_at(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    with project.database.write() as session:
        source = add_import(session, "held back")
        subject = Subject(key="held back", split=Split.TEST, known=True)
        session.add(subject)
        session.flush()
        ids = {"import_id": source.id, "subject_id": subject.id}
        digest = add_image(project, session, person(9_999), origin=Origin.REAL, **ids).file_sha256
    measure(images="raw")
    rows = [path.read_text() for path in project.directory("embeddings").glob("*.rows")]
    assert len(rows) == 2
    assert all(digest not in text and len(text.splitlines()) == 80 + 48 + 60 for text in rows)


@pytest.mark.slow
def test_outcomes_of_a_model_alone_say_so_everywhere(
    project: Project, cohort_alone: None, measure: Callable[..., SetMeasurement]
) -> None:
    batch_id = add_drawn(project, [person(number) for number in DRAWN])
    read(project, images_of(project, batch_id), VERDICTS, kind=ReaderKind.PROXY)
    row = measure(images="approved")
    assert row.result["outcomes_by_proxy_alone"] == 60
    assert outcomes_by(row.result) == "proxy (a model) alone"
    header, figures = every_figure(row, withdrawn=0)
    assert {line[header.index("outcomes_by")] for line in figures} == {"proxy (a model) alone"}


@pytest.mark.slow
def test_the_map_counts_modes_subgroups_and_odds(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    measured = measure(images="approved").result["map"]
    groupings = {entry["grouping"] for entry in measured["representation"]}
    assert {"class", "age", "sex"} <= groupings
    assert set(measured["borrowed"]) == {"age", "sex"}
    for grouping in ("class", "age", "sex"):
        rows = [entry for entry in measured["representation"] if entry["grouping"] == grouping]
        assert sum(entry["real"]["hits"] for entry in rows) == 80
        assert sum(entry["drawn"]["hits"] for entry in rows) == 60
        assert sum(entry["kept"]["hits"] for entry in rows) == measured["kept"] == 36
        assert all(entry["covered"] is not None for entry in rows)
    assert {entry["grouping"] for entry in measured["odds"]} == groupings
    assert sum(row["approved"] + row["rejected"] for row in measured["odds"] if row["grouping"] == "class") == 48
    kinds = [point["kind"] for point in measured["points"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "real": 80,
        "approved": 36,
        "rejected": 12,
        "unresolved": 12,
    }


@pytest.mark.slow
def test_a_medoid_that_was_withdrawn_is_no_longer_shown(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    result = measure(images="approved").result
    modes = result["map"]["modes"]
    with project.database.write() as session:
        assert len(medoid_files(session, result)) == len(modes)
        session.get_one(Image, modes[0]["medoid_image_id"]).withdrawn_at = NOW
    with project.database.read() as session:
        assert modes[0]["level"] not in medoid_files(session, result)


@pytest.mark.slow
def test_membership_shows_where_members_were_copied_and_not_where_they_were_not(
    project: Project, cohort_alone: None, measure: Callable[..., SetMeasurement]
) -> None:
    copies = add_drawn(project, [noisy(person(number), number) for number in TRAIN[:40]], name="copier")
    fitted_on(project, copies, TRAIN[:40])
    fresh = add_drawn(project, [person(number) for number in DRAWN], name="honest")
    fitted_on(project, fresh, TRAIN[:40])
    areas = {}
    for name, batch_id in (("copies", copies), ("fresh", fresh)):
        measured = measure(images="raw", batches=(batch_id,)).result["membership"]
        assert measured["said"]
        assert measured["n"] == 40
        assert measured["reference"] == "training subjects that the generator did not see"
        areas[name] = {entry["name"]: entry["auc"] for entry in measured["attacks"]}
        assert areas[name]["without the generator"]["low"] < 0.5 < areas[name]["without the generator"]["high"]
    assert areas["copies"]["calibrated distance"]["low"] > 0.9
    assert areas["fresh"]["calibrated distance"]["low"] < 0.5


@pytest.mark.slow
def test_membership_is_not_said_without_members_or_without_a_card(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    assert "does not say what it was fitted on" in measure(images="raw").result["membership"]["sentence"]
    fitted_elsewhere(project, read_batch)
    assert "no image that the generator was fitted on" in measure(images="raw").result["membership"]["sentence"]
    fitted_on(project, read_batch, TRAIN[:6])
    measured = measure(images="raw").result["membership"]
    assert not measured["said"]
    assert "6 subjects in each group of equal classes, 20 are needed" in measured["sentence"]


@pytest.mark.slow
def test_a_validation_image_that_is_a_training_image_makes_no_floor(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    with project.database.write() as session:
        source = add_import(session, "leak")
        subject = Subject(key="leak", split=Split.VALIDATION, known=True)
        session.add(subject)
        session.flush()
        ids = {"import_id": source.id, "subject_id": subject.id}
        add_image(project, session, person(TRAIN[0]), origin=Origin.REAL, **ids)
    assert measure(images="raw").result["validation_images_that_are_training_images"] == 1


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    project: Project, read_batch: int, measure: Callable[..., SetMeasurement]
) -> None:
    with pytest.raises(BadInput, match="there are 12 drawn images"):
        measure(images="rejected")
    with pytest.raises(BadInput, match=r"expected 40 images of each set, there are 36 drawn images"):
        measure(images="approved", n=40)
    with pytest.raises(BadInput, match="no finished batch 9"):
        measure(images="raw", batches=(9,))
    with pytest.raises(NotFound, match="nothing"):
        measure(images="approved", worklists=("nothing",))
    with pytest.raises(NotFound, match="no snapshot named"):
        measure(images="snapshot", snapshot="none")
    for bad in ({"n": 3}, {"images": "snapshot"}, {"images": "raw", "snapshot": "a"}, {"resamples": 1}, {"what": 1}):
        with pytest.raises(BadInput, match="cannot be used"):
            MeasureRequest.checked(**bad)
    read(project, images_of(project, read_batch)[:1], [Verdict.REJECT], name="contrary")
    with pytest.raises(Conflict, match="approved in one worklist and rejected in another"):
        measure(images="approved")
    assert measure(images="approved", worklists=("first",)).result["images"]["measured"] == 36
