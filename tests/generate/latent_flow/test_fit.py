"""A fit makes a generator with a card, and resumes to equal weights."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from curation.errors import BadInput, Conflict, Damaged
from curation.snapshots.folder import SnapshotFolder
from generate.card import read_card, weights_digest
from generate.latent_flow.fit import fit_generator
from generate.latent_flow.recipe import FitRecipe
from generate.registry import check_generator
from generate.sample import load_pipeline
from tests.generate.folders import CLASSES, tiny_recipe, write_folder
from tests.processes import fork
from train.fitting.phase import FitProgress


def test_the_card_says_what_was_fitted_and_how(folder: SnapshotFolder, fitted: Path) -> None:
    card = read_card(fitted)
    real = [row for row in folder.rows("train") if row.origin == "real"]
    assert card["name"] == "tiny-flow"
    assert card["classes"] == CLASSES
    assert card["shape"] == [12, 12, 1]
    assert card["notice"] == "made for a test"
    assert card["fitted_on"]["digest"] == folder.digest
    assert card["fitted_on"]["n_images"] == len(real)
    assert card["fitted_on"]["subjects"] == sorted(row.subject for row in real)
    assert card["fitted_on"]["pixel_sha256"] == sorted(row.pixel_sha256 for row in real)
    assert card["digest"] == weights_digest(fitted)
    assert FitRecipe(**card["recipe"]) == tiny_recipe()
    assert card["losses"]["autoencoder"][-1][0] == 6
    assert card["metrics"]["autoencoder"]["psnr_db"] > 0
    assert card["metrics"]["flow"]["loss"] > 0
    assert (card["made_by"], card["date"]) == ("a test", "2026-11-23")


def test_validation_subjects_and_synthetic_images_never_reach_the_card(folder: SnapshotFolder, fitted: Path) -> None:
    digests = set(read_card(fitted)["fitted_on"]["pixel_sha256"])
    assert digests.isdisjoint(row.pixel_sha256 for row in folder.rows("validation"))
    assert digests.isdisjoint(row.pixel_sha256 for row in folder.rows("train") if row.origin == "synthetic")


@pytest.mark.slow
def test_validation_rows_do_not_change_the_weights(tmp_path: Path, fitted: Path) -> None:
    without = fit_generator(write_folder(tmp_path / "snapshot", validation=0), tiny_recipe(), tmp_path / "out")
    assert weights_digest(without) == weights_digest(fitted)


def test_the_recipe_beside_the_weights_can_be_read_for_the_next_fit(fitted: Path) -> None:
    assert FitRecipe.read(fitted / "recipe.json") == tiny_recipe()


def test_a_finished_fit_holds_grids_and_no_checkpoints(fitted: Path) -> None:
    assert not (fitted / "checkpoints").exists()
    grids = sorted(path.name for path in (fitted / "grids").iterdir())
    assert grids == ["autoencoder-000004.png", "autoencoder-000006.png", "flow-000004.png", "flow-000006.png"]
    with Image.open(fitted / "grids" / "flow-000006.png") as grid:
        assert grid.width > grid.height > 0


def test_fitting_again_into_a_finished_directory_changes_nothing(folder: SnapshotFolder, fitted: Path) -> None:
    before = (fitted / "card.json").read_bytes()
    fit_generator(folder, tiny_recipe(), fitted)
    assert (fitted / "card.json").read_bytes() == before


def test_another_recipe_in_the_same_directory_is_refused(folder: SnapshotFolder, fitted: Path) -> None:
    with pytest.raises(Conflict, match="another recipe"):
        fit_generator(folder, tiny_recipe(seed=1), fitted)


def test_the_losses_of_a_recipe_stay_what_they_were(fitted: Path) -> None:
    losses = read_card(fitted)["losses"]
    assert [[step for step, _ in losses[phase]] for phase in ("autoencoder", "flow")] == [[4, 6], [4, 6]]
    assert [loss for _, loss in losses["autoencoder"]] == pytest.approx([0.774052, 0.709771], rel=1e-3)
    assert [loss for _, loss in losses["flow"]] == pytest.approx([2.100226, 2.073743], rel=1e-3)


class KilledError(Exception):
    """Stands for the end of the process: nothing in the fit may catch it."""


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "step"), [("autoencoder", 4), ("flow", 4), ("flow", 6)])
def test_a_fit_stopped_midway_resumes_to_equal_weights(
    folder: SnapshotFolder, fitted: Path, tmp_path: Path, phase: str, step: int
) -> None:
    def stop(progress: FitProgress) -> None:
        if (progress.phase, progress.step) == (phase, step):
            raise KilledError

    with pytest.raises(KilledError):
        fit_generator(folder, tiny_recipe(), tmp_path / "out", stop)
    assert not (tmp_path / "out" / "card.json").exists()
    (tmp_path / "out" / "unet").mkdir()
    (tmp_path / "out" / "unet" / ".tmp76grHd").write_bytes(b"half")  # of a process that was killed as it saved weights
    seen: list[FitProgress] = []
    fit_generator(folder, tiny_recipe(), tmp_path / "out", seen.append)
    check_generator(tmp_path / "out")
    assert weights_digest(tmp_path / "out") == weights_digest(fitted)
    assert read_card(tmp_path / "out")["losses"] == read_card(fitted)["losses"]
    assert phase == "autoencoder" or all(progress.phase == "flow" for progress in seen)


def fit_until_killed(folder: SnapshotFolder, out: Path) -> None:
    """Fit, and be killed by the system in the middle of the second phase."""

    def kill(progress: FitProgress) -> None:
        if (progress.phase, progress.step) == ("flow", 4):
            os.kill(os.getpid(), signal.SIGKILL)

    fit_generator(folder, tiny_recipe(), out, kill)


@pytest.mark.slow
def test_a_fit_killed_by_the_system_resumes_to_equal_weights(
    folder: SnapshotFolder, fitted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = fork(fit_until_killed, folder, out)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert (out / "checkpoints" / "flow.pt").is_file()
    fit_generator(folder, tiny_recipe(), out)
    assert weights_digest(out) == weights_digest(fitted)


def test_the_unfinished_fit_of_an_earlier_version_is_named(folder: SnapshotFolder, tmp_path: Path) -> None:
    checkpoint = tmp_path / "out" / "checkpoints" / "autoencoder.pt"
    checkpoint.parent.mkdir(parents=True)
    torch.save({"step": 2, "model": {}, "ema": {}, "optimizer": {}, "losses": [], "validation": []}, checkpoint)
    with pytest.raises(Conflict, match=r"autoencoder\.pt is of an earlier version"):
        fit_generator(folder, tiny_recipe(), tmp_path / "out")


def test_a_broken_checkpoint_is_named(folder: SnapshotFolder, tmp_path: Path) -> None:
    checkpoint = tmp_path / "out" / "checkpoints" / "autoencoder.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"torn")
    with pytest.raises(Damaged, match=r"autoencoder\.pt"):
        fit_generator(folder, tiny_recipe(), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "canvas", "expected"),
    [((28, 28, 1), "pad", (32, 32)), ((24, 20, 3), "pad", (24, 24)), ((30, 30, 3), 16, (16, 16))],
)
def test_other_sizes_and_colours_are_fitted_and_generated_at_their_own_size(
    tmp_path: Path, shape: tuple[int, int, int], canvas: str | int, expected: tuple[int, int]
) -> None:
    folder = write_folder(tmp_path / "snapshot", shape)
    out = fit_generator(folder, tiny_recipe(canvas=canvas, horizontal_flip=True), tmp_path / "out")
    pipeline = load_pipeline(out)
    assert (pipeline.config.canvas_height, pipeline.config.canvas_width) == expected
    assert pipeline([0, 1], output_type="uint8").images.shape == (2, *shape)


@pytest.mark.slow
def test_half_precision_files_load_as_float32(folder: SnapshotFolder, tmp_path: Path) -> None:
    out = fit_generator(folder, tiny_recipe(weights_dtype="float16"), tmp_path / "out")
    stored = load_file(out / "unet" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert load_pipeline(out).unet.dtype == torch.float32


def test_sixteen_bit_images_are_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "snapshot", bits=16)
    with pytest.raises(BadInput, match="8-bit images"):
        fit_generator(folder, tiny_recipe(), tmp_path / "out")


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "snapshot")
    manifest = json.loads((folder.path / "snapshot.json").read_text())
    manifest["classes"].append("absent")
    (folder.path / "snapshot.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="absent"):
        fit_generator(SnapshotFolder.open(folder.path), tiny_recipe(), tmp_path / "out")


def test_a_recipe_with_an_unknown_field_names_it(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"flow": {"stepz": 3}}')
    with pytest.raises(BadInput, match="stepz"):
        FitRecipe.read(path)


def test_the_shipped_recipe_reads() -> None:
    recipe = FitRecipe.read(Path(__file__).parents[3] / "generate" / "shipped" / "virtual-brains-flow.recipe.json")
    assert recipe.origins == ("real",)
