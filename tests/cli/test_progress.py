"""Long work speaks where no terminal shows a bar."""

import itertools
import json
from functools import partial

import pytest
from click.testing import CliRunner

import cli.terminal
from cli.main import rounds
from cli.worker import RUNNERS
from curation.jobs import enqueue
from curation.progress import ProgressLines
from curation.project import Project
from tests.rows import NOW


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which half a minute passes whenever it is looked at."""
    seconds = itertools.count(0, 30)
    monkeypatch.setattr(cli.terminal, "ProgressLines", partial(ProgressLines, clock=lambda: float(next(seconds))))


def test_a_worker_in_a_log_says_how_far_its_job_is(
    project: Project, quick_clock: None, signal_handlers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNNERS, "succeed", "tests.cli.job_bodies:succeed")
    with project.database.write() as session:
        job = enqueue(session, NOW, "succeed", {})
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "worker", "--until-idle", "--quiet"])
    assert result.exit_code == 0, result.output
    spoken = [
        line for line in result.stderr.splitlines() if line.startswith(f"job {job.id}, succeed: 2 of 3, step 2, ")
    ]
    assert spoken
    assert spoken[0].endswith(" to 3")


@pytest.mark.slow
def test_json_stays_whole_while_the_work_speaks(project: Project, quick_clock: None) -> None:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "verify", "--json"])
    assert isinstance(json.loads(result.stdout), dict)
