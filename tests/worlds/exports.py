"""A project whose snapshot has something of everything that an export contains."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.orm import Session

from curation.exports.options import ExportOptions, ExportSummary
from curation.exports.run import export_snapshot
from curation.progress import silent
from curation.project import Project
from curation.reading.outcomes import recompute_outcomes
from curation.reading.slots import slot_values
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import GeneratorPixels, GeneratorSubject
from curation.tables.images import BuildStatus, Image, ImageLabel, Mask, Origin, Split, Subject
from curation.tables.people import ReaderKind
from curation.tables.reading import Assignment, AssignmentState, Purpose, Reading, Verdict, Worklist, WorklistItem
from tests.builders import add_candidates, oval
from tests.curation.reading_room import add_person
from tests.operation_ids import new_op_id
from tests.rows import NOW, add_image, add_import, label_id
from tests.worlds.shared import make_once

SNAPSHOT = "mix"
SIZE = 24
READERS = ("Ada Lovelace", "Charles Babbage")
SUBJECT = "MRN4711-"  # what no export may hold
AFFINE = [[0.0, -0.5, 0.0, 10.0], [-0.7, 0.0, 0.0, 20.0], [0.0, 0.0, 2.0, -5.0], [0.0, 0.0, 0.0, 1.0]]
SYNTHETIC = 24
LATER = NOW + timedelta(days=1)
KINDS = {"gray8": (8, 1), "gray16": (16, 1), "rgb": (8, 3)}


def fill(project: Project, bits: int = 8, channels: int = 1, kind: ReaderKind = ReaderKind.HUMAN) -> None:
    """Sixteen real images and a batch of 24, read by two readers who disagree on four; a snapshot of what both took."""
    with project.database.write() as session:
        source = add_import(session, "fade")
        splits = [Split.TRAIN] * 8 + [Split.VALIDATION] * 4 + [Split.TEST] * 4
        for number, split in enumerate(splits):
            add_real(project, session, source.id, number, split, bits, channels)
        pictures = [oval(1_000 + number, SIZE, bits, channels) for number in range(SYNTHETIC)]
        labels = ["ab"[number % 2] for number in range(SYNTHETIC)]
        batch = add_candidates(project, session, pictures, labels, name="cafe")
        session.add(GeneratorSubject(generator_id=batch.generator_id, subject_key=f"{SUBJECT}900"))
        session.add(GeneratorPixels(generator_id=batch.generator_id, pixel_sha256="0" * 64))
        read_by_two(session, batch.id, kind)
    recipe = MixRecipe(seed=1)
    build_snapshot(project, SNAPSHOT, recipe, NOW, silent)


def add_real(
    project: Project, session: Session, import_id: int, number: int, split: Split, bits: int, channels: int
) -> None:
    """One CT-like image of its own subject, with everything that geometry can say; even ones have a mask."""
    subject = Subject(key=f"{SUBJECT}{number:03d}", split=split, known=True)
    session.add(subject)
    session.flush()
    image = add_image(
        project,
        session,
        oval(number, SIZE, bits, channels),
        origin=Origin.REAL,
        import_id=import_id,
        subject_id=subject.id,
        source_file=f"/mnt/scans/{SUBJECT}{number}.dcm",
        spacing_row_mm=0.7,
        spacing_column_mm=0.5,
        rescale_slope=2.0,
        rescale_intercept=-1024.0,
        signed_offset=8,
        modality="CT",
        window_center=40.0,
        window_width=400.0,
        affine=AFFINE,
    )
    label = label_id(session, "ab"[number % 2])
    session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0))
    if number % 2 == 0:
        mask = np.zeros((SIZE, SIZE, 1), np.uint8)
        mask[4:9, 5:12] = 1
        session.add(Mask(image_id=image.id, name="lesion", file_sha256=project.store.put_pixels(mask)))


def read_by_two(session: Session, batch_id: int, kind: ReaderKind) -> None:
    """Two readers accept all but the last four, on which the second rejects for its anatomy."""
    readers = [add_person(session, name, kind) for name in READERS]
    worklist = Worklist(
        name="first",
        status=BuildStatus.READY,
        question="Is this {label}?",
        label_shown=True,
        readers_per_image=2,
        rule={"kind": "unanimous", "readers": 2},
        classes=["a", "b"],
        reasons=[{"key": "1", "code": "anatomy", "text": "Anatomy implausible"}],
        recipe={},
        size=SYNTHETIC,
        created_at=NOW,
    )
    session.add(worklist)
    session.flush()
    images = session.query(Image.id).where(Image.batch_id == batch_id).order_by(Image.batch_index).all()
    for position, (image_id,) in enumerate(images):
        item = WorklistItem(worklist_id=worklist.id, image_id=image_id, purpose=Purpose.CANDIDATE, position=position)
        session.add(item)
        session.flush()
        for slot, reader in enumerate(readers):
            rejected = slot == 1 and position >= SYNTHETIC - 4
            done = slot_values(worklist.id, item.id, position, slot)
            assignment = Assignment(**done | {"state": AssignmentState.DONE, "reader_id": reader})
            session.add(assignment)
            session.flush()
            session.add(
                Reading(
                    op_id=new_op_id(),
                    assignment_id=assignment.id,
                    item_id=item.id,
                    reader_id=reader,
                    verdict=Verdict.REJECT if rejected else Verdict.ACCEPT,
                    reasons=["anatomy"] if rejected else [],
                    comment="seen by Ada" if rejected else None,
                    read_at=NOW,
                    created_at=NOW,
                )
            )
    session.flush()
    recompute_outcomes(session, worklist.id)


def export(project: Project, format: str, target: Path, **options: object) -> ExportSummary:
    """Export the snapshot a day later."""
    return export_snapshot(project, SNAPSHOT, format, target, ExportOptions.model_validate(options), LATER, silent)


@pytest.fixture(scope="session")
def export_worlds(
    tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]
) -> Callable[[str], Path]:
    """Makes the filled project of a kind of images."""

    def world(kind: str) -> Path:
        def make(root: Path) -> None:
            project = make_project(root)
            fill(project, *KINDS[kind])
            project.database.dispose()

        return make_once(tmp_path_factory, f"export-{kind}", make)

    return world


@pytest.fixture(scope="session")
def export_world(export_worlds: Callable[[str], Path]) -> Path:
    """The filled project of 8 bit gray images."""
    return export_worlds("gray8")
