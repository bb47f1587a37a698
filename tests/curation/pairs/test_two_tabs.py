"""A judge with two tabs on PostgreSQL, where a write waits for rows and not for the database."""

import threading
import time
import uuid
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from curation.errors import Conflict
from curation.pairs.build import create_pair_list
from curation.pairs.judging import Judgement, record_judgement
from curation.pairs.recipe import PairRecipe
from curation.project import Project
from curation.tables.pairs import Pair, PairReading, PairVerdict
from tests.curation.pairs.rows import add_judge, add_suspects, add_training
from tests.operation_ids import new_op_id
from tests.postgres import create_database
from tests.projects import new_project
from tests.rows import NOW


def _first_key(project: Project) -> str:
    """The first pair of a new list."""
    create_pair_list(project, NOW, PairRecipe(name="p", suspects=1, same=1, different=1, seed=1))
    with project.database.read() as session:
        return session.scalars(select(Pair.key).order_by(Pair.position)).first() or ""


@pytest.mark.postgres
def test_a_judgement_sent_by_two_tabs_at_once_is_recorded_once_and_refused_to_neither(
    tmp_path: Path, postgres_template: str
) -> None:
    url = create_database(postgres_template, f"rounds_{uuid.uuid4().hex}", template="migrated")
    project = new_project(tmp_path / "p", "p", url, "store")
    with project.database.write() as session:
        images = add_training(project, session, subjects=3, images_each=2)
        add_suspects(project, session, images[:1], blocked=1)
        add_judge(project, session)
    key = _first_key(project)
    judgement = Judgement(op_id=new_op_id(), key=key, read_at=NOW, verdict=PairVerdict.SAME)
    answers: list[object] = []

    def send_again() -> None:
        try:
            with project.database.write() as session:
                answers.append(record_judgement(session, project.chain, NOW, 1, judgement))
        except Conflict as refusal:
            answers.append(refusal)

    other = threading.Thread(target=send_again)
    with project.database.write() as session:
        record_judgement(session, project.chain, NOW, 1, judgement)
        other.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while session.scalar(waits) == 0:  # until the other has come as far as it can
            time.sleep(0.01)
    other.join()
    assert answers == [None]
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PairReading)) == 1
    project.database.dispose()
