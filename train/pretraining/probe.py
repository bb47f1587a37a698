"""The frozen probe of a backbone before and after pretraining, and what its difference allows to say.

A linear head is fitted to features of real training images, a fixed number of epochs, and read on all validation
subjects: nothing is chosen on them but the variant of an objective that has several, which widens the interval.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.errors import BadInput
from curation.estimates import CONFIDENCE, Estimate, as_saved
from curation.progress import OnProgress, silent
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, predict_logits
from train.adaptation.fit import FitTask, train_model
from train.adaptation.model import StandardizedHead
from train.backbones.load import Backbone
from train.evaluation.evaluate import select_held_out_rows
from train.evaluation.intervals import Floats, choose_resampling_units, draw_bootstrap_weights, percentile_interval
from train.evaluation.metrics import METRICS
from train.features.feature_cache import FeatureCache
from train.fitting.checkpoint import Checkpoint
from train.fitting.kept_array import read_kept_array, write_kept_array
from train.fitting.seeding import seeded_generator

SHOWN = ("auroc", "balanced_accuracy")
DECIDING = "auroc"  # the measure that the word rests on
HELPED, HURT, UNDECIDED = "helped", "hurt", "no difference that these images can show"
MOVED = {1: "rose", -1: "fell"}
N_BOOTSTRAP = 1_000
BATCH_SIZE = 64

Probabilities = NDArray[np.float64]  # (N, n_classes)
Measure = Callable[[str, Floats], Floats]  # a measure by name under weightings of images (B, N): (B,)


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """The images that every probe of a fit is fitted to and read on."""

    folder: SnapshotFolder
    train: list[SnapshotRow]
    validation: list[SnapshotRow]
    seed: int

    @classmethod
    def choose(cls, folder: SnapshotFolder, most: int, seed: int) -> "ProbeSet":
        """Choose at most `most` real training images, and all of validation; raises BadInput without every class."""
        rows = [row for row in folder.rows("train") if row.origin == "real"]
        order = torch.randperm(len(rows), generator=seeded_generator(f"rounds/probe/{seed}")).tolist()
        train = [rows[index] for index in sorted(order[:most])]
        missing = sorted(set(folder.classes) - {row.label for row in train})
        if len(folder.classes) < 2 or missing:
            raise BadInput(
                f"a probe needs two classes or more with real training images of each; {len(folder.classes)} there, "
                f"without any: {', '.join(missing) or 'none'}."
            )
        return cls(folder, train, select_held_out_rows(folder, "validation"), seed)

    @classmethod
    def choose_or_explain(cls, folder: SnapshotFolder, most: int, seed: int) -> "tuple[ProbeSet | None, str | None]":
        """Choose as `choose` does, or say why there is no probe."""
        try:
            return cls.choose(folder, most, seed), None
        except BadInput as error:
            return None, str(error)

    def probabilities(self, backbone: Backbone, directory: Path, on_progress: OnProgress) -> Probabilities:
        """Fit a head to frozen features and predict validation (N, n_classes); kept in `directory` for a next call."""
        belongs_to = f"{backbone.digest} on {self.folder.digest}, {len(self.train)} images, seed {self.seed}"
        kept = directory / f"{digest_of(belongs_to)[:16]}.safetensors"
        if (probabilities := read_kept_array(kept, belongs_to)) is not None:
            return probabilities
        features = FeatureCache(backbone)
        config = AdaptationConfig(patience=None, seed=self.seed)
        inputs = torch.from_numpy(features.of(self.folder, self.train, on_progress))
        directory.mkdir(parents=True, exist_ok=True)
        checkpoint = Checkpoint(kept.with_suffix(".pt"), belongs_to)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            head = StandardizedHead.fitted(inputs, len(self.folder.classes))
            train_model(head, FitTask(self._examples(self.train, inputs), None, config, silent, checkpoint))
        held_out = torch.from_numpy(features.of(self.folder, self.validation, on_progress))
        logits = predict_logits(head, self._examples(self.validation, held_out), BATCH_SIZE)
        probabilities: Probabilities = logits.double().softmax(dim=1).numpy()
        write_kept_array(kept, probabilities, belongs_to)
        return probabilities

    def _examples(self, rows: Sequence[SnapshotRow], features: torch.Tensor) -> Examples:
        return Examples(lambda chosen: features[chosen], self.folder.labels(rows), np.ones(len(rows)))

    def compare(self, before: Probabilities, after: Probabilities, num_variants: int) -> "ProbeComparison":
        """Compare two probes on the same resamples of validation subjects.

        With several variants, of which the best was chosen here, the interval of the difference is one of
        1 - 0.05 / variants (Bonferroni).
        """
        labels = self.folder.labels(self.validation)
        resampled, units = choose_resampling_units(self.validation, self.folder.subjects)
        n_units = int(units.max()) + 1
        weights = draw_bootstrap_weights(units, N_BOOTSTRAP, self.seed)
        confidence = 1 - (1 - CONFIDENCE) / num_variants
        once = np.ones((1, len(labels)))

        def of_probe(read: Probabilities) -> Measure:
            return lambda name, weighting: METRICS[name](read, labels, weighting)

        def difference(name: str, weighting: Floats) -> Floats:
            return of_probe(after)(name, weighting) - of_probe(before)(name, weighting)

        def estimate(measure: Measure, level: float) -> dict[str, Estimate]:
            values = {name: float(measure(name, once)[0]) for name in SHOWN}
            return {name: percentile_interval(values[name], measure(name, weights), n_units, level) for name in SHOWN}

        return ProbeComparison(
            before=estimate(of_probe(before), CONFIDENCE),
            after=estimate(of_probe(after), CONFIDENCE),
            difference=estimate(difference, confidence),
            n_train=len(self.train),
            n_images=len(labels),
            n_units=n_units,
            resampled=resampled,
            confidence=confidence,
            num_variants=num_variants,
        )


@dataclass(frozen=True, slots=True)
class ProbeComparison:
    """Measures of the probe before and after, and of their difference, with intervals over subjects or images."""

    before: dict[str, Estimate]
    after: dict[str, Estimate]
    difference: dict[str, Estimate]
    n_train: int
    n_images: int
    n_units: int
    resampled: str
    confidence: float
    num_variants: int

    @property
    def word(self) -> str:
        """What the intervals of the differences allow to say: by AUROC, unless another measure says otherwise."""
        moved = {name: _direction(difference) for name, difference in self.difference.items()}
        decided = moved[DECIDING]
        others = [f"{name.replace('_', ' ')} {MOVED[way]}" for name, way in moved.items() if way not in (0, decided)]
        if not others:
            return {1: HELPED, -1: HURT, 0: UNDECIDED}[decided]
        return ", ".join([f"AUROC {MOVED[decided]}" if decided else "no difference in AUROC", *others])

    def as_json(self) -> dict[str, Any]:
        """Plain values for a card and a report."""
        return {**as_saved(self), "word": self.word}


def _direction(difference: Estimate) -> int:
    """1 where the whole interval lies above zero, -1 where it lies below, else 0."""
    return int((difference.low or 0.0) > 0) - int((difference.high or 0.0) < 0)
