"""Time a step of full fine-tuning: our loop, a bare loop of torch, the Trainer of Hugging Face.

python -m benchmarks.step_time [--blocks 20] [--steps 12] [--batch-size 16]

All three take the same steps of AdamW on copies of the shipped backbone with a head, from the same images, which each
preprocesses batch by batch. A block is so many steps; blocks take turns, so that other work on the machine
falls on all alike. A step lasts from its start to the start of the next; the ratio is that of the medians of a round,
and the median of rounds is printed with its quartiles. Without a validation set: evaluations are no steps.
"""

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from curation.ingest.virtual_brains.render import CLASSES, render_many
from curation.progress import silent
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples
from train.adaptation.fit import FitTask, train_model
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.backbones.load import Backbone
from train.fitting.checkpoint import Checkpoint

FIRST_SUBJECT, IMAGES = 40_000, 64
RATE = 1e-5


class Fits:
    """The same model and images for every loop, and what each takes for a step."""

    def __init__(self, steps: int, batch_size: int) -> None:
        self.steps, self.batch_size = steps, batch_size
        brains = list(render_many(list(range(FIRST_SUBJECT, FIRST_SUBJECT + IMAGES))))
        self.pixels = np.stack([brain.pixels[:, :, None] for brain in brains])
        self.labels = np.array([CLASSES.index(brain.label) for brain in brains])
        self.backbone = Backbone.load(None)
        self.backbone.model.requires_grad_(True)

    def model(self) -> AdaptedModel:
        """A copy of the backbone with a head."""
        width = self.backbone.dimension
        head = StandardizedHead(torch.zeros(width), torch.ones(width), len(CLASSES))
        return AdaptedModel(replace(self.backbone, model=copy.deepcopy(self.backbone.model)), head)

    def inputs(self, chosen: np.ndarray[Any, Any]) -> Tensor:
        """Preprocessed images (B, C, h, w)."""
        return self.backbone.preprocessing(self.pixels[chosen])

    def ours(self) -> float:
        """The loop of `rounds train`."""
        config = AdaptationConfig.checked(
            adaptation="full", steps=self.steps, batch_size=self.batch_size, learning_rate=RATE, evaluations=1,
            patience=None, class_balanced=False,
        )  # fmt: skip
        examples = Examples(self.inputs, self.labels, np.ones(IMAGES))
        with TemporaryDirectory() as scratch:
            task = FitTask(examples, None, config, silent, Checkpoint(Path(scratch) / "fit.pt", "benchmark"))
            return train_model(self.model(), task).cost["step_s"]

    def bare(self) -> float:
        """A loop of torch that does nothing else."""
        model, labels, begun = self.model().train(), torch.from_numpy(self.labels), list[float]()
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        for _ in range(self.steps):
            begun.append(time.monotonic())
            chosen = torch.randint(IMAGES, (self.batch_size,))
            optimizer.zero_grad()
            cross_entropy(model(self.inputs(chosen.numpy())), labels[chosen]).backward()
            optimizer.step()
        return float(np.median(np.diff(begun)))

    def trainer(self) -> float:
        """The Trainer of transformers."""
        begun: list[float] = []

        class Watch(TrainerCallback):  # type: ignore[misc]
            """Notes when a step begins."""

            def on_step_begin(self, *args: Any, **more: Any) -> None:
                begun.append(time.monotonic())

        def collate(chosen: list[int]) -> dict[str, Tensor]:
            places = np.array(chosen)
            return {"inputs": self.inputs(places), "labels": torch.from_numpy(self.labels[places])}

        with TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                scratch, per_device_train_batch_size=self.batch_size, max_steps=self.steps, learning_rate=RATE,
                report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
                remove_unused_columns=False, max_grad_norm=0, dataloader_pin_memory=False,
            )  # fmt: skip
            trainer = Trainer(
                _WithLoss(self.model()), arguments, train_dataset=list(range(IMAGES)),  # type: ignore[arg-type]
                data_collator=collate, callbacks=[Watch()],
            )  # fmt: skip
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return float(np.median(np.diff(begun)))


class _WithLoss(nn.Module):
    """A model that computes its loss, as the Trainer asks for it."""

    def __init__(self, model: AdaptedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    fits = Fits(options.steps, options.batch_size)
    loops: dict[str, Callable[[], float]] = {"ours": fits.ours, "bare loop": fits.bare, "Trainer": fits.trainer}
    names = list(loops)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for block in range(options.blocks):
        for place in range(len(names)):
            name = names[(block + place) % len(names)]
            seconds[name].append(loops[name]())
    for name in names:
        print(f"{name}: median {np.median(seconds[name]) * 1_000:.1f} ms a step over {options.blocks} blocks")
    for name in names[1:]:
        low, middle, high = np.quantile(np.array(seconds["ours"]) / np.array(seconds[name]), (0.25, 0.5, 0.75))
        print(f"ours / {name}: {middle:.3f} (quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
