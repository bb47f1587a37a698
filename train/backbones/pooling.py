"""Make one feature vector of a vision model's output, or take its class token and patch tokens apart."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from curation.errors import BadInput

STATISTICS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "tokens": (lambda tokens: tokens.mean(dim=1),),
    "tokens-max": (lambda tokens: tokens.mean(dim=1), lambda tokens: tokens.amax(dim=1)),
    "tokens-statistics": (
        lambda tokens: tokens.mean(dim=1),
        lambda tokens: tokens.amax(dim=1),
        lambda tokens: tokens.amin(dim=1),
        lambda tokens: tokens.std(dim=1) if tokens.shape[1] > 1 else torch.zeros_like(tokens[:, 0]),
    ),
}
CLASS_TOKEN, CLASS_AND_PATCHES = "cls", "cls-tokens"
MAP = "map"
OF_MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    MAP: lambda hidden: hidden.mean(dim=(2, 3)),
    "map-max": lambda hidden: torch.cat([hidden.mean(dim=(2, 3)), hidden.amax(dim=(2, 3))], dim=1),
    "map-statistics": lambda hidden: torch.cat(
        [statistic(hidden.flatten(2).transpose(1, 2)) for statistic in STATISTICS["tokens-statistics"]], dim=1
    ),
}
CLASS_TOKEN_NAMES = ("cls_token", "class_embedding", "class_token")


class Tokens(NamedTuple):
    """A model's output with the class token apart from the patch tokens; registers are left out."""

    class_token: Tensor | None  # (N, D)
    patches: Tensor  # (N, T, D), rows of the image one after the other


def has_class_token(model: torch.nn.Module) -> bool:
    """Whether the first token of the model's sequence is a class token."""
    return any(name.rsplit(".", 1)[-1] in CLASS_TOKEN_NAMES for name, _ in model.named_parameters())


def says_pooling(config: PreTrainedConfig) -> bool:
    """Whether config.json names the pooling."""
    return hasattr(config, "feature_pooling")


def choose_pooling(model: PreTrainedModel, hidden: Tensor) -> str:
    """Choose class token beside patch mean where both exist, else the patch mean; a feature map is averaged.

    `feature_pooling` in config.json overrides this (`cls`, `cls-tokens`, a key of STATISTICS; of OF_MAPS for a map): a
    masked autoencoder trains the patch tokens and leaves the class token without a task.
    """
    if hidden.ndim == 4:
        return _check_pooling(model, MAP, list(OF_MAPS))
    with_class_token = has_class_token(model)
    default = CLASS_AND_PATCHES if with_class_token else "tokens"
    expected = ([CLASS_TOKEN, CLASS_AND_PATCHES] if with_class_token else []) + list(STATISTICS)
    pooling = _check_pooling(model, default, expected)
    return pooling if pooling == CLASS_TOKEN else f"{pooling}+{count_before_patches(model, with_class_token)}"


def _check_pooling(model: PreTrainedModel, default: str, expected: list[str]) -> str:
    """Read the pooling that config.json names, else the default; raises BadInput for one the model cannot have."""
    pooling: str = model.config.feature_pooling if says_pooling(model.config) else default
    if pooling not in expected:
        raise BadInput(
            f"config.json: feature_pooling: expected one of {', '.join(expected)} for {type(model).__name__}, got "
            f"{pooling!r}. Leave it out."
        )
    return pooling


def pool_features(output: Any, pooling: str) -> Tensor:
    """Pool a model's output to (N, D).

    `cls`: the first token. Of the tokens after the first K: `tokens+K` their mean, `cls-tokens+K` the first token
    beside their mean, `tokens-max+K` their mean and maximum, `tokens-statistics+K` mean, maximum, minimum and standard
    deviation, which keep what is small and strong. `map`, `map-max` and `map-statistics`: the same of a feature map.
    """
    hidden: Tensor = output.last_hidden_state  # (N, T, D), or (N, D, h, w) for a convolutional map
    if pooling in OF_MAPS:
        return OF_MAPS[pooling](hidden)
    if pooling == CLASS_TOKEN:
        return hidden[:, 0]
    kind, prefix = pooling.split("+")
    tokens = hidden[:, int(prefix) :]
    if kind == CLASS_AND_PATCHES:
        return torch.cat([hidden[:, 0], tokens.mean(dim=1)], dim=1)
    return torch.cat([statistic(tokens) for statistic in STATISTICS[kind]], dim=1)


def class_token_width(pooling: str, dimension: int) -> int | None:
    """Return how many of `dimension` features are the class token, which comes first; None where it stands apart."""
    return dimension // 2 if pooling.startswith(CLASS_AND_PATCHES) else None


def split_tokens(output: Any, model: torch.nn.Module) -> Tokens:
    """Take class token and patch tokens apart; the places of a convolutional map are patches."""
    hidden: Tensor = output.last_hidden_state
    if hidden.ndim == 4:
        return Tokens(None, hidden.flatten(2).transpose(1, 2))
    with_class_token = has_class_token(model)
    patches = hidden[:, count_before_patches(model, with_class_token) :]
    return Tokens(hidden[:, 0] if with_class_token else None, patches)


def count_before_patches(model: Any, with_class_token: bool) -> int:
    """Count the tokens before those of the patches: class token and registers."""
    return int(with_class_token) + int(getattr(model.config, "num_register_tokens", 0) or 0)
