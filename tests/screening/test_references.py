"""References are real images of training or validation subjects of one shape, never of test."""

import pytest

from curation.project import Project
from curation.tables.images import BuildStatus, ImageLabel, Import, Split
from screening.references import real_references
from tests.rows import add_import, label_id
from tests.screening.cohort import add_person

SHAPE = (64, 64, 1, 8)


def test_each_split_gives_its_own_subjects_with_their_class(project: Project) -> None:
    with project.database.write() as session:
        source = add_import(session)
        images = {split: add_person(project, session, source, number, split) for number, split in enumerate(Split)}
        for number, split in enumerate((Split.TRAIN, Split.VALIDATION)):
            [reference] = real_references(session, split, SHAPE)
            assert (reference.image_id, reference.subject_id) == (images[split].id, images[split].subject_id)
            assert reference.label == ("normal", "bright")[number]
        with pytest.raises(ValueError, match="not test"):
            real_references(session, Split.TEST, SHAPE)


def test_an_image_of_two_classes_counts_once_and_has_no_class(project: Project) -> None:
    with project.database.write() as session:
        image = add_person(project, session, add_import(session), 1, Split.TRAIN)
        session.add(ImageLabel(image_id=image.id, label_id=label_id(session, "other"), source="import", value=1.0))
        session.add(ImageLabel(image_id=image.id, label_id=label_id(session, "absent"), source="import", value=0.0))
        session.flush()
        [reference] = real_references(session, Split.TRAIN, SHAPE)
        assert reference.label is None


def test_another_shape_and_an_unfinished_import_are_left_out(project: Project) -> None:
    with project.database.write() as session:
        source = add_import(session)
        add_person(project, session, source, 1, Split.TRAIN)
        assert real_references(session, Split.TRAIN, (64, 64, 1, 16)) == []
        session.get_one(Import, source.id).status = BuildStatus.BUILDING
        session.flush()
        assert real_references(session, Split.TRAIN, SHAPE) == []


def test_a_picture_that_two_subjects_share_is_one_reference(project: Project) -> None:
    with project.database.write() as session:
        source = add_import(session)
        first = add_person(project, session, source, 1, Split.TRAIN)
        other = add_person(project, session, source, 2, Split.TRAIN)
        other.file_sha256, other.pixel_sha256 = first.file_sha256, first.pixel_sha256
        session.flush()
        assert [reference.image_id for reference in real_references(session, Split.TRAIN, SHAPE)] == [first.id]
