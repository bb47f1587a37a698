"""A tiny randomly initialised backbone in transformers layout, with a card that says it saw nothing."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedModel, ViTConfig, ViTModel

PREPROCESSING = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}


def save_backbone(path: Path, model: PreTrainedModel | None = None, card: bool = True) -> Path:
    """Save `model`, or a ViT of two layers, as a backbone directory."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = model or ViTModel(
        ViTConfig(**sizes, image_size=32, patch_size=8, initializer_range=0.15, feature_pooling="tokens-max"),
        add_pooling_layer=False,
    )
    model.save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    if card:
        (path / "card.json").write_text(json.dumps({"fitted_on": {"subjects": [], "pixel_sha256": []}}))
    return path
