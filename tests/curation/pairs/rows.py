"""A project with suspects beside real training images, and people of the privacy role."""

from sqlalchemy.orm import Session

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Origin, Split, Subject
from curation.tables.people import Role
from tests.builders import oval
from tests.rows import NOW, add_batch, add_generator, add_image, add_import, label_id


def add_training(
    project: Project, session: Session, subjects: int, images_each: int, known: bool = True
) -> list[Image]:
    """`images_each` real training images of each of `subjects`, of classes a and b by turns."""
    source = add_import(session, known=known)
    images = []
    for number in range(subjects):
        subject = Subject(key=f"s{number}", split=Split.TRAIN, known=known)
        session.add(subject)
        session.flush()
        for image_number in range(images_each):
            columns = {"origin": Origin.REAL, "import_id": source.id, "subject_id": subject.id}
            image = add_image(project, session, oval(number * 10 + image_number, size=16), **columns)
            label = label_id(session, "ab"[number % 2])
            session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0))
            images.append(image)
    session.flush()
    return images


def add_suspects(project: Project, session: Session, near: list[Image], blocked: int) -> list[Image]:
    """One candidate near each of `near`: the first ones blocked by the pixel gate, the others flagged."""
    batch = add_batch(project, session, add_generator(session, "g", (), ()), ["a"] * len(near))
    screening = Screening(
        batch_id=batch[0].batch_id, parameters={}, parameters_digest="0" * 64, status=BuildStatus.READY, created_at=NOW
    )
    session.add(screening)
    session.flush()
    for number, (image, real) in enumerate(zip(batch, near, strict=True)):
        verdict = ScreeningVerdict.BLOCK if number < blocked else ScreeningVerdict.FLAG
        neighbours = [{"image_id": real.id, "distance": 0.01, "by": "pixels"}]
        session.add(ScreenedImage(screening_id=screening.id, image_id=image.id, verdict=verdict, neighbours=neighbours))
        session.add(
            ScreeningCheck(
                screening_id=screening.id, image_id=image.id, name="near_copy_pixels", value=0.01, threshold="x",
                verdict=verdict,
            )
        )  # fmt: skip
    session.flush()
    return batch


def add_judge(project: Project, session: Session, name: str = "petra") -> int:
    """A person of the privacy role."""
    return add_reader(session, project.chain, NOW, name, "a long enough password", role=Role.PRIVACY).id
