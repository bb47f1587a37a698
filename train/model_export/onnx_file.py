"""Write a run as one ONNX file, and hold its outputs against those of torch."""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from peft import PeftModel
from torch import Tensor, nn

from curation.errors import BadInput
from train.adaptation.model import AdaptedModel
from train.adaptation.run_folder import SavedRun

FILE = "model.onnx"
INPUT, OUTPUT = "pixel_values", "logits"
CHECKED = 3  # inputs that both sides see; another number than the graph was traced with
TOLERANCE = 1e-3  # of the largest logit
SEED = 0


@dataclass(frozen=True, slots=True)
class OnnxCheck:
    """How far the file is from torch on drawn inputs: the largest difference of a logit, and the largest logit."""

    difference: float
    largest_logit: float
    merged: bool  # whether an adapter was merged into the weights

    @property
    def is_equal(self) -> bool:
        """Whether the difference is rounding."""
        return self.difference <= TOLERANCE * max(1.0, self.largest_logit)


class _Logits(nn.Module):
    """Preprocessed images in, logits out; an input of the graph is named after the parameter."""

    def __init__(self, model: AdaptedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, C, h, w) to (N, n_classes)."""
        logits: Tensor = self.model(pixel_values)
        return logits


def write_onnx(run: SavedRun, path: Path) -> OnnxCheck:
    """Write the run at `path`; raises BadInput where ONNX cannot express it, or gives other outputs."""
    method = run.config.method.kind
    merged = merge_adapter(run.model)
    model = _Logits(merged or run.model).eval()
    backbone = run.model.backbone
    size = (backbone.preprocessing.num_channels, *backbone.preprocessing.input_size)
    try:
        with _quiet_exporter():
            program: Any = torch.onnx.export(
                model, (torch.zeros(2, *size),), dynamo=True, optimize=False, verbose=False, input_names=[INPUT],
                output_names=[OUTPUT], dynamic_shapes=({0: torch.export.Dim("batch")},),
            )  # fmt: skip
            program.save(path)
    except Exception as error:  # the exporter fails with nearly every type there is
        raise BadInput(
            f"--adaptation {method} on {type(backbone.model).__name__} cannot be written as ONNX "
            f"({_first_line(error)}). Export it with --format folder."
        ) from error
    check = _compare(run, path, size, merged is not None)
    if not check.is_equal:
        raise BadInput(
            f"the ONNX file of --adaptation {method} gives other logits than torch: they differ by up to "
            f"{check.difference:.2g} of {check.largest_logit:.2g}. Export it with --format folder."
        )
    _describe(path, run, check)
    return check


def merge_adapter(model: AdaptedModel) -> AdaptedModel | None:
    """A copy of the model with its adapter of peft merged into the weights; None where there is none to merge."""
    if not isinstance(model.encoder, PeftModel):
        return None
    copied = copy.deepcopy(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoder: Any = copied.encoder.merge_and_unload().eval()
    except (NotImplementedError, AttributeError, TypeError, ValueError, RuntimeError):
        return None  # the adapter is exported as it is
    copied.encoder = encoder
    copied.backbone = replace(copied.backbone, model=encoder)
    return copied


def _compare(run: SavedRun, path: Path, size: tuple[int, ...], merged: bool) -> OnnxCheck:
    """Run torch and the reference evaluator of ONNX on drawn inputs."""
    inputs = torch.randn(CHECKED, *size, generator=torch.Generator().manual_seed(SEED))
    with torch.inference_mode():
        expected = run.model.eval()(inputs).numpy()
    [logits] = ReferenceEvaluator(str(path)).run([OUTPUT], {INPUT: inputs.numpy()})
    return OnnxCheck(float(np.abs(logits - expected).max()), float(np.abs(expected).max()), merged)


def _describe(path: Path, run: SavedRun, check: OnnxCheck) -> None:
    """Put into the file what its reader needs to know."""
    model = onnx.load(path)
    facts = {
        "run": run.directory.name,
        "digest": run.card["digest"],
        "classes": json.dumps(run.card["classes"]),
        "notice": "NOT FOR DIAGNOSIS",
        "largest_difference_from_torch": f"{check.difference:.3g}",
    }
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, path)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence warnings of torch's exporter that no user can act on."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
