"""What screening said is counted by class, and so is what a worklist leaves out by default."""

from curation.project import Project
from curation.tables.generation import ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, Image
from curation.worklists.admitted import count_screened
from tests.rows import NOW, add_batch, add_generator

PASS, FLAG, BLOCK = ScreeningVerdict.PASS, ScreeningVerdict.FLAG, ScreeningVerdict.BLOCK


def screen(project: Project, verdicts: list[tuple[str, ScreeningVerdict]], number: int) -> int:
    """A batch of images, each with a verdict, screened before with all blocked; returns the id of the batch."""
    with project.database.write() as session:
        generator = add_generator(session, f"flow-{number}", (), ())
        images = add_batch(project, session, generator, [label for label, _ in verdicts], 1_000 * number)
        batch_id = images[0].batch_id
        assert batch_id is not None
        for digest, replaced in (("old", BLOCK), ("new", None)):
            ready = {"parameters": {}, "status": BuildStatus.READY, "created_at": NOW}
            screening = Screening(batch_id=batch_id, parameters_digest=digest, **ready)
            session.add(screening)
            session.flush()
            for image, (_, verdict) in zip(images, verdicts, strict=True):
                key = {"screening_id": screening.id, "image_id": image.id, "neighbours": []}
                session.add(ScreenedImage(**key, verdict=replaced or verdict))
        return batch_id


def test_the_newest_screening_is_counted_by_class_with_what_the_default_leaves_out(project: Project) -> None:
    first = screen(project, [("normal", PASS), ("normal", BLOCK), ("lesion", FLAG), ("lesion", PASS)], 1)
    screen(project, [("lesion", BLOCK), ("lesion", BLOCK)], 2)
    with project.database.read() as session:
        counted, everything = count_screened(session, Image.batch_id == first), count_screened(session)
    assert counted.record() == {
        "pass": 2,
        "flag": 1,
        "block": 1,
        "by_class": {"lesion": {"pass": 1, "flag": 1, "block": 0}, "normal": {"pass": 1, "flag": 0, "block": 1}},
        "left_out_by_default": {"lesion": 0, "normal": 1},
    }
    default = "a worklist takes what passed or was flagged: that leaves out"
    assert counted.lines() == {"pass": 2, "flag": 1, "block": 1, "default": f"{default} 1 of 2 normal"}
    assert everything.lines()["default"] == f"{default} 2 of 4 lesion, 1 of 2 normal"


def test_where_nothing_is_left_out_that_is_said(project: Project) -> None:
    screen(project, [("normal", PASS)], 1)
    with project.database.read() as session:
        assert count_screened(session).lines()["default"].endswith("leaves out none of these")
