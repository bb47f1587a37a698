"""What the simulated lesions do to the tissue around them."""

import numpy as np

from curation.ingest.virtual_brains.anatomy import Tissue, Warp, frame_mm
from curation.ingest.virtual_brains.lesions import OldInfarct, RingLesion


def coarse_brain() -> Tissue:
    return Warp.draw(np.random.default_rng(5)).sample(64)


def uniform(white: float, n: int = 128) -> Tissue:
    whole = np.ones((n, n), np.float32)
    return Tissue(t1=whole, gray=whole * np.float32(1 - white), white=whole * np.float32(white), brain=whole)


def test_oedema_darkens_white_matter_and_spares_cortex() -> None:
    ring = RingLesion.draw(np.random.default_rng(1), coarse_brain())
    in_white, share = ring.paint(uniform(white=1.0))
    in_cortex, _ = ring.paint(uniform(white=0.0))
    x, y = frame_mm(128)
    distance = np.hypot(x - ring.centre_mm[0], y - ring.centre_mm[1])
    near = (share == 0) & (distance < 1.5 * ring.radius_mm)
    assert in_white[near].mean() < 0.9
    np.testing.assert_allclose(in_cortex[share == 0], 1.0, atol=1e-5)


def test_mass_effect_pushes_away_from_the_ring_and_leaves_the_surface_where_it_was() -> None:
    coarse = coarse_brain()
    ring = RingLesion.draw(np.random.default_rng(2), coarse)
    dx, dy = ring.push(64)
    x, y = frame_mm(64)
    outward = dx * (x - ring.centre_mm[0]) + dy * (y - ring.centre_mm[1])
    assert (outward <= 1e-9).all()  # what is seen came from nearer the centre
    assert np.hypot(dx, dy).max() > 3
    assert np.abs(np.hypot(dx, dy)[coarse.brain < 0.1]).max() < 0.5


def test_mass_effect_never_folds_tissue_over_itself() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        coarse = coarse_brain()
        lesion = RingLesion.draw(rng, coarse) if seed % 2 else OldInfarct.draw(rng, coarse)
        x, y = frame_mm(128)
        dx, dy = lesion.push(128)
        outside = lesion.paint(uniform(white=1.0))[1] == 0
        xx, xy = np.gradient(x + dx, x[0], y[:, 0] * -1)[::-1], np.gradient(y + dy, x[0], y[:, 0] * -1)[::-1]
        determinant = -(xx[0] * xy[1] - xx[1] * xy[0])  # rows run downwards, y upwards
        assert (determinant[outside] > 0).all()


def test_volume_loss_draws_the_surface_in_over_an_infarct() -> None:
    infarct = OldInfarct.draw(np.random.default_rng(4), coarse_brain())
    dx, dy = infarct.push(64)
    x, y = frame_mm(64)
    surface = np.array(infarct.apex_mm) + infarct.depth_mm * np.array(infarct.outward)
    there = np.hypot(x - surface[0], y - surface[1]) < 5
    assert (dx * infarct.outward[0] + dy * infarct.outward[1])[there].mean() > 1
