"""A project that was read in: three readers, controls, repeats, reasons and a grid.

Pages of figures say nothing before there is something to say.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.progress import silent
from curation.project import Project
from curation.readers.accounts import add_reader, find_reader
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.reading.request import ReadingRequest
from curation.tables.images import Image
from curation.tables.people import Role
from curation.tables.reading import Assignment, Purpose, Verdict, Worklist, WorklistItem
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.plant import plant_for_worklist
from tests.rows import add_consent

BEGAN = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
PASSWORD = "a long enough password"
PAGE = 12
CONTROLS = 12  # of each kind
COMMENTS = ("The rim is open towards the cortex.", "Ventricles cross the midline.", "Noise stops at the skull.")


@dataclass(frozen=True)
class Habit:
    """How somebody reads: the chance that what is said is right, how often they are unsure, and their pace."""

    name: str
    right: float
    unsure: float
    median_s: float


PEOPLE = (
    Habit("dr-okafor", right=0.92, unsure=0.03, median_s=3.1),
    Habit("dr-lindqvist", right=0.86, unsure=0.06, median_s=4.4),
    Habit("dr-marin", right=0.78, unsure=0.04, median_s=2.2),
)


def live_in(project: Project) -> None:
    """Three readers read the candidates: once with controls among them, once partly in a grid."""
    with project.database.write() as session:
        for habit in PEOPLE:
            reader = add_reader(session, project.chain, BEGAN, habit.name, PASSWORD)
            add_consent(session, project.chain, reader.id)
        add_reader(session, project.chain, BEGAN, "dr-haas", PASSWORD, role=Role.ADJUDICATOR, must_change_password=True)
    controls = {"real_controls": CONTROLS, "defect_controls": CONTROLS, "repeat_share": 0.1}
    names = tuple(habit.name for habit in PEOPLE)
    first = _worklist(
        project, name="First-reading", readers_per_image=2, rule="unanimous", readers=names, grid=False, **controls
    )
    read_by_people(project, first)
    second = _worklist(project, name="Second-reading", readers_per_image=2, rule="adjudicated", readers=names)
    for number, habit in enumerate(PEOPLE):
        _read(project, second, habit, number, until=4 * PAGE, grid=number == 2)
    with project.database.write() as session:
        for name, worklist_id in (("First-reading", first), ("Second-reading", second)):
            close_worklist(session, project.chain, BEGAN + timedelta(days=2), name)
            recompute_outcomes(session, worklist_id)


def read_by_people(project: Project, worklist_id: int) -> None:
    """All that is left of a worklist is read by the three, one after another."""
    for number, habit in enumerate(PEOPLE):
        _read(project, worklist_id, habit, number, until=None)


def _worklist(project: Project, **fields: object) -> int:
    recipe = WorklistRecipe.model_validate({"vocabulary": "brain_mr", "modality": "mr", "again": True, **fields})
    plant_for_worklist(project.database, project.store, project.chain, BEGAN, recipe, silent)
    with project.database.write() as session:
        return create_worklist(session, project.chain, BEGAN, recipe).id


def _read(project: Project, worklist_id: int, habit: Habit, number: int, until: int | None, grid: bool = False) -> None:
    """Read page by page, until nothing is left or `until` images are read."""
    random = np.random.default_rng((number, worklist_id))
    clock, done = BEGAN + timedelta(days=number % 2, hours=number), 0
    with project.database.read() as session:
        reader_id = find_reader(session, habit.name).id
    while until is None or done < until:
        with project.database.write() as session:
            assigned = claim(session, clock, reader_id, worklist_id, PAGE, "grid" if grid else "single")
            page_id = uuid.UUID(bytes=random.bytes(16)).hex if grid else None
            for item in assigned:
                seconds = float(random.lognormal(np.log(habit.median_s), 0.5))
                clock += timedelta(seconds=seconds)
                verdict = _said(session, habit, item.key, random)
                record_reading(
                    session,
                    project.chain,
                    clock,
                    reader_id,
                    ReadingRequest(
                        op_id=uuid.UUID(bytes=random.bytes(16)).hex,
                        assignment_key=item.key,
                        elapsed_ms=int(1000 * seconds),
                        mode="grid" if grid else "single",
                        page_id=page_id,
                        read_at=clock,
                        **verdict,
                    ),
                )
        if not assigned:
            return
        done += len(assigned)


def _said(session: Session, habit: Habit, key: str, random: np.random.Generator) -> dict[str, object]:
    """A verdict with its reason, and now and then a place and a comment, as this reader would give them."""
    item, worklist, image = session.execute(
        select(WorklistItem, Worklist, Image)
        .join(Assignment, Assignment.item_id == WorklistItem.id)
        .join(Worklist, Worklist.id == WorklistItem.worklist_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(Assignment.key == key)
    ).one()
    if random.random() < habit.unsure:
        return {"verdict": Verdict.UNSURE}
    # The same candidates are poor for everybody.
    poor = item.purpose is Purpose.DEFECT_CONTROL or (item.purpose is Purpose.CANDIDATE and image.id % 10 < 3)
    if (random.random() < habit.right) != poor:
        return {"verdict": Verdict.ACCEPT}
    codes = [reason["code"] for reason in worklist.reasons]
    verdict: dict[str, object] = {"verdict": Verdict.REJECT, "reasons": (codes[(image.id + random.integers(2)) % 5],)}
    if random.random() < 0.25:
        verdict["mark"] = {"kind": "point", "x": float(random.uniform(20, 44)), "y": float(random.uniform(20, 44))}
        verdict["comment"] = str(random.choice(COMMENTS))
    return verdict
