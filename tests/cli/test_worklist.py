"""`rounds worklist` and `rounds vocabulary`, from the command line to the database."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from cli.main import rounds
from cli.worklist_options import recipe_from
from curation.errors import BadInput, Conflict, RoundsError
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.record import record_reading
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.people import Reader
from curation.tables.reading import Purpose, Worklist, WorklistItem, WorklistKind
from curation.worklists.recipe import EVIDENCE
from tests.curation.reading_room import NOON, add_person, verdict
from tests.worlds.shared import fill_from, make_once
from tests.worlds.study_room import add_study


def run(project: Project, command: str) -> str:
    """Run a command in the project; an error meant for the user is raised as it is."""
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *shlex.split(command)])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def recipe_of(project: Project, name: str) -> dict[str, Any]:
    with project.database.read() as session:
        return session.scalars(select(Worklist.recipe).where(Worklist.name == name)).one()


@pytest.fixture(scope="session")
def study_world(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Path:
    """Twelve candidates, real images with files, and readers anna and ben."""

    def make(root: Path) -> None:
        project = make_project(root)
        add_study(project.database, project.store, candidates=12, validation=30, train=12)
        with project.database.write() as session:
            add_person(session, "anna")
            add_person(session, "ben")
        project.database.dispose()

    return make_once(tmp_path_factory, "study-of-two", make)


@pytest.fixture
def study(project: Project, study_world: Path) -> Project:
    """A copy of this test's own."""
    fill_from(project, study_world)
    return project


def test_without_options_a_worklist_is_what_it_always_was(study: Project) -> None:
    facts = json.loads(run(study, "worklist create first --json"))
    assert (facts["images"], facts["controls"], facts["defects planted"]) == (12, 0, None)
    recipe = recipe_of(study, "first")
    assert (recipe["rule"], recipe["readers_per_image"], recipe["grid"], recipe["label_shown"]) == (
        "single",
        1,
        True,
        True,
    )


@pytest.mark.slow
def test_an_audit_that_finds_nothing_to_audit_says_so(study: Project) -> None:
    assert "blocked images to audit" not in json.loads(run(study, "worklist create first --json"))
    facts = json.loads(run(study, "worklist create second --gate-audit 1 --json"))
    assert facts["blocked images to audit"].startswith("0: screening blocked none but near copies")
    with study.database.write() as session:
        image = session.scalars(select(ScreenedImage.image_id)).first()
        screening = session.scalars(select(ScreenedImage.screening_id)).first()
        session.execute(update(ScreenedImage).where(ScreenedImage.image_id == image).values(verdict="block"))
        block = {"value": 0.0, "threshold": "0.1", "verdict": ScreeningVerdict.BLOCK}
        session.add(ScreeningCheck(screening_id=screening, image_id=image, name="brightness", **block))
    assert json.loads(run(study, "worklist create third --gate-audit 1 --json"))["blocked images to audit"] == 1


def test_every_option_reaches_the_recipe(study: Project) -> None:
    words = (
        "worklist create second --limit 10 --passed-only --again --reader anna --reader ben --readers-per-image 2 "
        "--rule adjudicated --order flags --label-blind --no-grid --grid-audit-share 0.2 "
        "--ratings --vocabulary brain_mr --modality mr --lease 900 --real-controls 4 --defect-controls 6 "
        "--repeat-share 0.2 --practice 4 --min-sensitivity 0.5 --max-false-rejects 0.4 --min-repeat-agreement 0.6 "
        "--min-median-ms 400 --seed 5 --json "
        "--question 'Is it?'"
    )
    facts = json.loads(run(study, words))
    assert facts["images"] == 20
    assert facts["defects planted"] == {"validation": 6, "train": 2}
    expected = {
        "limit": 10,
        "include": ["pass"],
        "again": True,
        "readers": ["anna", "ben"],
        "readers_per_image": 2,
        "rule": "adjudicated",
        "order": "flags",
        "label_shown": False,
        "grid": False,
        "grid_audit_share": 0.2,
        "ratings": True,
        "vocabulary": "brain_mr",
        "modality": "mr",
        "lease_s": 900,
        "real_controls": 4,
        "defect_controls": 6,
        "repeat_share": 0.2,
        "practice": 4,
        "seed": 5,
        "question": "Is it?",
        "exclusion": {
            "min_sensitivity": 0.5,
            "max_false_rejects": 0.4,
            "min_repeat_agreement": 0.6,
            "min_median_ms": 400,
        },
    }
    recipe = recipe_of(study, "second")
    assert {key: recipe[key] for key in expected} == expected


@pytest.mark.slow
def test_the_preset_for_evidence_is_a_reader_study_and_single_options_override_it(study: Project) -> None:
    run(study, "worklist create study --evidence --real-controls 9 --defect-controls 12 --practice 10 --ratings")
    recipe = recipe_of(study, "study")
    overridden = {"real_controls": 9, "defect_controls": 12, "practice": 10, "ratings": True}
    assert {key: recipe[key] for key in EVIDENCE | overridden} == EVIDENCE | overridden
    with study.database.read() as session:
        purposes = session.scalars(
            select(WorklistItem.purpose).join(Worklist).where(Worklist.kind == WorklistKind.VERDICT)
        ).all()
    assert {purpose: purposes.count(purpose) for purpose in set(purposes)} == {
        Purpose.CANDIDATE: 12,
        Purpose.REAL_CONTROL: 9,
        Purpose.DEFECT_CONTROL: 12,
    }


def test_the_preset_refuses_when_there_are_too_few_real_images(study: Project) -> None:
    with pytest.raises(BadInput, match="expected 50 real validation images"):
        run(study, "worklist create study --evidence")


def test_a_turing_test_is_made_with_its_margin(study: Project) -> None:
    run(study, "worklist create alike --turing --real-controls 10 --margin 0.6")
    recipe = recipe_of(study, "alike")
    assert (recipe["kind"], recipe["margin"]) == ("turing", 0.6)


def test_values_that_no_recipe_takes_end_in_one_line() -> None:
    with pytest.raises(BadInput, match="name: String should have at most 100 characters"):
        recipe_from("w" * 101, evidence=False, passed_only=False, turing=False, again=False)


def test_several_readers_without_a_rule_are_a_majority() -> None:
    made = recipe_from("w", evidence=False, passed_only=False, turing=False, again=False, readers_per_image=3)
    assert made.rule == "majority"


@pytest.mark.slow
def test_a_worklist_is_paused_resumed_and_given_to_others(study: Project) -> None:
    run(study, "worklist create first")
    run(study, "worklist pause first")
    with study.database.write() as session:
        worklist = session.scalars(select(Worklist)).one().id
        anna = session.scalars(select(Reader).where(Reader.name == "anna")).one().id
        assert session.get_one(Worklist, worklist).paused_at is not None
    run(study, "worklist resume first")
    with study.database.write() as session:
        assert len(claim(session, NOON, anna, worklist, 3)) == 3
    assert "3 images given back" in run(study, "worklist reassign first --reader anna")
    run(study, "worklist readers first --reader ben")
    run(study, "worklist readers first --everyone")
    result = CliRunner().invoke(rounds, ["--project", str(study.root), "worklist", "readers", "first"])
    assert result.exit_code == 2
    run(study, "worklist close first")
    with pytest.raises(Conflict, match="closed"):
        run(study, "worklist pause first")


@pytest.mark.slow
def test_another_rule_gives_other_outcomes_of_the_same_readings(study: Project) -> None:
    run(study, "worklist create first")
    with study.database.write() as session:
        worklist = session.scalars(select(Worklist)).one().id
        anna = session.scalars(select(Reader).where(Reader.name == "anna")).one().id
        for item in claim(session, NOON, anna, worklist, 2):
            record_reading(session, study.chain, NOON, anna, verdict(item.key))
    facts = json.loads(run(study, "worklist rule first majority --readers-per-image 3 --json"))
    assert facts["rule"] == "majority"
    assert "approved" not in (facts["outcomes"] or {})
    assert json.loads(run(study, "worklist rule first single --readers-per-image 1 --json"))["outcomes"] == {
        "approved": 2
    }


def test_a_vocabulary_is_added_shown_listed_and_used(study: Project) -> None:
    run(study, "vocabulary add knee_mr --reason motion=Motion --reason 'metal=Metal = artefact'")
    shown = json.loads(run(study, "vocabulary show knee_mr --json"))
    assert shown == [
        {"key": "1", "code": "motion", "text": "Motion"},
        {"key": "2", "code": "metal", "text": "Metal = artefact"},
    ]
    assert "knee_mr" in {row["name"] for row in json.loads(run(study, "vocabulary list --json"))}
    run(study, "worklist create first --vocabulary knee_mr")
    with pytest.raises(BadInput, match="CODE"):
        run(study, "vocabulary add other --reason motion")


def test_the_project_is_left_alone_by_a_wrong_name(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no worklist"):
        run(project, "worklist pause nothing")
