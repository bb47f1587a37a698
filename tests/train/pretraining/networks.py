"""Tiny random networks of several families, as backbone directories."""

from collections.abc import Callable
from pathlib import Path

from transformers import (
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    PreTrainedModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from tests.train.tiny import save_backbone

WIDTH = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
GRID = {"image_size": 32, "patch_size": 8, "initializer_range": 0.15}

NETWORKS: dict[str, Callable[[], PreTrainedModel]] = {
    "vit": lambda: ViTModel(ViTConfig(**WIDTH, **GRID, intermediate_size=32), add_pooling_layer=False),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**WIDTH, **GRID | {"image_size": 64})),
    "registers": lambda: Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(**WIDTH, **GRID, num_register_tokens=2)
    ),
    "vit-mae": lambda: ViTMAEModel(ViTMAEConfig(**WIDTH, **GRID, intermediate_size=32)),
    "convnext": lambda: ConvNextModel(
        ConvNextConfig(num_stages=2, hidden_sizes=[8, 16], depths=[1, 1], patch_size=4, initializer_range=0.15)
    ),
    "resnet": lambda: ResNetModel(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ),
}  # fmt: skip


def save_network(kind: str, directory: Path, card: bool = True) -> Path:
    """Save a random network of a family as a backbone directory."""
    return save_backbone(directory, NETWORKS[kind](), card)
