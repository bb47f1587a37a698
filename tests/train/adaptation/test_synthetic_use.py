"""Synthetic images get their share of the drawing, of the loss or of the steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from curation.errors import BadInput
from curation.progress import OnProgress, silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.adaptation.test_resumption import short
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.batch_loss import BatchLoss
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, sampling_probabilities
from train.adaptation.synthetic_use import check_synthetic, weigh_synthetic
from train.adaptation.tuning import make_searches

LABELS = np.array([0] * 6 + [1] * 4 + [0] * 2 + [1] * 6)
IS_SYNTHETIC = np.array([False] * 10 + [True] * 8)


def examples() -> Examples:
    weights = np.linspace(0.5, 2.0, len(LABELS))
    return Examples(lambda chosen: torch.zeros(len(chosen), 3), LABELS, weights, np.ones(2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    path = tmp_path_factory.mktemp("synthetic")
    save_backbone(path / "backbone")
    return write_snapshot(path / "snapshot", {"train": 12, "validation": 6}, synthetic=["upper", "lower", "upper"] * 3)


@pytest.mark.parametrize("class_balanced", [True, False])
def test_synthetic_images_are_drawn_at_their_share_of_every_class(class_balanced: bool) -> None:
    weighed = weigh_synthetic(examples(), IS_SYNTHETIC, AdaptationConfig(synthetic_share=0.25))
    drawn = sampling_probabilities(weighed, class_balanced).numpy()
    before = sampling_probabilities(examples(), class_balanced).numpy()
    for label in (0, 1):
        of_class = label == LABELS
        assert drawn[of_class & IS_SYNTHETIC].sum() / drawn[of_class].sum() == pytest.approx(0.25)
        assert drawn[of_class].sum() == pytest.approx(before[of_class].sum())
    assert weigh_synthetic(examples(), IS_SYNTHETIC, AdaptationConfig()).weights.tolist() == examples().weights.tolist()


def test_weighted_synthetic_images_are_drawn_like_others_and_count_by_their_share() -> None:
    config = AdaptationConfig(synthetic="weighted", synthetic_share=0.25)
    weighed = weigh_synthetic(examples(), IS_SYNTHETIC, config)
    loss = BatchLoss(nn.Linear(3, 2), weighed, config, torch.Generator(), None)
    assert loss.loss_weights is not None
    assert len(set(loss.probabilities.tolist())) == 1
    share = loss.loss_weights[torch.from_numpy(IS_SYNTHETIC)].sum() / loss.loss_weights.sum()
    assert float(share) == pytest.approx(0.25)


def stop_at_report(number: int) -> OnProgress:
    reports: list[int] = []

    def progress(done: int, total: int, note: str | None) -> None:
        if note != "features":
            reports.append(done)
        if len(reports) == number:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("adaptation", ["linear-probe", "lora"])
def test_synthetic_images_come_first_also_after_a_kill(adaptation: str, folder: SnapshotFolder, tmp_path: Path) -> None:
    config = short(folder, adaptation, synthetic="pretrain", synthetic_share=0.5, evaluations=2)
    whole = adapt(folder, config, tmp_path / "whole", silent)
    assert (whole.card["pretrained_on_synthetic"]["images"], whole.card["steps"]) == (9, 4)
    for kill_at in (1, 2):  # report of its process: in the fit on synthetic images, then in that on real ones
        with pytest.raises(KeyboardInterrupt):
            adapt(folder, config, tmp_path / "resumed", stop_at_report(kill_at))
    assert adapt(folder, config, tmp_path / "resumed", silent).card == whole.card
    mixed = adapt(folder, short(folder, adaptation, evaluations=2), tmp_path / "mixed", silent)
    assert mixed.card["history"] != whole.card["history"]


def test_what_cannot_be_is_refused(folder: SnapshotFolder, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="synthetic: for fits that go step by step; logistic takes no steps"):
        AdaptationConfig.checked(adaptation="logistic", synthetic="pretrain")
    with pytest.raises(BadInput, match="synthetic_share: ridge sums every image by its own weight"):
        AdaptationConfig.checked(adaptation="ridge", synthetic_share=0.5)
    real = write_snapshot(tmp_path / "real", {"train": 2})
    with pytest.raises(BadInput, match="snapshot 'real' has no synthetic training images"):
        check_synthetic(real, AdaptationConfig(synthetic="weighted"), compared=False)
    check_synthetic(folder, AdaptationConfig(synthetic="weighted"), compared=False)


def test_each_use_is_searched_alike(folder: SnapshotFolder) -> None:
    searches = make_searches(folder, AdaptationConfig(), compare_synthetic=True)
    assert [*searches] == ["mixed", "weighted", "pretrain"]
    assert len({frozenset(search.space) for search in searches.values()}) == 1
    for use, search in searches.items():
        tried = search.with_entries(search.defaults())
        assert (tried.synthetic, tried.synthetic_share) == (use, 0.5)
