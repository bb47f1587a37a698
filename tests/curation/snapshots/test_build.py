"""Snapshots: immutable, independent of insertion order, guarded, and folders that a stranger can use."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import datasets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from curation.errors import BadInput, Conflict, LeakRefused
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot, list_snapshots
from curation.snapshots.folder import SnapshotFolder, SnapshotRow, content_digest, export_folder
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Image, Import, Split
from curation.tables.operations import Event
from curation.tables.people import Reader
from curation.tables.reading import Verdict, Worklist, WorklistItem
from curation.verification.snapshot_folders import verify_folder
from tests.curation.snapshots.filled import REAL_ONLY, add_reading, approve, fill
from tests.rows import NOW, add_batch, add_generator, add_import, add_real


def origins(folder: SnapshotFolder) -> list[str]:
    """Origins of the training rows."""
    return sorted(row.origin for row in folder.rows("train"))


def test_real_images_keep_their_subjects_split(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "real", REAL_ONLY, NOW, silent)
    assert [len(folder.rows(split)) for split in ("train", "validation", "test")] == [9, 3, 3]
    assert folder.classes == ["a", "b"]
    assert folder.notice == "SIMULATED"
    assert verify_folder(folder, silent) == []


def test_equal_pictures_of_two_subjects_have_a_file_each(project: Project) -> None:
    fill(project)
    with project.database.write() as session:
        first = session.scalars(select(Image).where(Image.subject.has(split=Split.TRAIN))).first()
        assert first is not None
        twin = add_real(project, session, session.scalars(select(Import)).one(), 500, "a", Split.TRAIN)
        twin.pixel_sha256, twin.file_sha256 = first.pixel_sha256, first.file_sha256
    folder = build_snapshot(project, "twins", REAL_ONLY, NOW, silent)
    assert (
        len({row.file_name for row in folder.rows("train")}) == 10 == len(list((folder.path / "train").glob("*.png")))
    )
    assert verify_folder(folder, silent) == []


@pytest.mark.parametrize(("synthetic", "expected"), [("approved", 4), ("raw", 8), ("random", 4), ("none", 0)])
def test_each_kind_of_mix_adds_what_it_says(project: Project, synthetic: str, expected: int) -> None:
    fill(project)
    folder = build_snapshot(project, "mix", MixRecipe.model_validate({"synthetic": synthetic}), NOW, silent)
    assert origins(folder).count("synthetic") == expected
    assert all(row.origin == "real" for row in folder.rows("validation") + folder.rows("test"))


def test_extra_real_images_match_the_approved_count_per_class(project: Project) -> None:
    fill(project)
    for extra in ("duplicated", "reserve"):
        recipe = MixRecipe.model_validate({"synthetic": "none", "extra_real": extra})
        rows = build_snapshot(project, extra, recipe, NOW, silent).rows("train")
        assert len(rows) == 9 + 4
        assert len({row.file_name for row in rows}) == 13


def test_the_ratio_caps_synthetic_images_evenly_over_classes(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "capped", MixRecipe(synthetic="raw", max_ratio=0.45), NOW, silent)
    assert sorted(row.label for row in folder.rows("train") if row.origin == "synthetic") == ["a", "a", "b", "b"]


@pytest.mark.slow
def test_the_digest_does_not_depend_on_insertion_order(tmp_path: Path, make_project: Callable[[Path], Project]) -> None:
    digests = set()
    for number, order in enumerate((list, lambda numbers: numbers[::-1])):
        project = make_project(tmp_path / str(number))
        fill(project, order=order)
        digests.add(build_snapshot(project, "same", MixRecipe(synthetic="random", seed=3), NOW, silent).digest)
    assert len(digests) == 1


@pytest.mark.slow
def test_the_same_name_again_is_the_same_snapshot_and_other_content_is_refused(project: Project) -> None:
    fill(project)
    first = build_snapshot(project, "one", REAL_ONLY, NOW, silent)
    assert build_snapshot(project, "one", REAL_ONLY, NOW, silent).digest == first.digest
    with pytest.raises(Conflict, match="never change"):
        build_snapshot(project, "one", MixRecipe(synthetic="raw"), NOW, silent)
    with project.database.read() as session:
        assert len(list_snapshots(session)) == 1
        assert len(list(session.scalars(select(Event).where(Event.kind == "snapshot.built")))) == 1


@pytest.mark.parametrize("saw", ["s9", "s12"])
def test_a_mix_is_refused_when_its_generator_saw_a_held_out_subject(project: Project, saw: str) -> None:
    fill(project, generator_saw=saw)
    with pytest.raises(LeakRefused, match="gen"):
        build_snapshot(project, "leak", MixRecipe(synthetic="raw"), NOW, silent)
    assert not list(project.directory("snapshots").iterdir())
    build_snapshot(project, "fine", REAL_ONLY, NOW, silent)


def test_a_held_out_image_is_recognised_by_its_pixels_when_the_key_differs(project: Project) -> None:
    fill(project)
    with project.database.write() as session:
        held_out = session.scalars(select(Image.pixel_sha256).where(Image.subject.has(split=Split.TEST))).first()
        assert held_out is not None
        images = add_batch(project, session, add_generator(session, "other", (), (held_out,)), ["a"], 20_000)
        assert images
    with pytest.raises(LeakRefused, match="other"):
        build_snapshot(project, "leak", MixRecipe(synthetic="raw"), NOW, silent)


def test_unknown_provenance_is_refused_unless_allowed_and_then_printed(project: Project) -> None:
    fill(project)
    with project.database.write() as session:
        add_batch(project, session, add_generator(session, "unknown", (), ()), ["a"], 20_000)
    with pytest.raises(LeakRefused, match="allow-unknown-provenance"):
        build_snapshot(project, "mix", MixRecipe(synthetic="raw"), NOW, silent)
    folder = build_snapshot(project, "mix", MixRecipe(synthetic="raw", allow_unknown_provenance=True), NOW, silent)
    assert "UNKNOWN" in json.dumps(folder.lineage)


@pytest.mark.slow
def test_outcomes_that_contradict_each_other_refuse_the_build(project: Project) -> None:
    fill(project)
    with project.database.write() as session:
        approved = session.scalars(select(WorklistItem.image_id)).all()
        images = list(session.scalars(select(Image).where(Image.id.in_(approved))))
        approve(session, images, "second", Verdict.REJECT)
    with pytest.raises(Conflict, match="--worklist"):
        build_snapshot(project, "mix", MixRecipe(), NOW, silent)
    assert origins(build_snapshot(project, "mix", MixRecipe(worklists=("first",)), NOW, silent)).count("synthetic") == 4


def test_readings_of_people_are_counted_and_later_ones_make_the_snapshot_stale(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "mix", MixRecipe(worklists=("first",)), NOW, silent)
    readings = folder.lineage["readings"]
    assert (readings["human"], readings["proxy"], readings["readers"], len(readings["ids"])) == (4, 0, 1, 4)
    with project.database.read() as session:
        assert [summary.stale for summary in list_snapshots(session)] == [False]
    with project.database.write() as session:
        worklist = session.scalars(select(Worklist.id)).one()
        reader = session.scalars(select(Reader.id)).one()
        unread = session.scalars(select(Image.id).where(Image.batch_index == 7)).one()
        add_reading(session, worklist, unread, reader, 99, Verdict.ACCEPT)
    with project.database.read() as session:
        assert [summary.stale for summary in list_snapshots(session)] == [True]
    assert origins(SnapshotFolder.open(folder.path)).count("synthetic") == 4


def test_nothing_approved_says_what_to_do(project: Project) -> None:
    with project.database.write() as session:
        add_real(project, session, add_import(session), 0, "a", Split.TRAIN)
    with pytest.raises(BadInput, match="rounds review"):
        build_snapshot(project, "mix", MixRecipe(), NOW, silent)


@pytest.mark.slow
def test_stock_datasets_opens_the_exported_folder(project: Project, tmp_path: Path) -> None:
    fill(project)
    target = export_folder(build_snapshot(project, "mix", MixRecipe(), NOW, silent), tmp_path / "out")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(target), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 13, "validation": 3, "test": 3}
    assert loaded["train"][0]["image"].size == (16, 16)
    assert set(loaded["train"]["label"]) == {"a", "b"}
    with pytest.raises(Conflict):
        export_folder(SnapshotFolder.open(target), target)


rows = st.lists(
    st.builds(
        SnapshotRow,
        file_name=st.text("0123456789abcdef", min_size=8, max_size=8),
        label=st.sampled_from("ab"),
        subject=st.none() | st.sampled_from(["s1", "s2"]),
        origin=st.just("real"),
        weight=st.just(1.0),
        pixel_sha256=st.text("0123456789abcdef", min_size=8, max_size=8),
        file_sha256=st.just("f"),
        split=st.sampled_from(["train", "test"]),
        why=st.just("?"),
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(rows, st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_digest(some: list[SnapshotRow], random: Random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    assert content_digest(shuffled, ["a", "b"]) == content_digest(some, ["a", "b"])
