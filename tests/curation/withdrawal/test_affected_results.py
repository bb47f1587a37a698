"""What was measured or judged on a subject that was withdrawn since says so."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from curation.pairs.build import find_pair_list
from curation.pairs.results import compute_pair_results
from curation.project import Project
from curation.withdrawal.affected_results import WithdrawnSubjects, check_reports_on, measurements_on, pair_lists_on
from curation.withdrawal.withdraw import withdraw
from screening.report.measurements import every_figure, find_measurement
from screening.report.rates import newest_report, withdrawn_behind
from tests.cli.test_screening import run
from tests.curation.lineage.measured import add_measurement, add_pairs, add_report, drawn_in, image_of
from tests.rows import NOW
from tests.worlds.lineage import REAL_ONLY, snapshot

HOUR = timedelta(hours=1)


def resting(project: Project, of: Any) -> dict[int, int]:
    with project.database.read() as session:
        return dict(of(session, WithdrawnSubjects.recorded()))


def test_error_rates_count_the_withdrawn_subjects_that_they_were_measured_on(lived: Project) -> None:
    before, elsewhere = add_report(lived), add_report(lived, shape=[32, 32, 1, 8])
    assert resting(lived, check_reports_on) == {}
    withdraw(lived, NOW + HOUR, "s0", "")
    withdraw(lived, NOW + HOUR, "s20", "")
    withdraw(lived, NOW + HOUR, "s40", "")  # a test subject is in no error rates
    after = add_report(lived, at=NOW + 2 * HOUR)
    assert resting(lived, check_reports_on) == {before: 2}
    assert {elsewhere, after}.isdisjoint(resting(lived, check_reports_on))


def test_what_was_imported_later_is_not_in_an_earlier_report(lived: Project) -> None:
    add_report(lived, at=NOW - HOUR)
    withdraw(lived, NOW + HOUR, "s0", "")
    assert resting(lived, check_reports_on) == {}


def test_measures_count_real_subjects_and_those_that_the_generators_of_the_set_saw(lived: Project) -> None:
    before = add_measurement(lived, NOW + HOUR)
    withdraw(lived, NOW + 2 * HOUR, "s0", "")
    late = NOW + 3 * HOUR
    of_batch = add_measurement(lived, late, batches=[1])
    of_snapshot = add_measurement(lived, late, images="snapshot", snapshot="second")
    of_everything = add_measurement(lived, late)
    of_reals = add_measurement(lived, late, images="snapshot", snapshot="base")
    read = add_measurement(lived, late, images="approved")
    counts = resting(lived, measurements_on)
    assert counts == dict.fromkeys([before, of_batch, of_snapshot, of_everything], 1)
    assert {of_reals, read}.isdisjoint(counts)  # nothing synthetic is in it, nothing was read


def test_lists_of_pairs_count_the_subjects_they_show_and_those_behind_their_suspects(lived: Project) -> None:
    shows = add_pairs(lived, "shows", drawn_in(lived, 1), image_of(lived, "s0"))
    drawn = add_pairs(lived, "drawn", drawn_in(lived, 2), image_of(lived, "s1"))
    other = add_pairs(lived, "other", image_of(lived, "s1"), image_of(lived, "s2"))
    assert resting(lived, pair_lists_on) == {}
    withdraw(lived, NOW, "s0", "")
    assert resting(lived, pair_lists_on) == {shows: 1, drawn: 1}
    withdraw(lived, NOW, "s1", "")
    assert resting(lived, pair_lists_on) == {shows: 2, drawn: 2, other: 1}
    with lived.database.read() as session:
        results = compute_pair_results(session, find_pair_list(session, "other"))
    assert "AFFECTED: it rests on withdrawn subjects (1)" in results.caveat


def test_the_lists_and_tables_say_so(lived: Project, tmp_path: Path) -> None:
    report, measurement = add_report(lived), add_measurement(lived, NOW + HOUR)
    add_pairs(lived, "first", drawn_in(lived, 1), image_of(lived, "s0"))
    lists = (("screening", "list"), ("measure", "list"), ("pairs", "list"))
    marks = [json.loads(run(lived, *command, "--json").stdout)[0]["withdrawals"] for command in lists]
    assert marks == [None] * 3
    withdraw(lived, NOW + 2 * HOUR, "s0", "")
    marks = [json.loads(run(lived, *command, "--json").stdout)[0]["withdrawals"] for command in lists]
    assert marks == ["rests on withdrawn subjects (1)"] * 3
    shown = run(lived, "measure", "show", str(measurement)).output
    assert "rests on withdrawn subjects (1)" in shown
    assert "AFFECTED: it rests on withdrawn subjects (1)" in run(lived, "pairs", "results", "first").output
    with lived.database.read() as session:
        assert withdrawn_behind(session, newest_report(session)) == 1
        _, rows = every_figure(find_measurement(session, measurement), 1)
    assert rows[-1][:5] == ("notice", "whole", "withdrawn subjects it rests on", "", 1)
    assert report == 1


@pytest.mark.slow
def test_a_snapshot_built_meanwhile_marks_nothing(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    snapshot(lived, "clean", REAL_ONLY)
    measured = add_measurement(lived, NOW + HOUR, images="snapshot", snapshot="clean")
    assert measured not in resting(lived, measurements_on)
