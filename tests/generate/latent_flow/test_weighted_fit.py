"""A fit samples its images as often as the snapshot weighs them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare

from curation.snapshots.folder import SnapshotFolder, write_rows
from generate.card import weights_digest
from generate.latent_flow.fit import fit_generator
from generate.latent_flow.fit_autoencoder import fit_autoencoder
from generate.latent_flow.fit_flow import fit_flow
from generate.latent_flow.fit_images import draw_batch, load_images
from screening.error_rates.canaries import plant
from tests.generate.folders import CLASSES, tiny_recipe, write_folder
from tests.screening.error_rates.test_canaries import tiny_plan
from train.fitting.seeding import step_generator


def weighing(path: Path, bright: float, dark: float, per_class: int = 6) -> SnapshotFolder:
    """The tiny folder with other weights for the training images of its two classes."""
    folder = write_folder(path, per_class=per_class)
    weights = dict(zip(CLASSES, (dark, bright), strict=True))
    write_rows(path, "train", [replace(row, weight=weights[row.label]) for row in folder.rows("train")])
    return SnapshotFolder.open(path)


def test_images_that_weigh_the_same_are_drawn_as_they_were_before_weights_counted() -> None:
    for weight in (1.0, 0.3):
        weights = torch.full((10,), weight, dtype=torch.float64)
        few, many = (draw_batch(weights, size, step_generator(7, "flow", 3)).tolist() for size in (4, 12))
        assert few == [8, 7, 2, 5]
        assert many == [8, 4, 4, 3, 0, 0, 5, 3, 7, 4, 6, 3]


@pytest.mark.parametrize("size", [1, 5, 32])
def test_unequal_weights_are_drawn_in_proportion(size: int) -> None:
    weights = torch.tensor([1, 1, 2, 0.5, 8, 0.25], dtype=torch.float64)
    draws = 20_000 // size
    drawn = torch.cat([draw_batch(weights, size, step_generator(0, "flow", step)) for step in range(draws)])
    counts = torch.bincount(drawn, minlength=6)
    expected = weights / weights.sum() * len(drawn)
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3
    even = torch.full((6,), len(drawn) / 6, dtype=torch.float64)
    assert chisquare(counts.numpy(), even.numpy()).pvalue < 1e-12  # the bound tells them apart


@pytest.mark.slow
def test_a_fit_on_weights_that_are_equal_is_the_fit_without_and_on_unequal_ones_another(
    fitted: Path, tmp_path: Path
) -> None:
    digests = {}
    for name, bright, dark in (("doubled", 2.0, 2.0), ("unequal", 3.0, 1.0)):
        out = fit_generator(weighing(tmp_path / f"{name}-snapshot", bright, dark), tiny_recipe(), tmp_path / name)
        digests[name] = weights_digest(out)
    assert digests["doubled"] == weights_digest(fitted)
    assert digests["unequal"] != weights_digest(fitted)


@pytest.mark.slow
def test_both_phases_draw_by_weight(tmp_path: Path) -> None:
    even = load_images(weighing(tmp_path / "even", 1.0, 1.0), tiny_recipe())
    bright = load_images(weighing(tmp_path / "bright", 1.0, 1e-12), tiny_recipe())
    assert bright.weights.tolist() == [1.0 if CLASSES[label] == "bright" else 1e-12 for label in bright.train_labels]
    # What the dark images show cannot matter where none of them is drawn.
    inverted = replace(bright, train=bright.train.copy())
    inverted.train[bright.train_labels.numpy() == CLASSES.index("dark")] ^= 255
    losses = {}
    for name, images in (("even", even), ("bright", bright), ("inverted", inverted)):
        autoencoder, first = fit_autoencoder(images, tiny_recipe(), tmp_path / name, lambda _: None, "cpu")
        autoencoder.latent_mean.zero_()  # they are of every image, drawn or not
        autoencoder.latent_std.fill_(1.0)
        _, second = fit_flow(images, autoencoder, tiny_recipe(), tmp_path / name, lambda _: None, "cpu")
        losses[name] = (first.losses, second.losses)
    assert losses["bright"] == losses["inverted"]
    assert losses["bright"][0] != losses["even"][0]
    assert losses["bright"][1] != losses["even"][1]


def test_a_canary_is_drawn_as_often_as_it_is_repeated_whatever_it_weighs(tmp_path: Path) -> None:
    planted = plant(weighing(tmp_path / "folder", 5.0, 1.0, per_class=12), tiny_plan())
    for images in (planted.with_canaries, planted.without):
        assert images.weights.tolist() == [1.0] * len(images.train)
