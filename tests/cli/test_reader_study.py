"""`rounds agreement`, `performance` and `turing` as a user meets them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from curation.errors import BadInput
from curation.project import Project
from tests.curation.reader_study.test_report import read_by_truth
from tests.curation.reading.test_assignment import worklist_with


@pytest.fixture
def run(project: Project) -> Callable[..., Result]:
    """Run a command on a project where two readers have read a worklist."""
    with project.database.write() as session:
        worklist, readers = worklist_with(session, 24, readers=2, readers_per_image=2, rule="majority")
        for reader in readers:
            read_by_truth(session, reader, worklist)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])

    return invoke


@pytest.mark.slow
def test_agreement_is_shown_with_intervals_and_as_json(run: Callable[..., Result]) -> None:
    shown = run("agreement", "w")
    assert shown.exit_code == 0, shown.output
    assert "Krippendorff's alpha" in shown.output
    assert "48 blind readings by 2 readers" in shown.output
    lines = json.loads(run("agreement", "w", "--json").stdout)
    (verdict,) = [line for line in lines if line["figure"] == "Krippendorff's alpha" and line["group"] == "verdict"]
    assert (verdict["value"], verdict["n"]) == (1.0, 24)


@pytest.mark.slow
def test_performance_is_written_as_csv_and_says_what_is_too_little(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "performance.csv"
    assert run("performance", "w", "--csv", str(file)).exit_code == 0
    with file.open(newline="") as written:
        rows = list(csv.DictReader(written))
    (d_prime,) = [row for row in rows if row["figure"] == "d'" and row["reader"] == "r0"]
    assert d_prime["value"] == ""
    assert d_prime["note"].startswith("too few: 0 defects")


@pytest.mark.slow
def test_a_worklist_that_is_no_turing_test_is_refused(run: Callable[..., Result]) -> None:
    result = run("turing", "w")
    assert isinstance(result.exception, BadInput)
    assert "no Turing test" in str(result.exception)
