"""`rounds verify` finds what was changed, lost or left behind, and changes nothing itself."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import event, select, update

from curation.audit import anchor
from curation.image_store import encode_png, file_name
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project
from curation.provenance.weights import weights_digest
from curation.tables.images import BuildStatus, Image, Mask, Split
from curation.tables.operations import Event
from curation.tables.training import Run, Snapshot, Study
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from curation.verification.recorded import CHANGED
from curation.verification.stored_files import PREFIXES, drawn_files, parts_of_store
from curation.verification.verify import Verification, verify_project
from tests.rows import NOW, add_generator, add_import, picture
from tests.worlds.recorded import record_rows


@pytest.fixture
def filled(project: Project) -> Project:
    """A project with six images, one of them with a mask."""
    mask = {"lesion": np.ones((16, 16), np.uint8)}
    items = [
        IncomingImage(f"{n}.png", picture(n), "normal", f"p{n}", Split.TRAIN, masks=mask if n == 5 else {})
        for n in range(6)
    ]
    import_source(project, NOW, Source("six", "six", items, 6))
    return project


def _verify(project: Project, pixels: bool = False) -> Verification:
    return verify_project(project, silent, pixels=pixels)


def _changed(number: int) -> str:
    """What the chain of events says of a picture whose row was changed beside the commands."""
    return f"image {number + 1} of import 1: {CHANGED}"


def _file(project: Project, number: int) -> Path:
    with project.database.read() as session:
        digest = session.scalars(select(Image.file_sha256).where(Image.source_file == f"{number}.png")).one()
    return project.root / "store" / file_name(digest)


@pytest.mark.slow
def test_an_untouched_project_has_no_faults(filled: Project) -> None:
    result = _verify(filled, pixels=True)
    assert (result.files, result.chain.events, result.chain.anchors) == (7, 2, 2)
    assert (result.faults, result.orphans, result.unfinished) == ([], [], [])


@pytest.mark.slow
def test_a_flipped_bit_and_a_lost_file_are_named_and_not_repaired(filled: Project) -> None:
    flipped, lost = _file(filled, 2), _file(filled, 4)
    content = bytearray(flipped.read_bytes())
    content[-20] ^= 1
    flipped.write_bytes(content)
    lost.unlink()
    result = _verify(filled)
    assert len(result.faults) == 2
    assert any(flipped.name in fault and "its bytes were changed" in fault for fault in result.faults)
    assert any(lost.name in fault and "missing" in fault for fault in result.faults)
    assert flipped.read_bytes() == content
    assert not lost.exists()


@pytest.mark.slow
def test_a_lost_mask_is_found_too(filled: Project) -> None:
    with filled.database.read() as session:
        digest = session.scalars(select(Mask.file_sha256)).one()
    (filled.root / "store" / file_name(digest)).unlink()
    [fault] = _verify(filled).faults
    assert fault.startswith("mask 'lesion' of image")


@pytest.mark.slow
def test_files_that_interrupted_work_left_are_listed_without_being_faults(filled: Project) -> None:
    orphan = filled.store.put(encode_png(picture(77)))
    part = filled.root / "store" / "ab" / "abc.png.123.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    result = _verify(filled)
    assert (result.faults, result.orphans, result.unfinished) == (
        [],
        [file_name(orphan)],
        ["ab/abc.png.123.part"],
    )


@pytest.mark.slow
def test_pixels_that_are_not_those_of_the_row_are_found_when_asked_for(filled: Project) -> None:
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "1.png").values(pixel_sha256="0" * 64))
    assert _verify(filled).faults == [_changed(1)]
    [fault, recorded] = _verify(filled, pixels=True).faults
    assert "its pixels are not those of its row" in fault
    assert recorded == _changed(1)


@pytest.mark.slow
def test_a_stored_file_that_is_no_picture_is_a_fault_and_not_a_crash(filled: Project) -> None:
    digest = filled.store.put(b"not a picture")
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "1.png").values(file_sha256=digest))
    [fault, recorded] = _verify(filled, pixels=True).faults
    assert "cannot be decoded" in fault
    assert recorded == _changed(1)


@pytest.mark.slow
def test_the_same_pixels_in_two_files_are_both_right(filled: Project) -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(3)[:, :, 0]).save(buffer, "PNG", compress_level=0)
    digest = filled.store.put(buffer.getvalue())
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "3.png").values(file_sha256=digest))
    assert _verify(filled, pixels=True).faults == [_changed(3)]  # the row, and neither file


@pytest.mark.slow
def test_an_altered_event_and_a_cut_tail_are_found(filled: Project) -> None:
    with filled.database.write() as session:
        session.execute(update(Event).values(payload={"import": 1, "images": 5}))
    assert any("was altered" in fault for fault in _verify(filled).faults)
    with filled.anchors_path.open("a") as anchors:
        anchors.write(json.dumps({"count": 9, "hmac": "f" * 64}) + "\n")
    assert any("an anchor was written at 9" in fault for fault in _verify(filled).faults)


def test_a_quick_look_reads_a_few_files_and_says_so(filled: Project) -> None:
    result = verify_project(filled, silent, sample=2, seed=1)
    assert (result.files, result.sampled, result.faults) == (2, True, [])
    for number in range(6):
        _file(filled, number).unlink()
    assert verify_project(filled, silent, sample=2, seed=1).faults != []


@pytest.mark.parametrize("asked", [6, 1_000_000])
def test_a_sample_of_all_files_is_read_in_two_queries(filled: Project, asked: int) -> None:
    sent: list[str] = []
    event.listen(filled.database.engine, "before_cursor_execute", lambda *about: sent.append(about[2]))
    with filled.database.read() as session:
        assert len(drawn_files(session, asked, 1)) == 6
    assert sum(statement.startswith("SELECT") for statement in sent) == 2


@pytest.mark.slow
def test_a_withdrawn_image_is_expected_to_be_gone_and_named_when_it_is_not(filled: Project) -> None:
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file.in_(["2.png", "5.png"])).values(withdrawn_at=NOW))
        masks = session.scalars(select(Mask.file_sha256)).all()
    still = [*(_file(filled, number) for number in (2, 5)), filled.root / "store" / file_name(masks[0])]
    result = _verify(filled)
    recorded = [_changed(2), _changed(5)]  # they were withdrawn beside the commands
    left = [fault for fault in result.faults if fault not in recorded]
    assert sorted(fault.split()[0][3:] for fault in left) == sorted(path.name for path in still)
    assert all("was withdrawn and is still there" in fault for fault in left)
    assert result.orphans == []
    for path in still:
        path.unlink()
    assert _verify(filled).faults == recorded


@pytest.mark.slow
def test_work_that_was_begun_and_not_finished_is_listed_without_being_a_fault(filled: Project) -> None:
    with filled.database.write() as session:
        add_import(session, "seven").status = BuildStatus.BUILDING
    result = _verify(filled)
    assert (result.faults, result.building) == ([], ["imports: seven"])


def test_of_many_faults_of_a_kind_the_first_are_listed_and_the_rest_counted(
    filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.verification.verify.LISTED", 2)
    store = filled.root / "store"
    shutil.rmtree(store)
    with filled.database.write() as session:
        for number in range(1, 7):
            session.execute(update(Image).where(Image.id == number).values(file_sha256=f"{number:064d}"))
    result = _verify(filled)
    listed = [fault for fault in result.faults if fault.startswith("image") and CHANGED not in fault]
    assert (result.files, len(listed)) == (7, 2)
    assert result.faults.count("... and 5 more like these") == 1  # of files: one is a mask's
    assert result.faults.count("... and 4 more like these") == 1  # of rows that were changed


def test_a_small_store_is_one_part_and_parts_of_any_size_find_the_same(
    filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(filled, 4).unlink()
    foreign = filled.root / "store" / "elsewhere" / "note.txt"
    foreign.parent.mkdir()
    foreign.write_text("a note")
    at_once = _verify(filled)
    assert len(list(parts_of_store(filled.store, 7))) == 2  # all digests, and the foreign folder
    monkeypatch.setattr("curation.verification.stored_files.FILES_AT_ONCE", 2)
    parts = list(parts_of_store(filled.store, 7))
    assert len(parts) > 3
    assert tuple(prefix for prefixes, _ in parts for prefix in prefixes) == PREFIXES
    in_parts = _verify(filled)
    assert (in_parts.files, in_parts.faults, in_parts.orphans) == (at_once.files, at_once.faults, at_once.orphans)
    assert len(at_once.faults) == len(at_once.orphans) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("change", "fault"), [("lost", "is missing"), ("altered", "not those that were added")])
def test_a_generator_whose_weights_are_lost_or_altered_is_named(filled: Project, change: str, fault: str) -> None:
    weights = filled.root / "generators" / "g" / "unet" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    with filled.database.write() as session:
        generator = add_generator(session, "g", (), ())
        generator.directory = "generators/g"
        generator.weights_digest = weights_digest(filled.root / "generators" / "g")
    record_rows(filled)
    assert _verify(filled).faults == []
    if change == "lost":
        shutil.rmtree(filled.root / "generators")
    else:
        weights.write_bytes(b"Weights")
    [line] = _verify(filled).faults
    assert line.startswith("generator 'g'")
    assert fault in line


@pytest.mark.slow
def test_a_run_without_its_checkpoint_and_a_study_without_its_folder_are_named(filled: Project) -> None:
    ready = {"status": BuildStatus.READY, "created_at": NOW}
    with filled.database.write() as session:
        failed = ready | {"status": BuildStatus.FAILED}
        snapshot = Snapshot(name="s", directory="snapshots/s", recipe={}, counts={}, reading_ids=[], **failed)
        session.add(snapshot)
        session.flush()
        session.add(
            Run(
                name="r", snapshot_id=snapshot.id, config={}, config_digest="0", directory="runs/r", metrics={}, **ready
            )
        )
        session.add(Study(name="t", plan={}, plan_digest="0", directory="studies/t", result={}, **ready))
    record_rows(filled)
    faults = _verify(filled).faults
    assert faults == [
        "run 'r': its checkpoint r/card.json is missing",
        "study 't': its folder studies/t is missing",
    ]
    with filled.database.write() as session:
        session.add(Withdrawal(id=1, subject_id=1, reason="asked", plan=[], created_at=NOW))
        session.flush()
        session.add(Affected(withdrawal_id=1, kind=AffectedKind.RUN, target_id=1))
    [line] = [fault for fault in _verify(filled).faults if fault.startswith("run 'r'")]
    assert line.endswith(
        "A withdrawal marks it; if that was stopped, `rounds withdraw SUBJECT --yes` again finishes it"
    )


@pytest.mark.slow
def test_torn_embeddings_are_listed_without_being_a_fault(filled: Project) -> None:
    folder = filled.root / "embeddings"
    folder.mkdir(exist_ok=True)  # an import keeps fingerprints there
    (folder / "whole.rows").write_bytes(b"a" * 130)
    (folder / "whole.f32").write_bytes(b"0" * 16)
    (folder / "torn.rows").write_bytes(b"a" * 70)
    (folder / "torn.f32").write_bytes(b"0" * 16)
    result = _verify(filled)
    assert (result.faults, result.unfinished) == ([], ["embeddings/torn.rows"])


@pytest.mark.slow
def test_a_torn_anchor_is_a_fault_and_the_next_one_is_written_after_it(filled: Project) -> None:
    with filled.anchors_path.open("a") as anchors:
        anchors.write('{"count": 1, "hm')
    with filled.database.write() as session:
        filled.chain.record(session, "test", {}, NOW)
    with filled.database.read() as session:
        anchor(session, filled.anchors_path)
    result = _verify(filled)
    assert (result.faults, result.chain.anchors) == (
        ["events: line 3 of anchors.jsonl is torn or was altered"],
        3,
    )
