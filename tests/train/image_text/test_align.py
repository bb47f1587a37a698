"""Aligned towers beat chance on held-out pairs, resume exactly, and say what they saw."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput, Conflict, Damaged, LeakRefused
from curation.progress import OnProgress, silent
from curation.provenance.seen import Seen
from curation.snapshots.folder import SnapshotFolder
from tests.train.image_text.tiny import write_captioned_snapshot
from tests.train.snapshots import write_snapshot
from train.image_text.align import align_towers
from train.image_text.aligned_folder import folder_digest
from train.image_text.pairs import Pairs
from train.image_text.recipe import AlignmentRecipe
from train.image_text.request import AlignmentRequest
from train.image_text.two_towers import load_two_towers

QUICK = AlignmentRecipe(dimension=16, dropout=0.1, steps=120, batch_size=48, learning_rate=1e-2, evaluations=6)


def request_of(image: Path, text: Path, out: Path, recipe: AlignmentRecipe = QUICK, **more: bool) -> AlignmentRequest:
    return AlignmentRequest(snapshot="squares", image=str(image), text=str(text), out=str(out), recipe=recipe, **more)


def align(folder: SnapshotFolder, request: AlignmentRequest, report: OnProgress = silent) -> Path:
    return align_towers(folder, request, report, "a test", "2026-11-30")


class Killed(Exception):
    """The process went away."""


def kill_at(step: int) -> OnProgress:
    def report(done: int, total: int, note: str | None) -> None:
        if done >= step and note and note.startswith("loss"):
            raise Killed

    return report


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_alignment_beats_chance_on_held_out_pairs(
    loss: str, squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    recipe = AlignmentRecipe.checked(**QUICK.model_dump() | {"loss": loss})
    out = align(squares, request_of(tiny_vit, tiny_text, tmp_path / "aligned", recipe))
    towers = load_two_towers(out)
    pairs = Pairs.of(squares, "validation", "captions")
    similarity = towers.images(squares.pixels(pairs.rows)) @ towers.texts(pairs.captions).T
    places = np.array([row.label for row in pairs.rows])
    said = np.array([next(place for place in ("upper", "lower", "centre") if place in text) for text in pairs.captions])
    assert len(pairs.captions) == 6
    assert np.mean(said[similarity.argmax(axis=1)] == places) > 0.55  # a third by chance; a probe with labels has .72


def test_the_card_says_what_the_towers_saw(
    squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    out = align(squares, request_of(tiny_vit, tiny_text, tmp_path / "aligned"))
    card = json.loads((out / "card.json").read_text())
    assert (card["pairs"], card["without_caption"]) == ({"train": 120, "validation": 60, "captions": 6}, 0)
    assert card["losses"][-1]["step"] == 120
    assert card["losses"][-1]["validation"] < card["losses"][0]["validation"]
    seen = Seen.by_backbone(out, "aligned")
    assert seen.subjects == {row.subject for row in squares.rows("train")}
    with pytest.raises(LeakRefused):
        seen.refuse_leak(squares.rows("train"), "validation")
    assert not (out / "fit").exists()


@pytest.mark.parametrize("train_text_tower", [False, True])
def test_a_killed_alignment_resumes_to_the_same_digest(
    train_text_tower: bool, squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    recipe = AlignmentRecipe.checked(**QUICK.model_dump() | {"train_text_tower": train_text_tower, "steps": 12})
    whole = align(squares, request_of(tiny_vit, tiny_text, tmp_path / "whole", recipe))
    broken = request_of(tiny_vit, tiny_text, tmp_path / "broken", recipe)
    with pytest.raises(Killed):
        align(squares, broken, kill_at(4))
    assert (tmp_path / "broken" / "fit" / "checkpoint.pt").is_file()
    assert folder_digest(align(squares, broken)) == folder_digest(whole)
    assert align(squares, broken) == tmp_path / "broken"  # again: nothing is done
    towers = load_two_towers(whole)
    assert towers.texts(["bright square"]).shape == (1, 16)
    assert (whole / "text").is_dir() is train_text_tower


def test_another_alignment_in_the_same_place_is_a_conflict(
    squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    recipe = AlignmentRecipe.checked(**QUICK.model_dump() | {"steps": 2})
    out = align(squares, request_of(tiny_vit, tiny_text, tmp_path / "aligned", recipe))
    with pytest.raises(Conflict, match="another alignment"):
        align(squares, request_of(tiny_vit, tiny_text, tmp_path / "aligned"))
    (out / "projections.safetensors").write_bytes(b"x" + (out / "projections.safetensors").read_bytes()[1:])
    with pytest.raises(Damaged, match="no longer hash"):
        load_two_towers(out)


def test_captions_that_say_nothing_of_a_class_are_refused_or_filled(
    tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    folder = write_captioned_snapshot(tmp_path / "some", {"train": 4, "validation": 2}, without=("centre",))
    with pytest.raises(BadInput, match="no training image of centre has a caption"):
        align(folder, request_of(tiny_vit, tiny_text, tmp_path / "aligned"))
    filled = Pairs.of(folder, "train", "captions-or-class-names")
    assert {caption for row, caption in zip(filled.rows, filled.numbers, strict=True) if row.label == "centre"}
    assert (len(filled.rows), filled.left_out) == (12, 0)
    plain = write_snapshot(tmp_path / "plain", {"train": 4, "validation": 2})
    with pytest.raises(BadInput, match=r"no training image has a caption.*--caption-column"):
        align(plain, request_of(tiny_vit, tiny_text, tmp_path / "aligned"))
    named = Pairs.of(plain, "train", "class-names")
    assert len(named.rows) == 8
    assert all("upper" in text or "lower" in text for text in named.captions)


def test_towers_in_each_others_place_are_refused(
    squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="is no model of images"):
        align(squares, request_of(tiny_text, tiny_text, tmp_path / "aligned"))
    with pytest.raises(BadInput, match="is no text model"):
        align(squares, request_of(tiny_vit, tiny_vit, tmp_path / "aligned"))


def test_an_image_tower_of_unknown_provenance_is_refused_unless_allowed(
    squares: SnapshotFolder, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        (tmp_path / "unknown" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "unknown" / name).write_bytes((tiny_vit / name).read_bytes())
    recipe = AlignmentRecipe.checked(**QUICK.model_dump() | {"steps": 2})
    request = request_of(tmp_path / "unknown", tiny_text, tmp_path / "aligned", recipe)
    with pytest.raises(LeakRefused, match="allow-unknown-provenance"):
        align(squares, request)
    allowed = request.model_copy(update={"allow_unknown_provenance": True})
    assert Seen.by_backbone(align(squares, allowed), "aligned").unknown == (f"backbone {tmp_path / 'unknown'}",)
