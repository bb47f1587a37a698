"""A release tells measured error rates by kind of change, and unmeasured ones as unmeasured."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from curation.project import Project
from curation.tables.generation import Screening
from curation.tables.images import BuildStatus
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairReading, PairTruth, PairVerdict
from tests.curation.exports.release.test_release import indicators
from tests.operation_ids import new_op_id
from tests.rows import NOW
from tests.worlds.exports import SNAPSHOT, SUBJECT, export
from tests.worlds.shared import copy_world


@pytest.mark.slow
def test_measured_error_rates_sets_and_pairs_stand_in_it_as_numbers_only(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    with project.database.write() as session:
        ready = {"status": BuildStatus.READY, "created_at": NOW}
        caught = {"value": 0.98, "low": 0.96, "high": 0.99}
        result = {
            "rows": [{"transformation": "shift", "caught": caught, "file": "/mnt/scans/x.png"}],
            "by_subject": {f"{SUBJECT}001": {"value": 0.5}},
        }
        session.add(CheckReport(kind="privacy", parameters={}, parameters_digest="1" * 64, result=result, **ready))
        floor = {"value": 0.9, "low": 0.8, "high": 1.0}
        measures = [{"name": "recall", "value": {"value": 0.7, "low": 0.6, "high": 0.8}, "floor": floor}]
        measured = {
            "scopes": [{"scope": "whole", "n": 30, "measures": measures}],
            "membership": {"said": False, "reason": "no image that the generator was fitted on is in this project"},
        }
        asked = {"snapshot": SNAPSHOT}
        session.add(SetMeasurement(request=asked, request_digest="2" * 64, result=measured, **ready))
        pairs = PairList(name="suspects", recipe={}, size=1, **ready)
        session.add(pairs)
        session.flush()
        pair = Pair(
            key="k", pair_list_id=pairs.id, position=0, truth=PairTruth.SUSPECT, first_image_id=1, second_image_id=2
        )
        session.add(pair)
        session.flush()
        times = {"read_at": NOW, "created_at": NOW}
        judgement = PairReading(op_id=new_op_id(), pair_id=pair.id, reader_id=1, verdict=PairVerdict.DIFFERENT, **times)
        session.add(judgement)
    export(project, "release", tmp_path / "out")
    page = (tmp_path / "out" / "SCREENING.md").read_text()
    assert "| rows / shift / caught | 0.98 (0.96 to 0.99) |" in page
    assert "| suspects | suspect | different | 1 |" in page
    saved = (tmp_path / "out" / "measures.json").read_text()
    assert "/mnt/scans" not in saved
    assert SUBJECT not in saved
    by_name = indicators(tmp_path / "out")
    assert by_name["recall, all classes together"]["low"] == 0.6
    assert by_name["recall, all classes together"]["n"] == 30
    assert "real images in its place 0.9 (0.8 to 1)" in str(by_name["recall, all classes together"]["note"])
    assert "floor, all classes together" not in by_name
    assert by_name["error rates of the privacy gate"]["value"] == 1.0
    assert by_name["membership inference"]["value"] is None
    assert "no image that the generator was fitted on" in str(by_name["membership inference"]["note"])


@pytest.mark.slow
def test_error_rates_are_told_by_what_was_changed_and_how_much(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    counts = {"n": 40, "caught": 10, "caught_95": [0.1, 0.4], "blocked": 2}
    checks = {
        "untouched": {**counts, "by_check": {"noise": {"caught": 1, "blocked": 0}}},
        "planted": [{"kind": "noise", "name": "noise, 5 levels of 255", **counts}],
        "wrong_label": [{"kind": "wrong_label", "true": "a", "asked": "b", **counts}],
    }
    crop = {"count": 3, "n": 4, "low": 0.2, "high": 0.9, "by_pixels": 3}
    privacy = {
        "counts": {"training_images": 50},
        "caught": [{"kind": "crop", "severity": 0.05, **crop}, {"kind": f"{SUBJECT}001", "severity": 1, **crop}],
        "false_blocks": [{"kind": "held-out images", **crop}],
    }
    with project.database.write() as session:
        ready = {"parameters": {}, "status": BuildStatus.READY, "created_at": NOW}
        session.add(CheckReport(kind="checks", parameters_digest="1" * 64, result=checks, **ready))
        session.add(CheckReport(kind="privacy", parameters_digest="2" * 64, result=privacy, **ready))
    export(project, "release", tmp_path / "out")
    page = (tmp_path / "out" / "SCREENING.md").read_text()
    for line in (
        "| untouched | 40 | 0.25 (0.127 to 0.412) | 2 |",
        "| planted / noise, 5 levels of 255 | 40 | 0.25 (0.127 to 0.412) | 2 |",
        "| wrong_label / a asked for as b | 40 | 0.25 (0.127 to 0.412) | 2 |",
        "| caught / crop, 0.05 | 4 | 0.75 (0.194 to 0.994) |",
        "| false_blocks / held-out images | 4 | 0.75 (0.194 to 0.994) |",
    ):
        assert line in page
    assert "by_check" not in page
    assert SUBJECT not in page + (tmp_path / "out" / "measures.json").read_text()
    gaps = (tmp_path / "out" / "README.md").read_text()
    assert "misses was not measured" not in gaps
    assert "automatic checks miss was not measured" not in gaps


@pytest.mark.slow
def test_rates_that_could_not_be_said_are_not_told_as_measured(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    why = "35 real validation images, 40 are needed"
    result = {"counts": {"tuning_images": 35}, "cannot_be_said": why}
    with project.database.write() as session:
        ready = {"parameters": {}, "status": BuildStatus.READY, "created_at": NOW}
        session.add(CheckReport(kind="privacy", parameters_digest="1" * 64, result=result, **ready))
    export(project, "release", tmp_path / "out")
    assert f"**Error rates cannot be said:** {why}." in (tmp_path / "out" / "SCREENING.md").read_text()
    assert indicators(tmp_path / "out")["error rates of the privacy gate"]["value"] is None
    gaps = (tmp_path / "out" / "README.md").read_text()
    assert "How many copies of real images the privacy gate misses was not measured" in gaps
    assert "How many faults the automatic checks miss was not measured" in gaps


@pytest.mark.slow
def test_false_alarms_are_those_that_the_screening_told(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    counts: dict[str, Any] = {
        "ranges_on_validation": {"measured_on": 95, "false_flags": 2, "false_blocks": 0},
        "flags_on_validation": {"measured_on": 95, "any": 7, "blocked": 0},
    }
    for parameters, share in ((counts, 7 / 95), ({"ranges_on_validation": counts["ranges_on_validation"]}, 2 / 95)):
        with project.database.write() as session:
            session.execute(update(Screening).values(parameters=parameters))
        export(project, "release", tmp_path / f"{share:.3f}")
        by_name = indicators(tmp_path / f"{share:.3f}")
        flagged = [indicator for name, indicator in by_name.items() if name.startswith("real held-out images flagged")]
        assert [indicator["value"] for indicator in flagged] == [pytest.approx(share)] * len(flagged)
        assert flagged
