"""A place whose disk is away is told and never made anew: what is written there would be hidden."""

import shutil

import pytest

from curation.errors import NotFound, Unavailable
from curation.image_store import MARKER, ImageStore
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.tables.images import Split
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.rows import NOW, add_generator, picture


def bring(project: Project) -> None:
    """Import one picture."""
    items = [IncomingImage("1.png", picture(1), "normal", "p1", Split.TRAIN)]
    import_source(project, NOW, Source("one", "one picture", items, 1))


@pytest.mark.parametrize("left", ["an empty directory", "nothing"])
def test_a_store_that_is_gone_takes_no_image(project: Project, left: str) -> None:
    place = project.root / "store"
    assert (place / MARKER).is_file()
    shutil.rmtree(place)
    if left != "nothing":
        place.mkdir()
    with pytest.raises(Unavailable, match=r"is its disk mounted\? Mount it, or correct store_url"):
        ImageStore(str(place)).put_pixels(picture(1))
    assert not place.exists() or not list(place.iterdir())


def test_a_store_that_vanishes_under_a_running_process_takes_no_image(project: Project) -> None:
    project.store.put_pixels(picture(1))
    shutil.move(project.root / "store", project.root / "away")
    (project.root / "store").mkdir()
    with pytest.raises(Unavailable, match="is its disk mounted"):
        project.store.put_pixels(picture(2))
    shutil.rmtree(project.root / "store")
    shutil.move(project.root / "away", project.root / "store")
    project.store.check(project.store.put_pixels(picture(2)))


def test_a_store_of_an_earlier_version_is_known_by_its_images(project: Project) -> None:
    project.store.put_pixels(picture(1))
    (project.root / "store" / MARKER).unlink()
    ImageStore(str(project.root / "store")).put_pixels(picture(2))


def test_init_makes_the_store_of_a_project_without_images_and_of_no_other(project: Project) -> None:
    shutil.rmtree(project.root / "store")
    open_or_make_project(project.root)
    assert (project.root / "store" / MARKER).is_file()
    bring(project)
    shutil.rmtree(project.root / "store")
    with pytest.raises(Unavailable, match="is its disk mounted"):
        open_or_make_project(project.root)
    assert not (project.root / "store").exists()


def test_an_image_of_a_store_that_is_gone_is_told_with_the_store(project: Project) -> None:
    digest = project.store.put_pixels(picture(1))
    shutil.rmtree(project.root / "store")
    with pytest.raises(NotFound, match="is its disk mounted"):
        project.store.content(digest)


def test_verify_names_the_store_that_is_gone_before_its_images(project: Project) -> None:
    bring(project)
    shutil.rmtree(project.root / "store")
    assert "is its disk mounted" in verify_project(project, silent).faults[0]


def test_nothing_is_withdrawn_while_the_store_is_away(project: Project) -> None:
    bring(project)
    shutil.move(project.root / "store", project.root / "away")
    with pytest.raises(Unavailable, match="is its disk mounted"):
        withdraw(project, NOW, "p1", "asked")
    shutil.move(project.root / "away", project.root / "store")
    assert withdraw(project, NOW, "p1", "asked").removed.files == 1


@pytest.mark.parametrize("left", ["an empty directory", "nothing", "a link to nowhere"])
def test_a_folder_whose_things_are_gone_is_not_made_anew(project: Project, left: str) -> None:
    assert project.directory("generators").is_dir()
    with project.database.write() as session:
        add_generator(session, "g", (), ()).directory = "generators/g"
    if left != "an empty directory":
        (project.root / "generators").rmdir()
    if left == "a link to nowhere":
        (project.root / "generators").symlink_to(project.root / "nowhere")
    with pytest.raises(Unavailable, match=r"generators is empty or missing, and should hold 'g': is its disk mounted"):
        project.directory("generators")
    (project.root / "nowhere").mkdir()
    (project.root / ("nowhere" if left == "a link to nowhere" else "generators") / "g").mkdir(parents=True)
    assert project.directory("generators").is_dir()
