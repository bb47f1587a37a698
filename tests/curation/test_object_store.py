"""Import, verify, backup and snapshots keep their promises with images in a directory and on S3 alike."""

from pathlib import Path

import fsspec
import pytest
from sqlalchemy import select

from curation.backup.create import back_up
from curation.backup.restore import Places, restore
from curation.errors import Unavailable
from curation.image_store import file_name
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Image, Import, Split
from curation.verification.snapshot_folders import verify_folder
from curation.verification.verify import verify_project
from tests.object_store import new_bucket
from tests.rows import NOW, picture


@pytest.fixture
def imported(stored_project: Project) -> Project:
    splits = (Split.TRAIN, Split.VALIDATION, Split.TEST)
    items = [
        IncomingImage(f"{n}.png", picture(n), ("normal", "lesion")[n // 3 % 2], f"p{n}", splits[n % 3])
        for n in range(12)
    ]
    assert import_source(stored_project, NOW, Source("twelve", "twelve", items, 12)).added == 12
    return stored_project


def test_an_import_is_whole_and_verified(imported: Project) -> None:
    verification = verify_project(imported, silent, pixels=True)
    assert (verification.files, verification.faults, verification.orphans) == (12, [], [])


@pytest.mark.slow
def test_missing_altered_and_orphan_files_are_found(imported: Project) -> None:
    with imported.database.read() as session:
        lost, altered = session.scalars(select(Image.file_sha256).limit(2)).all()
    system, root = fsspec.core.url_to_fs(imported.store.url)
    system.rm_file(f"{root}/{file_name(lost)}")
    system.pipe_file(f"{root}/{file_name(altered)}", b"altered")
    orphan = imported.store.put_pixels(picture(99))
    verification = verify_project(imported, silent)
    assert sorted(fault.split(": ")[1] for fault in verification.faults) == [
        "its bytes were changed",
        "the file is missing",
    ]
    assert verification.orphans == [file_name(orphan)]
    assert verify_project(imported, silent, sample=12).faults != []


@pytest.mark.slow
def test_what_is_removed_is_gone_and_removing_it_again_is_harmless(imported: Project) -> None:
    digest = imported.store.put_pixels(picture(99))
    assert imported.store.remove(digest)
    assert not imported.store.remove(digest)
    assert verify_project(imported, silent).orphans == []


@pytest.mark.slow
def test_an_import_that_broke_off_is_taken_up_again(imported: Project) -> None:
    class PowerCut(Exception):
        pass

    def until_the_cut() -> object:
        for number in range(20, 30):
            if number == 25:
                raise PowerCut
            yield IncomingImage(f"{number}.png", picture(number), "normal", f"p{number}", Split.TRAIN)

    with pytest.raises(PowerCut):
        import_source(imported, NOW, Source("more", "more", until_the_cut(), 10))  # type: ignore[arg-type]
    verification = verify_project(imported, silent)
    assert (verification.faults, verification.orphans) == ([], [])  # what had been stored went with it
    items = [IncomingImage(f"{n}.png", picture(n), "normal", f"p{n}", Split.TRAIN) for n in range(20, 30)]
    assert import_source(imported, NOW, Source("more", "more", items, 10)).added == 10
    assert verify_project(imported, silent, pixels=True).orphans == []


@pytest.mark.slow
def test_a_snapshot_is_built_from_it(imported: Project) -> None:
    folder = build_snapshot(imported, "first", MixRecipe(synthetic="none"), NOW, silent)
    assert verify_folder(folder, silent) == []
    assert verify_project(imported, silent).faults == []


@pytest.mark.slow
def test_a_backup_of_it_comes_back_into_a_directory_or_a_bucket(imported: Project, tmp_path: Path) -> None:
    assert back_up(imported, tmp_path / "kept", NOW, silent).images == 12
    secrets = imported.root / "secrets"
    url = new_bucket() if imported.store.url.startswith("s3") else "store"
    restore(tmp_path / "kept", None, tmp_path / "again", Places(store_url=url, secrets=secrets), NOW, silent)
    restored = Project.open(tmp_path / "again")
    assert verify_project(restored, silent, pixels=True).faults == []
    restored.database.dispose()


@pytest.mark.slow
def test_a_store_that_is_gone_is_not_taken_for_an_empty_one(imported: Project) -> None:
    system, root = fsspec.core.url_to_fs(imported.store.url)
    if not imported.store.url.startswith("s3"):
        system.rm(root, recursive=True)
        store, *files = verify_project(imported, silent).faults
        assert "is empty or missing" in store
        assert len(files) == 12
        return
    system.rm(root.split("/")[0], recursive=True)
    [fault] = [
        fault for fault in verify_project(imported, silent).faults if fault.startswith("files cannot be checked")
    ]
    assert "there is no bucket" in fault
    items = [IncomingImage("n.png", picture(70), "normal", "q", Split.TRAIN)]
    with pytest.raises(Unavailable, match="bucket"):
        import_source(imported, NOW, Source("late", "late", items, 1))
    with imported.database.read() as session:
        assert session.scalars(select(Import.id).where(Import.source == "late", Import.status == "ready")).all() == []
