"""A small screened batch and a measurement of the checks, as rows: no model is needed to show them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from curation.alterations.faults import ALL_FAULTS
from curation.project import Project
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, Import
from curation.tables.measures import CheckReport
from tests.rows import NOW
from tests.screening.cohort import TRAIN, add_cohort, add_drawn, person
from tests.worlds.shared import fill_from, make_once

PARAMETERS: dict[str, Any] = {
    "method": "screening/5",
    "backbone": "tiny-vit <b>bold",
    "backbone_digest": "0" * 64,
    "real_training_images": 2,
    "real_validation_images": 8,
    "earlier_batches": 0,
    "earlier_images": 0,
    "generator_images": 0,
    "generator_images_compared": 0,
    "ranges": {"brightness": {"flag_low": 0.1, "flag_high": 0.4, "block_low": 0.0, "block_high": 0.9}},
    "limits": {"manifold": {"not_set": "1 real validation images, 40 are needed"}},
    "real_values": {
        "brightness": {"n": 8, "quantiles": [0.1, 0.2, 0.2, 0.3, 0.4]},
        "manifold": {"n": 0, "quantiles": []},
    },
    "flags_on_validation": {"measured_on": 8, "any": 1, "any_95": [0.0, 0.5], "blocked": 0, "by_check": {}},
    "label_probe": {"not_set": "0 classes with 20 real training subjects, two are needed"},
    "near_copy_pixels": {"distance": 0.2},
    "duplicate_below": None,
}


def screened(project: Project) -> int:
    """Three candidates, of which the last copies the first training image; returns the screening's id."""
    real = add_cohort(project, train=TRAIN[:2], validation=range(1_000, 1_004))
    batch_id = add_drawn(project, [person(3_000), person(3_001), person(TRAIN[0])], name="drawn")
    with project.database.write() as session:
        session.scalars(select(Import)).one().notice = "SIMULATED for a test"
        images = session.scalars(select(Image).where(Image.batch_id == batch_id).order_by(Image.batch_index)).all()
        screening = Screening(
            batch_id=batch_id,
            parameters=PARAMETERS,
            parameters_digest="0" * 64,
            status=BuildStatus.READY,
            created_at=NOW,
        )
        session.add(screening)
        session.flush()
        for image, value, verdict in zip(images, (0.2, 0.5, 0.01), ("pass", "flag", "block"), strict=True):
            near = [{"image_id": real[TRAIN[0]], "distance": value, "by": by} for by in ("features", "pixels")]
            key = {"screening_id": screening.id, "image_id": image.id}
            session.add(ScreenedImage(**key, verdict=ScreeningVerdict(verdict), neighbours=near))
            checks = {
                "brightness": (value, "0.1 to 0.4", "flag" if verdict == "flag" else "pass"),
                "manifold": (-1.0, "not set: 1 real validation images, 40 are needed", "flag"),
                "near_copy_pixels": (value, "not below 0.2", "block" if verdict == "block" else "pass"),
            }
            for name, (measure, threshold, word) in checks.items():
                check = ScreeningCheck(
                    **key, name=name, value=measure, threshold=threshold, verdict=ScreeningVerdict(word)
                )
                session.add(check)
        return screening.id


def measured(project: Project, kind: str = "checks") -> int:
    """One measurement: four untouched images, one fault, one wrong label, one repeat; returns its id."""
    counts = {"n": 4, "caught": 2, "caught_95": [0.03, 0.9], "blocked": 1}
    rate = {**counts, "by_check": {"brightness": {"caught": 2, "caught_95": [0.03, 0.9], "blocked": 1}}}
    with project.database.write() as session:
        real = session.scalars(select(Image.id).order_by(Image.id)).first()
        example = {"image_id": real, "seed": 1, "verdict": "flag", "spoke": ["brightness"]}
        first = ALL_FAULTS[0]
        fault = {"kind": first.kind, "strength": first.strength, "unit": first.unit, "name": first.name}
        report = CheckReport(
            kind=kind,
            parameters={
                "backbone": "tiny-vit",
                "backbone_digest": "0" * 64,
                "real_validation_images": 4,
                "subjects": 4,
            },
            parameters_digest=f"{kind:0<64}",
            status=BuildStatus.READY,
            result={
                "untouched": {**rate, "by_class": {"normal": rate}},
                "planted": [{**fault, **rate, "examples": [example]}],
                "wrong_label": [{"kind": "wrong_label", "true": "normal", "asked": "bright", **rate}],
                "repeats": {"repeats": {"exact": counts}, "different people": counts},
                "label_probe": PARAMETERS["label_probe"],
            },
            created_at=NOW,
        )
        session.add(report)
        session.flush()
        return report.id


@pytest.fixture(scope="session")
def screened_world(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Path:
    """A project with the screened batch."""

    def make(root: Path) -> None:
        project = make_project(root)
        screened(project)
        project.database.dispose()

    return make_once(tmp_path_factory, "screened", make)


@pytest.fixture
def screening_id(project: Project, screened_world: Path) -> int:
    """Fill the test's project with the screened batch; returns the screening's id."""
    fill_from(project, screened_world)
    with project.database.read() as session:
        return session.scalars(select(Screening.id)).one()
