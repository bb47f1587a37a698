"""Adapt a backbone: a linear head on frozen features, LoRA on the linears it is found to have, or every weight.

Our own pooling and head serve every architecture. LoRA: Hu et al. 2021, arXiv:2106.09685.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from curation.errors import BadInput
from train.adaptation.config import AdaptationConfig
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED, SHIPPED_BACKBONE

SMALLEST_DEVIATION = 1e-6


class StandardizedHead(nn.Module):
    """A linear head on features brought to mean 0 and deviation 1; saved as one plain linear layer."""

    def __init__(self, mean: Tensor, std: Tensor, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std.clamp_min(SMALLEST_DEVIATION))
        self.linear = nn.Linear(len(mean), n_classes)

    @classmethod
    def fitted(cls, features: Tensor, n_classes: int) -> Self:
        """A head whose standardisation is that of `features` (N, D)."""
        return cls(features.mean(dim=0), features.std(dim=0, correction=0), n_classes)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        state = load_file(path)
        n_classes, dimension = state["weight"].shape
        head = cls(torch.zeros(dimension), torch.ones(dimension), n_classes)
        head.linear.load_state_dict(state)
        return head

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) features to (N, n_classes) logits."""
        logits: Tensor = self.linear((features - self.mean) / self.std)
        return logits

    def save(self, path: Path) -> None:
        """Write weight (n_classes, D) and bias (n_classes,) with the standardisation folded in."""
        weight = self.linear.weight.detach() / self.std
        bias = self.linear.bias.detach() - weight @ self.mean
        save_file({"weight": weight.cpu().contiguous(), "bias": bias.cpu().contiguous()}, path)


class AdaptedModel(nn.Module):
    """A backbone, adapted or frozen, with its head: preprocessed images in, logits out."""

    def __init__(self, backbone: Backbone, head: StandardizedHead, adaptation: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = backbone.model
        self.head = head
        self.adaptation = adaptation

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, h, w) preprocessed images to (N, n_classes) logits."""
        logits: Tensor = self.head(self.backbone.pooled(inputs))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Switch to training; BatchNorm stays in eval under PEFT, which does not save its running statistics."""
        super().train(mode)
        if self.adaptation == "lora":
            for module in self.encoder.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def parameter_counts(self) -> dict[str, int]:
        """How many parameters there are, and how many are trained."""
        parameters = list(self.parameters())
        trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        return {"total": sum(parameter.numel() for parameter in parameters), "trainable": trainable}


def backbone_location(config: AdaptationConfig) -> str:
    """The directory or id that `config.backbone` stands for."""
    return str(SHIPPED_BACKBONE) if config.backbone == SHIPPED else config.backbone


def lora_targets(model: nn.Module) -> list[str]:
    """Names of the linears to adapt: those of the attention where there are any, else all of them.

    Discovered from the model, since their names change between architectures and releases. Raises BadInput when the
    model has no linear layer.
    """
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise BadInput(f"{type(model).__name__} has no linear layer for LoRA. Use --adaptation full or linear-probe.")
    return [name for name in linears if "attention" in name or "attn" in name] or linears


def with_adaptation(backbone: Backbone, config: AdaptationConfig) -> Backbone:
    """The backbone with the right weights set to train; the model is moved to its device before PEFT wraps it."""
    backbone.model.requires_grad_(config.adaptation == "full")
    if config.adaptation != "lora":
        return backbone
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=lora_targets(backbone.model),
    )
    name = f"train/shipped/{SHIPPED_BACKBONE.name}" if config.backbone == SHIPPED else config.backbone
    backbone.model.config.name_or_path = backbone.model.name_or_path = name  # what adapter_config.json will name
    with quiet_peft():
        return replace(backbone, model=get_peft_model(backbone.model, lora))


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Silence a warning no user can act on: peft 0.21 asks transformers 5.23 for an attribute by its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def with_saved_adapter(backbone: Backbone, directory: Path) -> Backbone:
    """The backbone with an adapter that stock peft wrote."""
    with quiet_peft():
        return replace(backbone, model=PeftModel.from_pretrained(backbone.model, directory))
