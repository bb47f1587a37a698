"""A withdrawn subject is gone from store and use, and what descends from it says so."""

import json

import numpy as np
import pytest
from sqlalchemy import func, select

from curation.errors import BadInput, NotFound
from curation.image_store import file_name
from curation.progress import silent
from curation.project import Project
from curation.provenance.withdrawn import affected_notes
from curation.snapshots.build import list_snapshots
from curation.snapshots.folder import SnapshotFolder
from curation.status import project_status
from curation.tables.images import Image, ImageLabel, Mask, Origin, Split, Subject
from curation.tables.operations import Event
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from curation.vector_files import VectorFile
from curation.verification.snapshot_folders import verify_folder
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import Done, withdraw
from tests.rows import NOW, add_import, add_real
from tests.worlds.lineage import images_of
from tests.worlds.recorded import record_rows


def files(project: Project, key: str) -> set[str]:
    """Stored files of a subject's images and masks."""
    rows = images_of(project, key)
    with project.database.read() as session:
        masks = session.scalars(select(Mask.file_sha256).where(Mask.image_id.in_([row.id for row in rows]))).all()
    return {file_name(digest) for digest in [*(row.file_sha256 for row in rows), *masks]}


def faults(project: Project) -> list[str]:
    return verify_project(project, silent, pixels=True).faults


def marked(project: Project, kind: AffectedKind) -> int:
    with project.database.read() as session:
        return len(affected_notes(session, kind))


@pytest.mark.slow
def test_files_go_and_tombstones_stay(lived: Project) -> None:
    removed = files(lived, "s0")
    assert removed <= lived.store.files()
    done = withdraw(lived, NOW, "s0", "consent withdrawn")
    assert (done.images, done.removed.files, done.removed.kept) == (3, 4, 0)
    assert removed.isdisjoint(lived.store.files())
    for row in images_of(lived, "s0"):
        assert row.withdrawn_at == NOW
        assert row.source_file is row.covariates is row.window_center is row.affine is None
        assert len(row.pixel_sha256) == len(row.file_sha256) == 64
    with lived.database.read() as session:
        labels = select(func.count()).select_from(ImageLabel).join(Image).where(Image.subject.has(key="s0"))
        assert session.scalar(labels) == 0
        assert session.scalars(select(Subject.withdrawn_at).where(Subject.key == "s0")).one() == NOW
    assert faults(lived) == []


def test_everything_that_descends_is_marked_and_the_event_holds_ids_only(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "consent withdrawn")
    kinds = {kind: marked(lived, kind) for kind in AffectedKind}
    assert kinds == {"image": 3, "generator": 3, "batch": 3, "snapshot": 4, "run": 2, "study": 1}
    with lived.database.read() as session:
        event = session.scalars(select(Event).where(Event.kind == "subject.withdrawn")).one()
        removed = session.scalars(select(Event).where(Event.kind == "withdrawal.files_removed")).one()
        assert set(event.payload) == {"withdrawal", "subject", "images", "affected", "plan_digest", "content"}
        assert "s0" not in json.dumps([event.payload, removed.payload])
        assert all(line.affected for line in list_snapshots(session))
        assert len(project_status(session, lived, NOW).affected) == 10


def test_the_plan_is_in_an_order_in_which_it_can_be_run(lived: Project) -> None:
    plan = withdraw(lived, NOW, "s0", "consent withdrawn").plan
    steps = [step["of"] for step in plan]
    first = ["snapshot base", "generator g1", "batch 1", "snapshot second", "generator g2", "batch 2", "snapshot third"]
    assert steps[:7] == first
    commands = {step["of"]: step["command"] for step in plan}
    assert commands["snapshot second"].startswith("rounds snapshot build second-w1 --synthetic raw")
    assert commands["generator g2"] == (
        "rounds generator fit --snapshot second-w1 --name g2-w1 --recipe generators/g2/recipe.json"
    )
    assert commands["batch 2"] == "rounds generate --generator g2-w1 --count a=2,b=2 --seed 7 --wait"
    assert "--backbone runs/direct-w1/model" in commands["run other"]
    assert commands["study trial"].startswith("rounds study run trial-w1 --seeds 2")


def test_a_second_run_changes_nothing(lived: Project) -> None:
    first = withdraw(lived, NOW, "s0", "consent withdrawn")
    with lived.database.read() as session:
        events = session.scalar(select(func.count()).select_from(Event))
    again = withdraw(lived, NOW, "s0", "another reason")
    assert again.repeated
    assert (again.number, again.images, again.removed.any, again.plan) == (first.number, 0, False, first.plan)
    with lived.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == events
        assert session.scalars(select(Withdrawal.reason)).one() == "consent withdrawn"


class Killed(Exception):
    """Stands for kill -9."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_withdrawal_that_was_killed_is_finished_by_the_next(
    lived: Project, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    remove, calls = lived.store.remove, [0]

    def killed(digest: str) -> bool:
        if calls[0] == after:
            raise Killed
        calls[0] += 1
        return remove(digest)

    with monkeypatch.context() as patched:
        patched.setattr(lived.store, "remove", killed)
        with pytest.raises(Killed):
            withdraw(lived, NOW, "s0", "consent withdrawn")
    assert sum("was withdrawn and is still there" in fault for fault in faults(lived)) == 4 - after
    done = withdraw(lived, NOW, "s0", "consent withdrawn")
    assert (done.removed.files, faults(lived)) == (4 - after, [])


@pytest.mark.slow
def test_a_file_that_another_image_needs_stays(lived: Project) -> None:
    with lived.database.write() as session:
        twin = add_real(
            project=lived, session=session, source=add_import(session, "x"), number=700, label="a", split=Split.TRAIN
        )
        first = session.scalars(select(Image).where(Image.subject.has(key="s1"))).one()
        twin.file_sha256, twin.pixel_sha256 = first.file_sha256, first.pixel_sha256
    record_rows(lived)
    done = withdraw(lived, NOW, "s1", "")
    assert (done.removed.files, done.removed.kept) == (0, 1)
    lived.store.check(twin.file_sha256)
    assert faults(lived) == []


@pytest.mark.slow
def test_synthetic_images_stay_unless_descendants_are_asked_for(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    with lived.database.read() as session:
        drawn = select(func.count()).where(Image.origin == Origin.SYNTHETIC, Image.withdrawn_at.is_(None))
        assert session.scalar(drawn) == 12
    done = withdraw(lived, NOW, "s0", "", descendants=True)
    assert (done.images, done.removed.files) == (12, 12)
    with lived.database.read() as session:
        assert session.scalar(drawn) == 0
        assert project_status(session, lived, NOW).synthetic == {}
    assert faults(lived) == []


@pytest.mark.slow
def test_a_snapshot_keeps_its_digest_and_says_which_rows_were_withdrawn(lived: Project) -> None:
    digest = SnapshotFolder.open(lived.root / "snapshots" / "base").digest
    withdraw(lived, NOW, "s0", "")
    folder = SnapshotFolder.open(lived.root / "snapshots" / "base")
    assert folder.digest == digest
    assert folder.affected == ["AFFECTED by withdrawal 1 (2026-11-23)"]
    assert len(folder.tombstones.files) == 2
    assert verify_folder(folder, silent) == []
    assert len(folder.pixels(folder.rows("train"))) == 10


@pytest.mark.slow
def test_a_purged_snapshot_verifies_as_withdrawn_and_cannot_be_trained(lived: Project) -> None:
    done = withdraw(lived, NOW, "s0", "", purge=True)
    assert done.removed.purged == 4 * 2
    folder = SnapshotFolder.open(lived.root / "snapshots" / "base")
    assert verify_folder(folder, silent) == []
    assert faults(lived) == []
    with pytest.raises(BadInput, match="2 images of snapshot 'base' were removed with a withdrawn subject"):
        folder.pixels(folder.rows("train"))
    assert len(folder.pixels(folder.rows("test"))) == 4


@pytest.mark.slow
def test_a_tombstone_that_the_database_does_not_know_hides_no_damage(lived: Project) -> None:
    folder = SnapshotFolder.open(lived.root / "snapshots" / "base")
    name = f"train/{folder.rows('train')[0].file_name}"
    folder.tombstones.add(9, "2026-11-25", [name], True).write(folder.path)
    (folder.path / name).unlink()
    assert [fault for fault in faults(lived) if "and the database does not" in fault]


def test_vectors_are_blanked_in_place(lived: Project) -> None:
    directory = lived.directory("embeddings")
    names = [row.file_sha256 for row in [*images_of(lived, "s0"), *images_of(lived, "s1")]]
    (directory / "abc.4.rows").write_text("".join(f"{name}\n" for name in names))
    np.arange(12, dtype=np.float32).tofile(directory / "abc.4.f32")
    done = withdraw(lived, NOW, "s0", "")
    assert done.removed.vectors == 2
    lines = (directory / "abc.4.rows").read_text().splitlines()
    assert [len(line) for line in lines] == [64] * 3
    assert len(set(lines)) == 3
    assert (lines[2], lines[0] in names, lines[1] in names) == (names[2], False, False)
    matrix = np.fromfile(directory / "abc.4.f32", np.float32).reshape(3, 4)
    assert not matrix[:2].any()
    assert matrix[2].tolist() == [8, 9, 10, 11]


def test_features_by_pixels_go_too_unless_another_image_has_the_same_pixels(lived: Project) -> None:
    shared, own = images_of(lived, "s0")[:2]
    other = images_of(lived, "s1")[0]
    with lived.database.write() as session:
        session.get_one(Image, other.id).pixel_sha256 = shared.pixel_sha256
    directory = lived.directory("embeddings")
    features = VectorFile(directory, "features-abc", 4)
    features.append([shared.pixel_sha256, own.pixel_sha256], np.ones((2, 4), np.float32))
    assert withdraw(lived, NOW, "s0", "").removed.vectors == 1
    assert features.places().keys() == {shared.pixel_sha256, "withdrawn-1-".ljust(64, ".")}
    assert not features.stored(["withdrawn-1-".ljust(64, ".")])[np.arange(1)].any()


@pytest.mark.slow
def test_a_vector_that_was_kept_after_a_withdrawal_is_a_fault_and_the_command_again_removes_it(lived: Project) -> None:
    image = images_of(lived, "s0")[0]
    withdraw(lived, NOW, "s0", "")
    features = VectorFile(lived.directory("embeddings"), "features-abc", 4)
    features.append([image.pixel_sha256], np.ones((1, 4), np.float32))
    [fault] = faults(lived)
    assert "embeddings/features-abc.4.rows keeps vectors of 1 withdrawn images: `rounds withdraw SUBJECT" in fault
    assert withdraw(lived, NOW, "s0", "").removed.vectors == 1
    assert faults(lived) == []


@pytest.mark.slow
def test_two_withdrawals_stand_beside_each_other(lived: Project) -> None:
    def reached(done: Done) -> int:
        with lived.database.read() as session:
            affected = select(func.count()).select_from(Affected).where(Affected.withdrawal_id == done.number)
            return session.scalar(affected) or 0

    assert (reached(withdraw(lived, NOW, "s0", "")), reached(withdraw(lived, NOW, "s3", ""))) == (16, 14)
    folder = SnapshotFolder.open(lived.root / "snapshots" / "base")
    assert len(folder.affected) == 2
    assert faults(lived) == []


def test_an_unknown_subject_is_named_and_a_long_reason_refused(lived: Project) -> None:
    with pytest.raises(NotFound, match="no subject 'nobody'"):
        withdraw(lived, NOW, "nobody", "")
    with pytest.raises(BadInput, match="at most 500"):
        withdraw(lived, NOW, "s0", "x" * 501)
