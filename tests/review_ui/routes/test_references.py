"""Reference images: keys by class for who may read the worklist, raw pixels, and nothing by guessing."""

import pytest

from curation.image_store import Pixels
from curation.project import Project
from curation.tables.images import ImageLabel, Origin, Split, Subject
from curation.worklists.manage import set_readers
from tests.builders import oval
from tests.review_ui.conftest import Browser
from tests.rows import NOW, add_image, add_import, label_id


@pytest.fixture
def training(project: Project) -> dict[str, Pixels]:
    """One real training image and one of validation, of the candidates' shape; pixels by split."""
    pictures = {"train": oval(901), "validation": oval(902)}
    with project.database.write() as session:
        source = add_import(session)
        for split, pixels in pictures.items():
            subject = Subject(key=split, split=Split(split), known=True)
            session.add(subject)
            session.flush()
            columns = {"origin": Origin.REAL, "import_id": source.id, "subject_id": subject.id}
            image = add_image(project, session, pixels, **columns)
            label = label_id(session, "ring_lesion")
            session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0))
    return pictures


def listed(browser: Browser, worklist_id: int) -> dict[str, list[str]]:
    """Keys by class."""
    answer = browser.client.get(f"/rounds/api/worklists/{worklist_id}/references")
    assert answer.status_code == 200
    classes: dict[str, list[str]] = answer.json()["classes"]
    return classes


def test_training_images_come_by_class_and_pixel_for_pixel(
    ada: Browser, ben: Browser, worklist_id: int, training: dict[str, Pixels]
) -> None:
    classes = listed(ada, worklist_id)
    assert classes == listed(ben, worklist_id)
    ((name, keys),) = classes.items()
    assert (name, len(keys)) == ("ring_lesion", 1)
    answer = ben.client.get(f"/rounds/references/{keys[0]}")
    assert answer.content == training["train"].tobytes()
    assert (answer.headers["x-rounds-shape"], answer.headers["x-rounds-bits"]) == ("64,64,1", "8")
    assert "no-store" in answer.headers["cache-control"]


def test_only_readers_of_the_worklist_get_them(
    ada: Browser, ben: Browser, stranger: Browser, project: Project, worklist_id: int, training: dict[str, Pixels]
) -> None:
    ((key,),) = listed(ben, worklist_id).values()
    with project.database.write() as session:
        set_readers(session, project.chain, NOW, "first", ["ada"])
    assert listed(ada, worklist_id)
    for path in (f"/rounds/api/worklists/{worklist_id}/references", f"/rounds/references/{key}"):
        assert ben.client.get(path).status_code == 403
        assert stranger.client.get(path).status_code == 401


@pytest.mark.parametrize("key", ["0" * 32, "1", "1-", "-", "1-" + "0" * 32, "²-x", "9" * 30 + "-x", "..%2f..%2fx"])
def test_a_guessed_key_finds_nothing(ada: Browser, training: dict[str, Pixels], key: str) -> None:
    assert ada.client.get(f"/rounds/references/{key}").status_code == 404


def test_a_worklist_that_is_not_there_has_no_references(ada: Browser) -> None:
    assert ada.client.get("/rounds/api/worklists/999/references").status_code == 404
