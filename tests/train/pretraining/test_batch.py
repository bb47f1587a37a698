"""Views and crops have their sizes, are functions of their generator, and show parts of their image."""

import torch

from train.pretraining.batch import BatchShape, choose_masked, draw_crops, make_batch
from train.pretraining.continued_recipe import ViewSettings

FIELDS = ("images", "views", "crops", "noise", "labels", "progress")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_has_the_shapes_that_objectives_read_and_the_same_generator_gives_it_again() -> None:
    images, labels = torch.rand(5, 3, 24, 24), torch.arange(5)
    shape = BatchShape(num_cells=9, local_size=16, num_local_crops=3)
    batch, again = (make_batch(FIELDS, images, labels, shape, ViewSettings(), generator(), 0.25) for _ in range(2))
    assert [view.shape for view in (batch.images, *batch.views)] == [(5, 3, 24, 24)] * 3
    assert [crop.shape for crop in batch.crops] == [(5, 3, 16, 16)] * 3
    assert (batch.noise.shape, batch.labels.tolist(), batch.progress) == ((5, 9), [0, 1, 2, 3, 4], 0.25)
    for ours, theirs in zip((*batch.views, *batch.crops), (*again.views, *again.crops), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(*batch.views)


def test_what_no_objective_asked_for_is_not_made() -> None:
    batch = make_batch(
        ("noise",), torch.rand(2, 1, 8, 8), torch.zeros(2), BatchShape(4), ViewSettings(), generator(), 0
    )
    assert (batch.images, batch.views, batch.crops, batch.labels, batch.progress) == (None,) * 5


def test_a_crop_shows_a_share_of_the_image_and_mirrors_only_when_asked() -> None:
    across = torch.linspace(0, 1, 64).expand(400, 1, 64, 64)
    crops = draw_crops(across, 64, (0.25, 0.25), False, generator())
    widths = crops[:, 0, 0, -1] - crops[:, 0, 0, 0]
    assert 0.40 < float(widths.min()) < float(widths.max()) < 0.60  # sides of 0.5, at most 4 to 3
    assert 0 <= float(crops.min()) <= float(crops.max()) <= 1
    mirrored = draw_crops(across, 64, (0.25, 0.25), True, generator())
    backwards = (mirrored[:, 0, 0, -1] < mirrored[:, 0, 0, 0]).float().mean()
    assert 0.4 < float(backwards) < 0.6
    whole = draw_crops(across, 64, (1.0, 1.0), False, generator())
    assert float(whole.mean()) > 0.45


def test_every_image_has_as_many_masked_cells() -> None:
    mask = choose_masked(torch.rand(7, 20, generator=generator()), 0.6)
    assert mask.sum(1).tolist() == [12] * 7
