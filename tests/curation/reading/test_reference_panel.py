"""The reference panel shows real training images of one class, the same every time."""

from collections import Counter
from dataclasses import dataclass

import pytest
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import NotAllowed, NotFound
from curation.reading.recipe import WorklistRecipe
from curation.reading.reference_panel import PER_CLASS, check_may_see_references, choose_references
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Origin, Split, Subject
from curation.tables.people import Reader
from curation.tables.reading import Purpose, Worklist, WorklistItem, WorklistKind
from curation.worklists.create import create_worklist
from curation.worklists.manage import set_readers
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened
from tests.rows import label_id

SECRET = b"s" * 32


@dataclass
class Cohort:
    """Real images without files, numbered as they come."""

    session: Session
    source: Import
    made: int = 0

    def add(self, *labels: str, split: Split = Split.TRAIN, **columns: object) -> Image:
        """One real image of its own subject."""
        self.made += 1
        digest = f"real{self.made:060d}"
        subject = Subject(key=f"s{self.made}", split=split, known=True)
        self.session.add(subject)
        self.session.flush()
        geometry = {"height": 8, "width": 8, "channels": 1, "bits": 8, "pixel_sha256": digest, **columns}
        image = Image(
            origin=Origin.REAL,
            import_id=self.source.id,
            subject_id=subject.id,
            file_sha256=digest,
            created_at=NOON,
            **geometry,
        )
        self.session.add(image)
        self.session.flush()
        for label in labels:
            label_values = {"label_id": label_id(self.session, label), "source": "import", "value": 1.0}
            self.session.add(ImageLabel(image_id=image.id, **label_values))
        self.session.flush()
        return image


def room(session: Session) -> tuple[Cohort, Worklist]:
    """A worklist over four candidates of 8x8, 8 bit, of classes a and b, and an empty import."""
    add_screened(session, 4)
    worklist = create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w"))
    source = Import(
        source="x",
        source_digest="9" * 64,
        status=BuildStatus.READY,
        subjects_known=True,
        report={},
        created_at=NOON,
    )
    session.add(source)
    session.flush()
    return Cohort(session, source), worklist


def shown(session: Session, worklist: Worklist) -> set[str]:
    """Digests of the references."""
    return {reference.file_sha256 for reference in choose_references(session, SECRET, worklist)}


def test_only_training_images_are_shown(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        image = cohort.add("a")
        for split in (Split.VALIDATION, Split.TEST, Split.RESERVE):
            cohort.add("a", split=split)
        assert shown(session, worklist) == {image.file_sha256}


def test_only_whole_imports_single_labels_and_the_items_shape_count(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        image = cohort.add("a")
        cohort.add("a", "b")
        cohort.add()
        cohort.add("a", height=16)
        cohort.add("a", channels=3)
        cohort.add("a", bits=16)
        assert shown(session, worklist) == {image.file_sha256}
        cohort.source.status = BuildStatus.BUILDING
        session.flush()
        assert shown(session, worklist) == set()


def test_at_most_eight_of_a_class_and_the_same_ones_whatever_comes_after_in_other_classes(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        for _ in range(20):
            cohort.add("a")
        first = choose_references(session, SECRET, worklist)
        for _ in range(3):
            cohort.add("b")
        then = choose_references(session, SECRET, worklist)
    assert Counter(reference.label for reference in then) == {"a": PER_CLASS, "b": 3}
    assert [image for image in then if image.label == "a"] == first


def test_two_copies_of_one_image_are_shown_once(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        cohort.add("a", pixel_sha256="c" * 64)
        cohort.add("a", pixel_sha256="c" * 64)
        assert len(shown(session, worklist)) == 1


def test_what_a_reader_meets_in_practice_is_not_shown_beside_it(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        met, original, other = cohort.add("a"), cohort.add("a"), cohort.add("a")
        altered = Image(
            origin=Origin.ALTERED,
            altered_from_id=original.id,
            file_sha256="d" * 64,
            pixel_sha256="d" * 64,
            height=8,
            width=8,
            channels=1,
            bits=8,
            created_at=NOON,
        )
        practice = Worklist(
            name="practice",
            kind=WorklistKind.PRACTICE,
            practice_for_id=worklist.id,
            status=BuildStatus.READY,
            question="?",
            label_shown=True,
            readers_per_image=1,
            rule=worklist.rule,
            classes=worklist.classes,
            reasons=[],
            recipe={},
            size=2,
            created_at=NOON,
        )
        session.add_all([altered, practice])
        session.flush()
        for position, (image, purpose) in enumerate(((met, Purpose.REAL_CONTROL), (altered, Purpose.DEFECT_CONTROL))):
            session.add(WorklistItem(worklist_id=practice.id, image_id=image.id, purpose=purpose, position=position))
        session.flush()
        assert shown(session, worklist) == shown(session, practice) == {other.file_sha256}


def test_keys_say_nothing_without_the_secret_and_differ_between_worklists(database: Database) -> None:
    with database.write() as session:
        cohort, worklist = room(session)
        cohort.add("a")
        again = create_worklist(session, CHAIN, NOON, WorklistRecipe(name="again", again=True))
        (image,) = choose_references(session, SECRET, worklist)
        (other,) = choose_references(session, b"t" * 32, worklist)
        (elsewhere,) = choose_references(session, SECRET, again)
    assert len({key.partition("-")[2] for key in (image.key, other.key, elsewhere.key)}) == 3


def test_only_who_may_read_the_worklist_sees_its_references(database: Database) -> None:
    with database.write() as session:
        _, worklist = room(session)
        ada, ben = add_person(session, "ada"), add_person(session, "ben")
        check_may_see_references(session, worklist.id, ben)
        set_readers(session, CHAIN, NOON, worklist.name, [session.get_one(Reader, ada).name])
        check_may_see_references(session, worklist.id, ada)
        with pytest.raises(NotAllowed):
            check_may_see_references(session, worklist.id, ben)
        with pytest.raises(NotFound):
            check_may_see_references(session, worklist.id + 1000, ada)
