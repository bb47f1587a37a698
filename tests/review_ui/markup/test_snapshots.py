"""The page of snapshots says which are stale and why, and lets no text of the database become markup."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot, list_snapshots
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.tables.generation import Batch, ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, Label
from curation.tables.people import Reader
from review_ui.markup.snapshots import preview_sections, snapshot_table
from tests.curation.snapshots.filled import approve, fill
from tests.curation.snapshots.mixes import ReadingSpec, Synthetic, write_mix
from tests.curation.snapshots.test_choice import REAL
from tests.rows import NOW


@pytest.fixture
def mixed(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Project]:
    """A project with approved images and nothing else: the room of these tests has worklists of its own."""
    made = make_project(tmp_path / "mixed")
    fill(made)
    yield made
    made.database.dispose()


def test_the_list_says_which_are_stale_and_why(mixed: Project) -> None:
    with mixed.database.read() as session:
        assert "None yet" in snapshot_table(list_snapshots(session))
    for name, synthetic in (("first", "approved"), ("real", "none")):
        build_snapshot(mixed, name, MixRecipe.model_validate({"synthetic": synthetic}), NOW, silent)
    with mixed.database.write() as session:
        approve(session, list(session.scalars(select(Image).where(Image.batch_index == 7))), "second")
    with mixed.database.read() as session:
        table = snapshot_table(list_snapshots(session))
    assert table.index("real") < table.index("first")
    assert table.count("stale<small>outcomes have changed since") == 1
    assert "13 train, 3 validation, 3 test" in table


def test_a_preview_shows_every_part_and_escapes_names(mixed: Project) -> None:
    with mixed.database.write() as session:
        session.scalars(select(Reader)).one().name = "<b>ada</b>"
        session.scalars(select(Label).where(Label.name == "a")).one().name = "<i>a</i>"
    with mixed.database.read() as session:
        shown = preview_sections(preview_snapshot(session, MixRecipe(max_ratio=0.3)))
    for words in (
        "By class",
        "What approvals rest on",
        "Left out",
        "Unknown: screening stored no neighbours of these images.",
        "SIMULATED",
        "&lt;b&gt;ada&lt;/b&gt;",
        "Short of 6",
    ):
        assert words in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    with mixed.database.read() as session:
        refused = preview_sections(preview_snapshot(session, MixRecipe(min_agreement=1.0)))
    assert "A build is refused" in refused


def test_a_preview_counts_what_screening_leaves_out_by_class(mixed: Project) -> None:
    said = {0: ScreeningVerdict.PASS, 1: ScreeningVerdict.BLOCK, 2: ScreeningVerdict.FLAG}
    with mixed.database.write() as session:
        images = session.scalars(select(Image).where(Image.batch_index.in_(said)))
        chosen = {image.id: said[image.batch_index or 0] for image in images}
        batch_id = session.scalars(select(Batch.id)).one()
        details = {"parameters": {}, "parameters_digest": "2" * 64, "status": BuildStatus.READY, "created_at": NOW}
        screening = Screening(batch_id=batch_id, **details)
        session.add(screening)
        session.flush()
        rows = [
            ScreenedImage(screening_id=screening.id, image_id=key, verdict=chosen[key], neighbours=[]) for key in chosen
        ]
        session.add_all(rows)
    recipe = MixRecipe.model_validate({"synthetic": "raw", "screening": {"admit": "pass"}})
    with mixed.database.read() as session:
        shown = preview_sections(preview_snapshot(session, recipe))
    assert "No worklist takes, by default" in shown
    assert "<th>A</th><td>1</td><td>1</td><td>0</td><td>0</td><td>3</td>" in shown  # two were not screened
    assert "<th>B</th><td>0</td><td>0</td><td>1</td><td>1</td><td>4</td>" in shown
    assert "A worklist takes what passed or was flagged: that leaves out 1 of 1 b." in shown


def test_a_preview_counts_corrections_that_the_mix_ignores(
    tmp_path: Path, make_project: Callable[[Path], Project]
) -> None:
    project = make_project(tmp_path / "corrected")
    write_mix(project, [*REAL, Synthetic(11, "a", readings=(ReadingSpec(label="b"),))])
    shown = {}
    with project.database.read() as session:
        for corrected_labels in (False, True):
            preview = preview_snapshot(session, MixRecipe(corrected_labels=corrected_labels))
            shown[corrected_labels] = "against a correction</th>" in preview_sections(preview)
    project.database.dispose()
    assert shown == {False: True, True: False}


def test_a_preview_of_images_on_several_scales_says_so(mixed: Project) -> None:
    with mixed.database.write() as session:
        session.scalars(select(Image).where(Image.import_id.is_not(None))).first().rescale_slope = 0.5  # type: ignore[union-attr]
    with mixed.database.read() as session:
        shown = preview_sections(preview_snapshot(session, MixRecipe()))
    assert "The stored values of these real images are on 2 scales" in shown
    assert "1 with value = 0.5 x stored." in shown
    assert "--window CENTRE:WIDTH" in shown
