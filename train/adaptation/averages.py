"""Average weights after a fit: a soup of several fits, and the curve between start and end.

Validation chooses.
All fits begin at one start, adapters with it, so that their weights may be averaged.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curation.errors import BadInput
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, evaluate_loss
from train.adaptation.fit import History
from train.adaptation.model import AdaptedModel
from train.fitting.checkpoint import Checkpoint
from train.fitting.kept_weights import load_trained_state, trained_state

SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(11))  # of the way from start to end
Weights = dict[str, Tensor]
Measure = Callable[[Weights], dict[str, float]]


def fit_and_average(
    fit: Callable[[AdaptationConfig, Checkpoint], History],
    model: AdaptedModel,
    validation: Examples | None,
    config: AdaptationConfig,
    checkpoint: Checkpoint,
) -> History:
    """Fit `model` in place as often as `config.soup` says, average the fits, interpolate with the start.

    The history is that of the first fit. Raises BadInput where there is no validation to choose by.
    """
    if config.soup == 1 and not config.interpolate:
        return fit(config, checkpoint)
    if validation is None:
        raise BadInput(
            "a soup and the curve between start and end are chosen on validation images, and the snapshot has none."
            " Build one with a validation split, or leave --soup and --interpolate out."
        )
    examples = validation

    def measure(weights: Weights) -> dict[str, float]:
        load_trained_state(model, weights)
        return evaluate_loss(model, examples, config.batch_size)

    start = _copy(model)
    histories, ends = [], []
    for number in range(config.soup):
        load_trained_state(model, start)
        path = checkpoint.path.with_stem(f"{checkpoint.path.stem}-{number}")
        settings = config.model_copy(update={"seed": config.seed + number})
        histories.append(fit(settings, replace(checkpoint, path=path)))
        ends.append(_copy(model))
    averages: dict[str, Any] = {}
    end = ends[0]
    if config.soup > 1:
        end, averages["soup"] = cook_soup(ends, measure)
    if config.interpolate:
        end, averages["curve"] = choose_on_curve(start, end, measure)
    return replace(histories[0], facts=histories[0].facts | averages, measures=measure(end))


def cook_soup(ends: list[Weights], measure: Measure) -> tuple[Weights, dict[str, Any]]:
    """Average weights greedily, the best on validation first; one that makes the average worse is left out.

    Wortsman et al. 2022, arXiv:2203.05482, recipe 1.
    """
    losses = [measure(end)["validation_loss"] for end in ends]
    order = [int(number) for number in np.argsort(losses, kind="stable")]
    kept, lowest = [order[0]], losses[order[0]]
    for number in order[1:]:
        loss = measure(_mean([ends[place] for place in [*kept, number]]))["validation_loss"]
        if loss <= lowest:
            kept, lowest = [*kept, number], loss
    return _mean([ends[place] for place in kept]), {"losses": losses, "kept": sorted(kept), "validation_loss": lowest}


def choose_on_curve(start: Weights, end: Weights, measure: Measure) -> tuple[Weights, list[dict[str, float]]]:
    """Measure the weights at tenths of the way from start to end, and choose the lowest validation loss (WiSE-FT).

    Wortsman et al. 2021, arXiv:2109.01903.
    """
    curve = [{"share": share, **measure(_between(start, end, share))} for share in SHARES]
    best = min(curve, key=lambda point: point["validation_loss"])
    return _between(start, end, best["share"]), curve


def _copy(model: AdaptedModel) -> Weights:
    return {name: value.detach().clone() for name, value in trained_state(model).items()}


def _mean(all_weights: list[Weights]) -> Weights:
    """Average weights; a counter of batches is no weight and stays that of the last."""
    by_name = {name: [weights[name] for weights in all_weights] for name in all_weights[0]}
    return {
        name: torch.stack(values).mean(dim=0) if values[0].is_floating_point() else values[-1]
        for name, values in by_name.items()
    }


def _between(start: Weights, end: Weights, share: float) -> Weights:
    """The weights at `share` of the way from start to end."""
    return {
        name: torch.lerp(start[name], value, share) if value.is_floating_point() else value
        for name, value in end.items()
    }
