"""Queue a job by a command, and work it off, for tests."""

import json
import threading

from click.testing import CliRunner

from cli.main import rounds
from cli.worker import run_one
from curation.errors import RoundsError
from curation.project import Project
from curation.tables.operations import Job


class AfterReports(threading.Event):
    """A worker's sign to stop, given after so many reports of its job."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def run(project: Project, *arguments: str) -> str:
    """Run a command; an error meant for the user is raised as it is."""
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in arguments else result.output


def queue(project: Project, *arguments: str) -> int:
    """Queue by a command; returns the id of the job."""
    return int(json.loads(run(project, *arguments, "--queue", "--json"))["job"])


def work(project: Project, reports: int | None = None) -> bool:
    """Work off one job, or the first so many reports of it."""
    return run_one(project, "me", threading.Event() if reports is None else AfterReports(reports), quiet=True)


def job_of(project: Project, job_id: int) -> Job:
    with project.database.read() as session:
        return session.get_one(Job, job_id)
