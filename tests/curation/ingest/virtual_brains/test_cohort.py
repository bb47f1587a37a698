"""The cohort comes in with its own splits, masks and spacing; more subjects later add only those."""

import pytest
from sqlalchemy import select

from curation.errors import BadInput
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import NOTICE, SHIPPED_RANGE, render, split_of
from curation.project import Project
from curation.tables.images import Image, Import, Mask
from tests.rows import NOW


@pytest.mark.slow
def test_each_subject_has_its_picture_its_fixed_split_and_a_mask_where_there_is_a_lesion(project: Project) -> None:
    report = import_virtual_brains(project, NOW, 12)
    assert (report.added, report.subjects_known, report.notice) == (12, True, NOTICE)
    with project.database.read() as session:
        images = session.scalars(select(Image)).all()
        masks = {mask.image_id: mask for mask in session.scalars(select(Mask))}
        for image in images:
            assert image.subject is not None
            number = int(image.subject.key.removeprefix("vb-"))
            drawn = render(number)
            assert image.subject.split == split_of(number)
            assert image.labels[0].label.name == drawn.label
            assert image.spacing_row_mm == drawn.spacing_mm
            assert (project.store.pixels(image.file_sha256)[:, :, 0] == drawn.pixels).all()
            assert (image.id in masks) == (drawn.label != "normal")
            if image.id in masks:
                assert (project.store.pixels(masks[image.id].file_sha256)[:, :, 0] == drawn.mask).all()
        assert session.scalars(select(Import.notice)).one() == NOTICE


def test_asking_for_more_draws_only_those_that_are_missing(project: Project) -> None:
    import_virtual_brains(project, NOW, 6)
    report = import_virtual_brains(project, NOW, 8)
    assert (report.added, report.already) == (2, 6)
    report = import_virtual_brains(project, NOW, 5)
    assert (report.added, report.already) == (0, 5)
    assert import_virtual_brains(project, NOW, 8).repeated


@pytest.mark.parametrize(("count", "first"), [(0, 0), (1, SHIPPED_RANGE.start), (2, SHIPPED_RANGE.start - 1), (1, -1)])
def test_no_subjects_and_those_kept_for_the_shipped_weights_are_refused(
    project: Project, count: int, first: int
) -> None:
    with pytest.raises(BadInput):
        import_virtual_brains(project, NOW, count, first=first)
