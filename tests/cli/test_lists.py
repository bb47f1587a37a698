"""Lists fit their terminal: nothing is cut on a narrow one, a record is a line on a wide one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli.main import rounds
from cli.reference import walk
from curation.project import Project
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus, Image, Origin, Split, Subject
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.near_copies import NearCopy
from curation.tables.operations import Job, JobStatus
from curation.tables.pairs import PairList
from curation.tables.training import Run, Study
from curation.tables.withdrawals import Withdrawal
from tests.rows import NOW
from tests.worlds.lived_in import lived_in

LISTS = [
    *[path[1:] for path, _ in walk(rounds, ("rounds",)) if path[-1] == "list"],
    ("withdraw", "--list"),
    ("audit", "show"),
]
LONG = "a-name-as-long-as-people-give-them-in-a-project"
DATES = ("created_at", "added", "made", "at", "queued")  # printed without seconds
SIDE_BY_SIDE = ("snapshot", "worklist", "study", "generator", "run", "jobs")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Project]:
    """A project in which every list has a record with long names; only lists are read from it."""
    root = tmp_path_factory.mktemp("busy")
    (root / "rounds.db").write_bytes(migrated_file.read_bytes())
    project, _ = lived_in(root, "sqlite:///rounds.db", images=3)
    ready = {"status": BuildStatus.READY, "created_at": NOW}
    with project.database.write() as session:
        generator = session.scalars(select(Generator)).one()
        generator.card = {"classes": ["normal", "ring_lesion"], "fitted_on": {"n_images": 6000, "snapshot": LONG}}
        plan = {"arms": ["real_only", "plus_raw", "plus_approved", "plus_random"], "seeds": [1, 2, 3]}
        session.add(Study(name=LONG, plan=plan, plan_digest="0", directory=f"studies/{LONG}", result={}, **ready))
        run = Run(
            name=LONG, snapshot_id=1, config={"adaptation": "lora"}, config_digest="1", metrics={"auroc": 0.9}, **ready
        )
        run.directory = f"runs/{LONG}"
        session.add(run)
        session.add(PairList(name=LONG, recipe={}, size=1, closed_at=None, **ready))
        scopes = [{"scope": "whole", "n": 120}, {"scope": "approved", "n": 60}, {"scope": "rejected", "n": 60}]
        result = {"set": LONG, "scopes": scopes, "outcomes": 60, "outcomes_by_proxy_alone": 12}
        session.add(SetMeasurement(request={"backbone": LONG}, request_digest="2" * 64, result=result, **ready))
        content = {"parameters": {"backbone": LONG}, "parameters_digest": "3" * 64, "result": {}}
        session.add(CheckReport(kind="checks", **content, **ready))
        failed = {"worker": f"{LONG}:4329", "note": "drawing", "error": "expected a generator of that name, got none"}
        session.add(Job(kind="generate", payload={}, status=JobStatus.FAILED, created_at=NOW, **failed))
        subject = Subject(key=LONG, split=Split.TRAIN, known=True)
        session.add(subject)
        session.flush()
        train, held_out = session.scalars(select(Image).where(Image.origin == Origin.REAL).order_by(Image.id).limit(2))
        session.add(NearCopy(image_id=held_out.id, like_image_id=train.id, correlation=0.97))
        session.add(Withdrawal(subject_id=subject.id, reason="asked in a letter", plan=[], created_at=NOW))
    yield project
    project.database.dispose()


def printed(project: Project, command: tuple[str, ...], width: int, *options: str) -> str:
    arguments = ["--project", str(project.root), *command, *options]
    finished = CliRunner(env={"COLUMNS": str(width)}).invoke(rounds, arguments)
    assert finished.exit_code == 0, finished.output
    return finished.stdout


def words(value: Any) -> list[str]:
    """What a record says, word by word."""
    if isinstance(value, dict):
        return [word for item in value.values() for word in words(item)]
    if isinstance(value, list):
        return [word for item in value for word in words(item)]
    return str(value).split() if isinstance(value, str | int) and not isinstance(value, bool) else []


def test_what_a_set_measures_in_all_classes_is_called_so_and_keeps_its_name_in_json(busy: Project) -> None:
    text = " ".join(printed(busy, ("measure", "list"), 200).split())
    assert "all classes together" in text
    assert "whole" not in text
    [record] = json.loads(printed(busy, ("measure", "list"), 200, "--json"))
    assert record["n"]["whole"] == 120


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("command", LISTS, ids=lambda command: " ".join(command))
def test_nothing_of_a_list_is_cut(busy: Project, command: tuple[str, ...], width: int) -> None:
    records = json.loads(printed(busy, command, width, "--json"))
    assert records
    text = printed(busy, command, width)
    assert "\u2026" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    printed_words = set(text.replace(",", " ").split())
    for record in records:
        for word in words({key: value for key, value in record.items() if key not in DATES}):
            assert word.strip(",") in printed_words


@pytest.mark.parametrize("group", SIDE_BY_SIDE)
def test_a_wide_terminal_shows_a_record_a_line(busy: Project, group: str) -> None:
    records = json.loads(printed(busy, (group, "list"), 250, "--json"))
    assert len(printed(busy, (group, "list"), 250).splitlines()) == 2 + len(records)


def test_on_a_narrow_terminal_empty_facts_take_no_line(busy: Project) -> None:
    text = printed(busy, ("study", "list"), 80)
    assert LONG in text
    assert "withdrawals" not in text
