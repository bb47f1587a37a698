"""AdaLoRA (Zhang et al. 2023, arXiv:2303.10512): its ranks move between layers while it trains.

Its importance of ranks is part of the checkpoint, so that a killed fit continues to equal weights. The last stage of
peft, which freezes the chosen ranks, is left out: validation chooses among weights of all steps.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import AdaLoraConfig, PeftModel
from torch import Tensor, nn

from train.adaptation.fit import FitTask, History, train_model
from train.adaptation.methods.peft_family import PeftFamily
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.fitting.kept_weights import BestWeights, KeptWeights

IMPORTANCES = ("ipt", "exp_avg_ipt", "exp_avg_unc")
WARM_SHARE, ALLOCATIONS = 0.1, 20  # of the steps before ranks move, and how often they move


class MovingRanks(BestWeights):
    """The best weights, and the importance of every rank, which is updated after each step."""

    def __init__(
        self,
        model: nn.Module,
        measure: str,
        patience_steps: int | None,
        min_steps: int = 0,
        average: KeptWeights | None = None,
    ) -> None:
        super().__init__(model, measure, patience_steps, min_steps, average)
        assert isinstance(model, AdaptedModel)
        self.adapter: Any = model.encoder.base_model
        self.taken = 0

    def after_step(self) -> None:
        """Update the importance by the gradients of the step, and at some steps the ranks."""
        super().after_step()
        self.adapter.update_and_allocate(self.taken)
        self.taken += 1

    def state_dict(self) -> dict[str, Any]:
        """What the best weights keep, the steps taken, the importances."""
        importances = {name: dict(getattr(self.adapter.rankallocator, name)) for name in IMPORTANCES}
        return {**super().state_dict(), "taken": self.taken, "importances": importances}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.taken = state["taken"]
        for name, values in state["importances"].items():
            setattr(self.adapter.rankallocator, name, dict(values))


class AdaLora(PeftFamily):
    """LoRA whose ranks move."""

    def fit(self, model: AdaptedModel | StandardizedHead, task: FitTask) -> History:
        """Fit the model while its ranks move; their directions are held orthogonal by a penalty (equation 4).

        The number of steps is told to peft here, since the ranks move by it.
        """
        assert isinstance(model, AdaptedModel)
        total = task.config.total_steps(len(task.train.labels))
        settings = _settings(model)
        settings.total_step, settings.tinit, settings.tfinal = total, round(total * WARM_SHARE), 0
        settings.deltaT = max(1, total // ALLOCATIONS)
        model.encoder.base_model.rankallocator.reset_ipt()
        return train_model(
            model, task, keep=MovingRanks, penalty=lambda: settings.orth_reg_weight * orthogonality(model)
        )

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write the adapter with all its ranks: those of the last allocation need not be those of the best step."""
        _settings(model).rank_pattern = None
        super().save(model, directory, card)


def orthogonality(model: nn.Module) -> Tensor:
    """The mean distance of the directions' products from the identity."""
    distances = []
    for name, weight in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            product = weight @ weight.T if "lora_A" in name else weight.T @ weight
            distances.append(torch.linalg.norm(product - torch.eye(len(product), device=product.device)))
    return torch.stack(distances).mean()


def _settings(model: AdaptedModel) -> AdaLoraConfig:
    adapter = model.encoder
    assert isinstance(adapter, PeftModel)
    config = adapter.peft_config[adapter.active_adapter]
    assert isinstance(config, AdaLoraConfig)
    return config


IMPLEMENTATION = AdaLora()
