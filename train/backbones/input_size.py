"""Run a vision model at another size than it was trained at, its table of positions interpolated."""

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from curation.errors import BadInput
from train.backbones.processor_config import FILE

INTERPOLATION = "interpolate_pos_encoding"


def is_asked_to_interpolate(model: torch.nn.Module) -> bool:
    """Whether the model interpolates its positions only when asked (ViT, CLIP, SigLIP); DINOv2 does it by itself."""
    return INTERPOLATION in inspect.signature(model.forward).parameters


def run_model(model: torch.nn.Module, inputs: Tensor, is_asked: bool, **options: bool) -> Any:
    """Run the model on inputs (N, C, h, w); at the size it was trained at nothing is interpolated.

    `options` go to the model: `output_hidden_states` keeps what each layer gave.
    """
    if is_asked and not is_trained_at(model, tuple(inputs.shape[2:])):
        options[INTERPOLATION] = True
    return model(inputs, **options)


def is_trained_at(model: torch.nn.Module, size: tuple[int, ...]) -> bool:
    """Whether the model was trained at this height and width."""
    return _as_pair(getattr(model.config, "image_size", None)) == size


def try_inputs(model: PreTrainedModel, inputs: Tensor, directory: Path) -> Any:
    """Run the model on inputs (1, C, h, w) and return its output; raises BadInput where it does not take their size."""
    height, width = inputs.shape[2:]
    try:
        with torch.inference_mode():
            output = run_model(model, inputs.to(model.device), is_asked_to_interpolate(model))
    except (ValueError, RuntimeError) as error:
        raise BadInput(
            f"{directory / FILE} makes inputs of {height} x {width}, and {type(model).__name__} does not take them "
            f"({str(error).splitlines()[0]}). {_advise(model, height, width)}"
        ) from error
    if output.last_hidden_state.ndim == 3 and _cuts_off(model, height, width):
        raise BadInput(
            f"{directory / FILE} makes inputs of {height} x {width}, and {type(model).__name__} would cut off what is "
            f"no whole patch. {_advise(model, height, width)}"
        )
    return output


def _cuts_off(model: PreTrainedModel, height: int, width: int) -> bool:
    """Whether patches do not cover the input; the size that a model was trained at is right as it is."""
    patch = _as_pair(getattr(model.config, "patch_size", None))
    if patch is None or _as_pair(getattr(model.config, "image_size", None)) == (height, width):
        return False
    return bool(height % patch[0] or width % patch[1])


def _advise(model: PreTrainedModel, height: int, width: int) -> str:
    """What to set the size to."""
    patch = _as_pair(getattr(model.config, "patch_size", None))
    if patch is None or not (height % patch[0] or width % patch[1]):
        return "Set size to what the model was trained at."
    sizes = [
        f"{height - height % patch[0] + more * patch[0]} x {width - width % patch[1] + more * patch[1]}"
        for more in (0, 1)
        if height >= patch[0] or more
    ]
    return f"Its patches are {patch[0]} x {patch[1]}: the nearest sizes that divide are {' and '.join(sizes)}."


def _as_pair(size: Any) -> tuple[int, int] | None:
    """A size of a configuration as height and width."""
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[1])) if isinstance(size, list | tuple) and len(size) == 2 else None
