"""Checkpoints belong to their recipe and images; an autoencoder is taken over on purpose."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from curation.errors import AffectedRefused, BadInput, Conflict, Diverged, LeakRefused
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from generate.card import read_card, weights_digest
from generate.latent_flow.autoencoder_source import AutoencoderSource
from generate.latent_flow.fit import fit_generator
from generate.latent_flow.recipe import FitRecipe
from generate.sample import load_autoencoder
from tests.generate.folders import tiny_recipe, write_folder
from train.fitting.phase import FitProgress


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_in(phase: str, folder: SnapshotFolder, out: Path, recipe: FitRecipe | None = None) -> Path:
    """Fit until the second report of a phase, and return the folder of its checkpoints."""

    def stop(progress: FitProgress) -> None:
        if (progress.phase, progress.step) == (phase, 6):
            raise KilledError

    with pytest.raises(KilledError):
        fit_generator(folder, recipe or tiny_recipe(), out, stop)
    return out / "checkpoints"


@pytest.fixture
def other(tmp_path: Path) -> SnapshotFolder:
    return write_folder(tmp_path / "other", per_class=5)


def test_the_checkpoint_of_another_snapshot_or_recipe_is_refused(
    folder: SnapshotFolder, other: SnapshotFolder, tmp_path: Path
) -> None:
    checkpoints = killed_in("flow", folder, tmp_path / "first")
    for name, images, recipe in (
        ("other-images", other, tiny_recipe()),
        ("other-recipe", folder, tiny_recipe(seed=4)),
    ):
        shutil.copytree(checkpoints, tmp_path / name / "checkpoints")
        with pytest.raises(Conflict, match=r"autoencoder\.pt belongs to a fit of another recipe or of other images"):
            fit_generator(images, recipe, tmp_path / name)
    recipe = tiny_recipe()
    longer = recipe.model_copy(update={"flow": recipe.flow.model_copy(update={"steps": 8})})
    shutil.copytree(checkpoints, tmp_path / "other-flow" / "checkpoints")
    with pytest.raises(Conflict, match=r"flow\.pt belongs to a fit of another recipe"):
        fit_generator(folder, longer, tmp_path / "other-flow")


def test_a_finished_generator_that_lies_in_the_directory_is_not_taken_for_the_fit(
    fitted: Path, other: SnapshotFolder, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(fitted, tmp_path / "out"))
    (out / "fit.json").unlink()
    with pytest.raises(Conflict, match="holds a fit of another recipe or snapshot"):
        fit_generator(other, tiny_recipe(), out)


def test_a_flow_that_diverged_leaves_the_autoencoder_for_the_next_try_in_the_same_place(
    folder: SnapshotFolder, fitted: Path, tmp_path: Path
) -> None:
    recipe, out = tiny_recipe(), tmp_path / "out"
    high = recipe.model_copy(update={"flow": recipe.flow.model_copy(update={"learning_rate": 1e38})})
    with pytest.raises(Diverged, match=r"fit of flow diverged .* Lower flow\.learning_rate, now 1e\+38, in the recipe"):
        fit_generator(folder, high, out)
    assert [path.relative_to(out).as_posix() for path in out.rglob("*")] == [
        "checkpoints",
        "checkpoints/autoencoder.pt",
    ]
    seen: list[str] = []
    fit_generator(folder, recipe, out, lambda progress: seen.append(progress.phase))
    assert set(seen) == {"flow"}
    assert weights_digest(out) == weights_digest(fitted)


def test_an_autoencoder_that_diverged_leaves_nothing(folder: SnapshotFolder, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    high = recipe.model_copy(update={"autoencoder": recipe.autoencoder.model_copy(update={"learning_rate": 1e38})})
    with pytest.raises(Diverged, match=r"Lower autoencoder\.learning_rate"):
        fit_generator(folder, high, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_autoencoder_is_taken_over_and_what_it_saw_counts_as_seen(
    folder: SnapshotFolder, other: SnapshotFolder, fitted: Path, tmp_path: Path
) -> None:
    seen: list[str] = []
    out, source = tmp_path / "out", AutoencoderSource.read(fitted)
    recipe = tiny_recipe(autoencoder=tiny_recipe().autoencoder.model_copy(update={"steps": 99}))
    fit_generator(other, recipe, out, lambda progress: seen.append(progress.phase), autoencoder_from=source)
    assert set(seen) == {"flow"}
    card, before = read_card(out), read_card(fitted)
    assert card["autoencoder_from"] == {"name": "tiny-flow", "weights_digest": weights_digest(fitted)}
    assert card["recipe"]["autoencoder"] == before["recipe"]["autoencoder"]
    assert (set(card["losses"]), card["validation"]["autoencoder"][0][0]) == ({"flow"}, 0)
    assert card["metrics"]["autoencoder"]["psnr_db"] > 0
    (ancestor,) = card["fitted_on"]["lineage"]["generators"]
    assert ancestor["pixel_sha256"] == before["fitted_on"]["pixel_sha256"]
    assert ancestor["subjects"] == before["fitted_on"]["subjects"]
    ours, theirs = (load_autoencoder(path).state_dict() for path in (out, fitted))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if not name.startswith("latent_"))
    again = fit_generator(other, recipe, out, lambda _: pytest.fail("it was finished"), autoencoder_from=source)
    assert read_card(again) == card
    with pytest.raises(Conflict, match="holds a fit of another recipe or snapshot"):
        fit_generator(other, recipe, out)


def test_an_autoencoder_that_saw_held_out_or_withdrawn_subjects_is_refused(fitted: Path, tmp_path: Path) -> None:
    held_out = write_folder(tmp_path / "snapshot", per_class=5)
    (row, *_) = held_out.rows("validation")
    leaking = Path(shutil.copytree(fitted, tmp_path / "leaking"))
    card = json.loads((leaking / "card.json").read_text())
    card["fitted_on"]["subjects"].append(row.subject)
    (leaking / "card.json").write_text(json.dumps(card))
    with pytest.raises(LeakRefused, match=f"validation subjects or images .*{row.subject}"):
        fit_generator(held_out, tiny_recipe(), tmp_path / "a", autoencoder_from=AutoencoderSource.read(leaking))
    affected = Path(shutil.copytree(fitted, tmp_path / "affected"))
    Tombstones().add(1, "2026-11-25", (), False).write(affected)
    source = AutoencoderSource.read(affected)
    with pytest.raises(AffectedRefused, match="through the autoencoder of tiny-flow"):
        fit_generator(held_out, tiny_recipe(), tmp_path / "b", autoencoder_from=source)
    assert not (tmp_path / "a").exists()


def test_an_autoencoder_of_other_channels_is_refused(fitted: Path, tmp_path: Path) -> None:
    colour = write_folder(tmp_path / "snapshot", shape=(12, 12, 3))
    with pytest.raises(BadInput, match="takes images of 1 channels, snapshot 'tiny' has 3"):
        AutoencoderSource.read(fitted).refuse_other_images(colour)
