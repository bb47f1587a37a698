"""A value in the database that no command writes is one line on the commands that read it."""

import pytest
from sqlalchemy import text

from curation.errors import Damaged
from curation.jobs import enqueue
from curation.project import Project
from tests.cli.queueing import run
from tests.rows import NOW


@pytest.mark.parametrize(
    ("statement", "words", "told"),
    [
        ("UPDATE jobs SET payload = '[1, 2]'", ["jobs", "list"], "jobs.payload"),
        ("UPDATE jobs SET payload = '{'", ["jobs", "cancel", "1"], "jobs.payload"),
        ("UPDATE jobs SET payload = '{'", ["worker", "--until-idle"], "jobs.payload"),
        ("UPDATE events SET payload = 'no JSON'", ["audit", "show"], "events.payload"),
        ("UPDATE events SET payload = 'no JSON'", ["audit", "verify"], "faults in the chain of events"),
    ],
)
def test_a_value_of_another_kind_ends_in_one_line(
    project: Project, statement: str, words: list[str], told: str
) -> None:
    with project.database.write() as session:
        enqueue(session, NOW, "screen", {"batch": 1})
        project.chain.record(session, "tested", {}, NOW)
        session.execute(text(statement))
    with pytest.raises(Damaged, match=told):
        run(project, *words)
