"""A study room in which much has happened, and what is found after a change beside the commands."""

from collections import Counter
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.progress import silent
from curation.project import Project
from curation.readers.accounts import (
    add_reader,
    change_password,
    set_role,
    sign_out_everywhere,
)
from curation.readers.consent import withdraw_consent
from curation.readers.passwords import check_password, password_hash_of
from curation.readers.sign_ins import sign_in, sign_out
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import BuildStatus, Split
from curation.tables.people import Role
from curation.tables.reading import Verdict
from curation.tables.training import Run, Study
from curation.verification.recorded import recorded_faults
from curation.withdrawal.withdraw import withdraw
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import change_rule, pause_worklist, set_readers
from curation.worklists.plant import plant_for_worklist
from curation.worklists.vocabulary import Reason, save_vocabulary
from tests.curation.reading_room import LATER, NOON, verdict
from tests.rows import add_consent
from tests.worlds.recorded import record_rows
from tests.worlds.study_room import make_study_room
from train.adaptation.records import close_run
from train.evaluation.records import record_evaluation
from train.study.records import close_study


def live_in(project: Project) -> None:
    """Read, judge, build, withdraw: something in every table, all of it through the functions of the commands."""
    record_rows(project)
    chain = project.chain
    recipe = WorklistRecipe(name="w", real_controls=2, defect_controls=2, readers=("ada", "ben"))
    with project.database.write() as session:
        for name in ("ada", "ben"):
            reader = add_reader(session, chain, NOON, name, "a long enough password")
            add_consent(session, chain, reader.id)
        set_role(session, chain, NOON, "ben", Role.CURATOR)
        withdraw_consent(session, chain, NOON, reader.id)
        checked = check_password("ada", password_hash_of(session, "ada"), "a long enough password")
        assert sign_in(session, chain, NOON, checked) is not None
        end_in_every_way(session, chain)
    plant_for_worklist(project.database, project.store, project.chain, NOON, recipe, silent)
    with project.database.write() as session:
        create_worklist(session, chain, NOON, recipe)
        held = claim(session, NOON, 1, 1, 4)
        requests = [verdict(item.key, answer=answer) for item, answer in zip(held, [*Verdict], strict=False)]
        for request in requests:
            record_reading(session, chain, NOON, 1, request)
        void_reading(session, chain, NOON, 1, "f" * 32, requests[0].op_id)
        recompute_outcomes(session, 1)
        save_vocabulary(session, chain, NOON, "ours", [Reason("1", "odd", "Odd")])
    build_snapshot(project, "first", MixRecipe(synthetic="none"), NOON, silent)
    with project.database.write() as session:
        common = {"status": BuildStatus.BUILDING, "created_at": NOON}
        run = Run(name="r", snapshot_id=1, config={}, config_digest="0", directory="runs/r", metrics={}, **common)
        study = Study(name="t", plan={}, plan_digest="0", directory="studies/t", result={}, **common)
        session.add_all([run, study])
        session.flush()
        close_run(session, chain, NOON, "r", {"auroc": 0.7})
        record_evaluation(session, chain, NOON, run, Split.TEST, {"auroc": 0.6})
        close_study(session, chain, NOON, "t", {"gain": False})
    for directory in ("runs/r", "studies/t"):  # without them their disks would be away
        (project.root / directory).mkdir(parents=True)
    withdraw(project, LATER, "p1000", "")
    with project.database.write() as session:
        pause_worklist(session, chain, NOON, "w")
        set_readers(session, chain, NOON, "w", ["ada"])
        change_rule(session, chain, NOON, "w", "majority", 2)
        close_worklist(session, chain, NOON, "w")


def end_in_every_way(session: Session, chain: Chain) -> None:
    """Sign ada in four times: she signs out, is signed out everywhere, and a new password ends one of the last two."""
    tokens = []
    password = "a long enough password"
    for end in (True, True, False, False):
        checked = check_password("ada", password_hash_of(session, "ada"), password)
        signed_in = sign_in(session, chain, NOON, checked)
        assert signed_in is not None
        tokens.append(signed_in.token)
        if end and len(tokens) == 1:
            sign_out(session, chain, NOON, tokens[0])
        elif end:
            sign_out_everywhere(session, chain, NOON, "ada")
    change_password(session, chain, NOON, signed_in.reader.id, checked, "another long password", tokens[-1])


def make_lived_in_study_room(root: Path, database_url: str) -> None:
    """A study room in which all of that has happened."""
    make_study_room(root, database_url)
    project = Project.open(root)
    live_in(project)
    project.database.dispose()


def faults_after(project: Project, *tamperings: str) -> list[str]:
    """What is found while changes are there that are then taken back."""
    with Session(project.database.engine) as session:
        if session.get_bind().dialect.name == "sqlite":
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
        for tampering in tamperings:
            session.execute(text(tampering.replace(":", "\\:")))
        faults = list(recorded_faults(session, project.chain, Counter()))
        session.rollback()
    return faults
