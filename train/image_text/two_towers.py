"""Images and texts in one space: a stock CLIP or SigLIP, or towers that were aligned here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedConfig

from curation.digests import digest_of
from curation.errors import BadInput, Diverged
from curation.image_store import Pixels
from train.backbones.load import Backbone, locate_backbone
from train.backbones.preprocessing import Preprocessing
from train.backbones.text_tower import (
    TEXT_FILES,
    count_cut,
    load_tokenizer,
    load_whole,
    read_config,
    text_digest,
)
from train.image_text.aligned_folder import ALIGNED, load_aligned

STOCK_FILES = (*TEXT_FILES, "preprocessor_config.json")
BATCH = 64
Floats = NDArray[np.float32]


def _refuse_features(features: Floats) -> Floats:
    raise TypeError(f"a stock model takes pictures, got features {features.shape}")


@dataclass(frozen=True)
class TwoTowers:
    """A model of images and text: unit vectors (N, D) of either, and how their products become logits."""

    name: str
    digest: str
    directory: Path
    images: Callable[[Pixels], Floats]  # (N, H, W, C) to (N, D)
    texts: Callable[[Sequence[str]], Floats]
    count_cut: Callable[[Sequence[str]], int]
    max_length: int
    scale: float
    bias: float = 0.0
    image_tower: Backbone | None = None  # of towers that were aligned here
    project: Callable[[Floats], Floats] = _refuse_features  # features of that tower (N, Di) to (N, D)

    def logits(self, images: Floats, texts: Floats) -> Floats:
        """Logits (N, M) of image vectors (N, D) and text vectors (M, D)."""
        return np.asarray(self.scale * images @ texts.T + self.bias, np.float32)


def load_two_towers(id_or_dir: str | Path, device: str = "cpu") -> TwoTowers:
    """Load a folder made by `rounds backbone align`, or a CLIP or SigLIP as an id or a directory.

    Raises BadInput for a model whose towers nothing aligns, NotFound when absent.
    """
    directory = locate_backbone(id_or_dir, STOCK_FILES)
    name = directory.name if Path(id_or_dir).is_dir() else str(id_or_dir)
    if (directory / ALIGNED).is_file():
        return _of_aligned(directory, name, device)
    config = read_config(directory)
    if not hasattr(config, "vision_config") or not hasattr(config, "text_config"):
        raise BadInput(
            f"{directory} ({config.model_type}) has one tower, and nothing aligns it with text. Align it with a text "
            "model: `rounds backbone align --image IMAGE --text TEXT --snapshot NAME --out DIR`; or give a CLIP or "
            "SigLIP."
        )
    return _of_stock(directory, config, name, device)


def _of_stock(directory: Path, config: PreTrainedConfig, name: str, device: str) -> TwoTowers:
    model: Any = load_whole(directory, config).to(device).eval()
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale"):
        raise BadInput(f"{directory}: {config.model_type!r} gives no vectors of text. Use a CLIP or a SigLIP.")
    preprocessing = Preprocessing.read(directory, int(getattr(config.vision_config, "num_channels", 3)))
    tokenizer = load_tokenizer(directory)
    length = int(config.text_config.max_position_embeddings)
    padding = "max_length" if config.model_type.startswith("siglip") else True  # SigLIP was trained on padded texts

    def texts(written: Sequence[str]) -> Tensor:
        tokens = tokenizer(list(written), padding=padding, truncation=True, max_length=length, return_tensors="pt")
        known = {key: value.to(device) for key, value in tokens.items() if key in ("input_ids", "attention_mask")}
        if padding == "max_length":
            known.pop("attention_mask", None)
        return _vectors(model.get_text_features(**known))

    def images(pixels: Pixels) -> Tensor:
        return _vectors(model.get_image_features(pixel_values=preprocessing(pixels).to(device)))

    digest = digest_of([text_digest(directory), preprocessing.as_config()])
    bias = float(model.logit_bias.detach()) if hasattr(model, "logit_bias") else 0.0
    return TwoTowers(
        name,
        digest,
        directory,
        lambda pixels: _in_batches(images, pixels, name),
        lambda written: _in_batches(texts, written, name),
        lambda written: count_cut(tokenizer, written, length),
        length,
        float(model.logit_scale.detach().exp()),
        bias,
    )


def _vectors(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.pooler_output


def _in_batches(tower: Callable[[Any], Tensor], values: Any, name: str) -> Floats:
    """Unit vectors of images or texts, without gradients; raises Diverged where one is no number."""
    with torch.inference_mode():
        starts = range(0, len(values), BATCH)
        parts = [normalize(tower(values[start : start + BATCH]).float(), dim=1).cpu().numpy() for start in starts]
    vectors = np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
    if not np.isfinite(vectors).all():
        raise Diverged(f"model {name!r} gives vectors that are NaN or infinite, so nothing can rest on them.")
    return np.asarray(vectors, np.float32)


def _of_aligned(directory: Path, name: str, device: str) -> TwoTowers:
    aligned = load_aligned(directory, device)
    projections, text, image = aligned.projections.eval(), aligned.text, aligned.image

    def project(features: Floats) -> Tensor:
        return projections.images(torch.from_numpy(features).to(device))

    def texts(written: Sequence[str]) -> Tensor:
        return projections.texts(text.pooled(written))

    return TwoTowers(
        name,
        aligned.digest,
        directory,
        lambda pixels: _in_batches(project, image.features(pixels), name),
        lambda written: _in_batches(texts, written, name),
        text.count_cut,
        text.max_length,
        float(projections.scale.detach()),
        float(projections.bias.detach()),
        image,
        lambda features: _in_batches(project, features, name),
    )
