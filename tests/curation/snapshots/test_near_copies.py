"""A snapshot says which of its held-out images look like an image that its training may use."""

import pytest
from sqlalchemy import delete

from curation.exports.facts.gaps import known_gaps
from curation.exports.facts.snapshot import gather_facts
from curation.exports.options import ExportOptions
from curation.exports.selection import select_images
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.tables.near_copies import NearCopySearch
from review_ui.markup.snapshots import preview_sections
from tests.curation.near_copies.scans import import_scans, leaky
from tests.rows import NOW

REAL_ONLY = MixRecipe(synthetic="none")


@pytest.fixture
def leaking(project: Project) -> Project:
    import_scans(project, leaky())
    return project


def subjects_named(folder: SnapshotFolder, split: str) -> set[str | None]:
    names = folder.near_copies(split)
    assert names is not None
    return {row.subject for row in folder.rows(split) if row.file_name in names}


def test_preview_and_build_name_the_near_copies_of_training_images(leaking: Project) -> None:
    with leaking.database.read() as session:
        preview = preview_snapshot(session, REAL_ONLY)
    assert preview.near_copies == {"validation": 1, "test": 1}
    assert "1 of 3" in preview_sections(preview)
    folder = build_snapshot(leaking, "first", REAL_ONLY, NOW, silent)
    assert (subjects_named(folder, "validation"), subjects_named(folder, "test")) == ({"v1"}, {"x2"})
    assert folder.digest == preview.digest


def test_reserve_images_count_where_they_are_trained_on(leaking: Project) -> None:
    recipe = REAL_ONLY.model_copy(update={"extra_real": "reserve"})
    with leaking.database.read() as session:
        assert preview_snapshot(session, recipe).near_copies == {"validation": 1, "test": 2}


def test_before_a_search_nothing_is_claimed(leaking: Project) -> None:
    with leaking.database.write() as session:
        session.execute(delete(NearCopySearch))
    with leaking.database.read() as session:
        preview = preview_snapshot(session, REAL_ONLY)
    assert preview.near_copies is None
    assert "rounds near-copies find" in preview_sections(preview)
    assert build_snapshot(leaking, "first", REAL_ONLY, NOW, silent).near_copies("test") is None


def test_a_data_set_card_lists_them_as_a_gap(leaking: Project) -> None:
    build_snapshot(leaking, "first", REAL_ONLY, NOW, silent)
    options = ExportOptions(include_real=True)
    gaps = known_gaps(gather_facts(select_images(leaking, "first", True), options, NOW))
    assert "1 test images look like a training image of another subject: figures on them flatter." in gaps
