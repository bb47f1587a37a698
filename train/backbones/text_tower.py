"""A text model of transformers as a tower: texts to vectors."""

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel

from curation.errors import BadInput, Diverged
from train.backbones.load import locate_backbone, quiet_transformers

TEXT_FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt", "*.model"),
    *("sentence_bert_config.json", "1_Pooling/config.json"),
)
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
BATCH = 64
LONGEST_LENGTH = 512


def text_digest(directory: Path) -> str:
    """Hash the names and bytes of what decides the vectors of a text: configuration, tokenizer, weights (SHA-256)."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in TEXT_FILES for path in directory.glob(pattern)}):
        name = path.relative_to(directory).as_posix()
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def read_json_file(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file is an empty one."""
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def read_config(directory: Path) -> PreTrainedConfig:
    """Read config.json; raises BadInput where transformers knows no such architecture without running its code."""
    if not (directory / "config.json").is_file():
        raise BadInput(f"{directory}: expected a model in transformers layout with config.json, found none.")
    try:
        return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except ValueError as error:
        raise BadInput(
            f"{directory}/config.json: not an architecture that transformers knows without running code of the model."
        ) from error


def takes_text(config: PreTrainedConfig) -> bool:
    """Whether the model of a configuration reads token ids."""
    return (
        type(config) in MODEL_MAPPING
        and "input_ids" in inspect.signature(MODEL_MAPPING[type(config)].forward).parameters
    )


def load_whole(directory: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Load a model in float32 from safetensors; raises BadInput when weights are missing."""
    if not list(directory.glob("*.safetensors")):
        raise BadInput(
            f"{directory}: expected weights as safetensors, found none. Pickled weights run code; convert them first."
        )
    with quiet_transformers():
        model, report = AutoModel.from_pretrained(
            directory, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
            local_files_only=True, output_loading_info=True,
        )  # fmt: skip
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name and "position_ids" not in name)
    if missing:
        raise BadInput(
            f"{directory}: expected every weight, but {len(missing)} are missing and would be random, the first is"
            f" {missing[0]}. Save the whole model again."
        )
    return model


def load_tokenizer(directory: Path) -> Any:
    """Load the tokenizer beside a model; raises BadInput without one, for which transformers may make an empty one."""
    try:
        if not any(path for pattern in VOCABULARIES for path in directory.glob(pattern)):
            raise ValueError("no vocabulary")
        return AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise BadInput(
            f"{directory}: no tokenizer that can be read beside the weights ({type(error).__name__}). Save the one of "
            "the model there: tokenizer.json and tokenizer_config.json."
        ) from error


@dataclass(frozen=True, slots=True)
class TextTower:
    """A text model with its tokenizer: one vector (D) of each text."""

    name: str
    digest: str
    directory: Path
    model: PreTrainedModel
    tokenizer: Any
    pooling: str  # `mean` of the tokens, `cls`: the first of them
    max_length: int
    dimension: int

    @classmethod
    def load(cls, id_or_dir: str | Path, device: str = "cpu") -> Self:
        """Load a Hugging Face id or a directory; raises NotFound when absent, BadInput when it cannot be used."""
        directory = locate_backbone(id_or_dir, TEXT_FILES)
        config = read_config(directory)
        if hasattr(config, "vision_config"):
            raise BadInput(
                f"{directory} holds towers of images and of text that are aligned already: use it as it is, or give a "
                "text model for --text."
            )
        if not takes_text(config):
            raise BadInput(
                f"{directory} is no text model: {config.model_type!r} does not read text. An image model goes with "
                "--image; for --text give a text model such as all-minilm-l6."
            )
        model = load_whole(directory, config).to(device).eval()
        tokenizer = load_tokenizer(directory)
        pooling = (
            "cls" if read_json_file(directory / "1_Pooling" / "config.json").get("pooling_mode_cls_token") else "mean"
        )
        name = directory.name if Path(id_or_dir).is_dir() else str(id_or_dir)
        dimension = int(config.hidden_size)
        return cls(
            name, text_digest(directory), directory, model, tokenizer, pooling, _length(directory, config), dimension
        )

    def pooled(self, texts: Sequence[str]) -> Tensor:
        """Vectors (N, D) of texts, cut at `max_length` tokens; gradients flow."""
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(self.model.device)
        hidden = self.model(**tokens).last_hidden_state  # (N, T, D)
        if self.pooling == "cls":
            return hidden[:, 0]
        mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)

    def features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (N, D) float32 of texts, without gradients; raises Diverged for NaN or infinity."""
        self.model.eval()
        with torch.inference_mode():
            parts = [
                self.pooled(texts[start : start + BATCH]).float().cpu().numpy() for start in range(0, len(texts), BATCH)
            ]
        features = np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)
        if not np.isfinite(features).all():
            raise Diverged(f"text model {self.name!r} gives vectors that are NaN or infinite. Choose another.")
        return features

    def count_cut(self, texts: Sequence[str]) -> int:
        """Count the texts that have more tokens than the model reads."""
        return count_cut(self.tokenizer, texts, self.max_length)


def count_cut(tokenizer: Any, texts: Sequence[str], max_length: int) -> int:
    """Count the texts with more than `max_length` tokens."""
    if not texts:
        return 0
    return sum(len(ids) > max_length for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"])


def explain_cut(cut: int, n_texts: int, max_length: int) -> str | None:
    """Say how many texts the model does not read to their end; None where it reads all."""
    return (
        f"{cut} of {n_texts} captions are longer than {max_length} tokens; the model does not read their rest"
        if cut
        else None
    )


def _length(directory: Path, config: PreTrainedConfig) -> int:
    """How many tokens the model was made to read."""
    stated = read_json_file(directory / "sentence_bert_config.json").get("max_seq_length")
    positions = getattr(config, "max_position_embeddings", None) or LONGEST_LENGTH
    return int(min(stated or LONGEST_LENGTH, positions))
