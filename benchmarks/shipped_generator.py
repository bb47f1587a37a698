"""Whether the shipped generator gives the class asked for, and how near to real images.

python benchmarks/shipped_generator.py [--guidance 2.0] [--steps 12] [--grid samples.png] [--write-card]

A small classifier is trained on real training subjects of the ordinary range and tested on validation subjects; then it
reads the samples. Kernel distance and coverage are taken on its features (and on the shipped backbone's, where there is
one) at equal n, beside the floor that other real images reach.
"""

import argparse
import json
import time
from collections.abc import Sequence
from itertools import count, islice, pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from curation.ingest.virtual_brains.render import CLASSES, render_many, split_of
from generate.card import add_metrics
from generate.grids import save_grid
from generate.request import GenerationRequest
from generate.sample import sample_images
from screening.set_measures import manifold
from screening.set_measures.distances import kernel_distance
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE

SHIPPED = Path(__file__).parents[1] / "generate" / "shipped" / "virtual-brains-flow"
AGREEMENT_FLOOR = 0.80
EPOCHS = 10
BATCH = 64

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]


class SmallClassifier(nn.Module):
    """Four strided convolutions and a linear head; its pooled map is the feature vector."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (1, 24, 48, 96, 128)
        self.body = nn.Sequential(
            *(
                layer
                for before, after in pairwise(widths)
                for layer in (nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU())
            )
        )
        self.head = nn.Linear(widths[-1], classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) to (B, D): the largest response of each channel, since a lesion is small."""
        return self.body(images).amax(dim=(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 1, H, W) images to (N, classes) logits."""
        return self.head(self.features(images))


def as_tensor(pixels: Pixels) -> torch.Tensor:
    """(N, H, W, 1) uint8 to (N, 1, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def real_images(split: str, number: int) -> tuple[Pixels, NDArray[np.int64]]:
    """The first `number` ordinary subjects of a split: pixels (N, H, W, 1) and class indexes (N,)."""
    chosen = list(islice((n for n in count() if split_of(n) == split), number))
    slices = list(render_many(chosen, workers=2))
    labels = np.array([CLASSES.index(slice_.label) for slice_ in slices], dtype=np.int64)
    return np.stack([slice_.pixels[:, :, None] for slice_ in slices]), labels


def train_classifier(pixels: Pixels, labels: NDArray[np.int64]) -> SmallClassifier:
    """Fit the classifier with mirrored images among the originals."""
    torch.manual_seed(0)
    model = SmallClassifier(len(CLASSES))
    images, targets = as_tensor(pixels), torch.from_numpy(labels)
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            batch = images[chosen]
            batch = batch.flip(3) if torch.rand(1) < 0.5 else batch
            loss = F.cross_entropy(model(batch), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def agreement(model: SmallClassifier, pixels: Pixels, labels: NDArray[np.int64]) -> dict[str, float]:
    """Share of images the classifier reads as labelled: over all, and by class."""
    agrees = model(as_tensor(pixels)).argmax(dim=1).numpy() == labels
    by_class = {name: float(agrees[labels == index].mean()) for index, name in enumerate(CLASSES)}
    return {"all": float(agrees.mean()), **by_class}


def draw(directory: Path, request: GenerationRequest) -> tuple[Pixels, NDArray[np.int64], float]:
    """The samples of a request, their requested classes, and images per second."""
    start = time.perf_counter()
    drawn = list(sample_images(directory, request.plan(), request, batch_size=32, device="cpu"))
    rate = len(drawn) / (time.perf_counter() - start)
    return np.stack([p for _, _, p in drawn]), np.array([CLASSES.index(name) for _, name, _ in drawn]), rate


def standardised(*sets: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Each feature in units of its spread over the first set, so that no feature rules the kernel by its scale."""
    centre, spread = sets[0].mean(axis=0), sets[0].std(axis=0) + 1e-6
    return [(features - centre) / spread for features in sets]


def measured(reference: Features, other: Features, drawn: Features) -> dict[str, float]:
    """Kernel distance and coverage of `drawn`, and of `other` real images as the floor, at the smallest size."""
    n = min(len(reference), len(other), len(drawn))
    real, held_out, own = (features[:n].astype(np.float64) for features in (reference, other, drawn))
    within = manifold.distances(real, real)
    return {
        "n": n,
        "kernel_distance": kernel_distance(real, own),
        "kernel_distance_floor": kernel_distance(real, held_out),
        "coverage": manifold.coverage(within, manifold.distances(real, own)),
        "coverage_floor": manifold.coverage(within, manifold.distances(real, held_out)),
    }


def distances(model: SmallClassifier, reference: Pixels, other: Pixels, drawn: Pixels) -> dict[str, dict[str, float]]:
    """Kernel distance and coverage on each kind of features there is."""
    drawn = drawn[np.random.default_rng(0).permutation(len(drawn))]
    with torch.no_grad():
        small = [model.features(as_tensor(pixels)).numpy() for pixels in (reference, other, drawn)]
    result = {"small_classifier": measured(*standardised(*small))}
    if (SHIPPED_BACKBONE / "config.json").is_file():
        backbone = Backbone.load(SHIPPED_BACKBONE)
        of_backbone = standardised(*(backbone.features(pixels) for pixels in (reference, other, drawn)))
        result[SHIPPED_BACKBONE.name] = measured(*of_backbone)
    return result


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=SHIPPED)
    parser.add_argument("--per-class", type=int, default=67)
    parser.add_argument("--guidance", type=float, nargs="+", default=[2.0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--training-images", type=int, default=3000)
    parser.add_argument("--grid", type=Path, help="write the samples as one picture, a class a block")
    parser.add_argument("--write-card", action="store_true", help="put the metrics of the last guidance into the card")
    return parser.parse_args(argv)


def main() -> None:
    """Print one JSON line per guidance scale; exit 1 when agreement is below the floor."""
    options = arguments()
    torch.set_num_threads(1)
    training, training_labels = real_images("train", options.training_images)
    held_out, held_out_labels = real_images("validation", 600)
    model = train_classifier(training, training_labels)
    ceiling = agreement(model, held_out, held_out_labels)
    n = options.per_class * len(CLASSES)
    reference, other = held_out[:n], held_out[n : 2 * n]
    for guidance in options.guidance:
        request = GenerationRequest.checked(
            generator=options.directory.name,
            counts=dict.fromkeys(CLASSES, options.per_class),
            seed=2026,
            num_inference_steps=options.steps,
            guidance_scale=guidance,
        )
        drawn, labels, rate = draw(options.directory, request)
        metrics = {
            "samples": len(drawn),
            "steps": options.steps,
            "guidance_scale": guidance,
            "agreement_with_requested_label": agreement(model, drawn, labels),
            "agreement_of_real_validation_images": ceiling,
            "fidelity": distances(model, reference, other, drawn),
            "images_per_s": round(rate, 2),
        }
        print(json.dumps(metrics), flush=True)
        if options.grid:
            save_grid(
                drawn[np.argsort(labels, kind="stable")], 20, options.grid.with_stem(f"{options.grid.stem}-{guidance}")
            )
    if options.write_card:
        add_metrics(options.directory, {"acceptance": metrics})
    if metrics["agreement_with_requested_label"]["all"] < AGREEMENT_FLOOR:
        raise SystemExit(f"agreement below {AGREEMENT_FLOOR:.0%}")


if __name__ == "__main__":
    main()
