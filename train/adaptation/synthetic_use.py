"""How synthetic images are used: mixed with real ones, weighted in the loss, or seen before them.

`share` is what is given to them: of the images drawn, of the weight in the loss, or of the steps.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples
from train.adaptation.fit import History
from train.fitting.checkpoint import Checkpoint

PRETRAINING_SHARE = 0.5  # of the steps, where none is set
FitExamples = Callable[[Examples, AdaptationConfig, Checkpoint], History]


def check_synthetic(folder: SnapshotFolder, config: AdaptationConfig, *, compared: bool) -> None:
    """Raise BadInput where the use of synthetic images is set, or `compared`, and the snapshot has none."""
    asks = compared or config.synthetic != "mixed" or config.synthetic_share is not None
    if asks and all(row.origin != "synthetic" for row in folder.iter_rows("train")):
        raise BadInput(
            f"snapshot {folder.name!r} has no synthetic training images. Leave out --synthetic and --synthetic-share, "
            "or build it with `rounds snapshot build --synthetic approved`."
        )


def weigh_synthetic(examples: Examples, is_synthetic: NDArray[np.bool_], config: AdaptationConfig) -> Examples:
    """Give the synthetic images (N,) of every class that has both kinds their share; its total weight stays."""
    share = config.synthetic_share
    if share is None or config.synthetic == "pretrain":
        return examples
    weights = examples.weights.copy()
    for label in np.unique(examples.labels[is_synthetic]):
        of_class = examples.labels == label
        real, synthetic = of_class & ~is_synthetic, of_class & is_synthetic
        total = weights[of_class].sum()
        if real.any() and total > 0:
            weights[real] *= (1 - share) * total / weights[real].sum()
            weights[synthetic] *= share * total / weights[synthetic].sum()
    return replace(examples, weights=weights)


def fit_by_use(
    fit: FitExamples, train: Examples, is_synthetic: NDArray[np.bool_], config: AdaptationConfig, checkpoint: Checkpoint
) -> History:
    """Fit to all images, or first to the synthetic ones (N,) and then to the real ones, in as many steps together.

    Where either kind is missing there is one fit to all, so that the arms of a study take equal steps.
    """
    if config.synthetic != "pretrain" or not is_synthetic.any() or is_synthetic.all():
        return fit(train, config, checkpoint)
    total = config.total_steps(len(train.labels))
    first = min(total - 1, max(1, round(total * (config.synthetic_share or PRETRAINING_SHARE))))
    if total < 2:
        raise BadInput("--synthetic pretrain takes at least two steps. Raise --steps or --epochs.")
    settings = config.model_copy(update={"steps": first, "min_epochs": 0})
    path = checkpoint.path.with_stem(f"{checkpoint.path.stem}-synthetic")
    before = fit(_chosen(train, is_synthetic), settings, replace(checkpoint, path=path))
    settings = config.model_copy(update={"steps": total - first})
    history = fit(_chosen(train, ~is_synthetic), settings, checkpoint)
    facts = {"pretrained_on_synthetic": {"images": int(is_synthetic.sum()), "steps": before.steps, **before.metrics}}
    return replace(history, facts=history.facts | facts)


def _chosen(examples: Examples, mask: NDArray[np.bool_]) -> Examples:
    """The examples where `mask` (N,) is true."""
    places, views = np.flatnonzero(mask), examples.views
    return replace(
        examples,
        inputs=lambda chosen: examples.inputs(places[chosen]),
        labels=examples.labels[places],
        weights=examples.weights[places],
        views=None if views is None else lambda chosen, generator: views(places[chosen], generator),
    )
