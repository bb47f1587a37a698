"""What the label check and the manifold check see through each backbone, and what a check costs.

python -m benchmarks.eyes_screening --data DIR --keep DIR --eye NAME=DIR [--eye ...] [--only SET] [--out rates.json]

Every held-out image is judged under limits that no image of its subject set, by the checks as `rounds screen` has them.
Wrong labels: each held-out image under one class that it does not show. Faults are planted in the same images for each
eye. `benchmarks.eyes` says what the options hold.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.backbones import Data, Labels, Part
from benchmarks.eyes import Kept, add_common_options, interval, load_eyes, read_data
from curation.alterations.faults import ALL_FAULTS
from curation.alterations.replay import PIXEL_DEFECTS
from curation.image_store import Pixels
from screening.checks.check import Unset
from screening.checks.distances import sample
from screening.checks.fitted import References, judge_by_fold, thresholds_without
from screening.checks.label_agreement import LabelProbe
from screening.error_rates.tally import VerdictCounts
from screening.features.appearance import appearance
from screening.features.descriptors import Floats, pixel_fact_file
from train.backbones.grid import features_with_grid
from train.backbones.load import Backbone
from train.evaluation.intervals import draw_bootstrap_weights
from train.evaluation.metrics import auroc

RESAMPLES = 1_000
TIMED_IMAGES = 128
# What grey levels, edges and spectra do not settle alone; the other faults are caught, or not, whatever the eye.
MEASURED_FAULTS = (
    ("noise", 10), ("blur", 0.8), ("blur", 1.6), ("turned", 1), ("turned", 2), ("stretched", 1.4), ("shuffled", 2),
    ("no_anatomy", 1), *((kind, 1) for kind in PIXEL_DEFECTS),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """An eye's references, and the held-out images that it is judged on."""

    eye: Backbone
    kept: Kept
    references: References
    part: Part
    labels: list[str]
    values: dict[str, Floats]

    def verdicts(self, values: dict[str, Floats], labels: Sequence[str], rows: Sequence[int]) -> VerdictCounts:
        """Count the verdicts on held-out images `rows`, changed or not, under limits that other subjects set."""
        by_fold = thresholds_without(self.references.ranges, self.values, self.part.units.tolist())
        counts = VerdictCounts()
        for checks in judge_by_fold(by_fold, values, labels, rows):
            counts.add(checks)
        return counts


def judge(data: Data, eye: Backbone, kept: Kept) -> Judged:
    """Fit the references of an eye on the training images."""
    train = kept.described(eye, data.train.pixels, [str(label) for label in data.train.labels])
    references = References.fit(train, data.train.units.tolist())
    labels = [str(label) for label in data.held_out.labels]
    return Judged(
        eye,
        kept,
        references,
        data.held_out,
        labels,
        references.values(kept.described(eye, data.held_out.pixels, labels)),
    )


def label_rates(judged: Judged, seed: int) -> dict[str, Any]:
    """How often the label check flags right and wrong labels, and how well its value tells them apart."""
    probe = judged.references.fitted["label_agreement"]
    if isinstance(probe, Unset) or not isinstance(probe, LabelProbe):
        return {"unset": str(probe)}
    classes = np.array(sorted(set(judged.labels)))
    random = np.random.default_rng(seed)
    wrong = [str(random.choice(classes[classes != label])) for label in judged.labels]
    rows = range(len(wrong))
    relabelled = judged.kept.described(judged.eye, judged.part.pixels, wrong)
    values = {**judged.values, "label_agreement": probe.values(relabelled), "manifold": np.full(len(wrong), np.nan)}
    right_counts, wrong_counts = (
        judged.verdicts(of, labels, rows) for of, labels in ((judged.values, judged.labels), (values, wrong))
    )
    low_is_wrong = (judged.values["label_agreement"], values["label_agreement"])
    reliability = probe.reliability(judged.kept.described(judged.eye, judged.part.pixels, judged.labels))
    return {
        "strength": probe.strength,
        "accuracy": reliability.accuracy if reliability else None,
        "calibration_error": reliability.calibration_error if reliability else None,
        "right_flagged": share(right_counts, "label_agreement", judged.part.units),
        "wrong_flagged": share(wrong_counts, "label_agreement", judged.part.units),
        "auroc": told_apart(*low_is_wrong, judged.part.units),
    }


def share(counts: VerdictCounts, check: str, units: Labels) -> list[float]:
    """Flagged or blocked by a check, of how many, with the exact interval of as many images as there are subjects."""
    caught = counts.flagged[check] + counts.blocked[check]
    return [caught, counts.n, *interval(caught, counts.n, units)]


def told_apart(right: Floats, wrong: Floats, units: Labels) -> list[float]:
    """AUROC of low values for `wrong` against `right`, the same images, with an interval that resamples subjects."""
    scores = np.concatenate([right, wrong]).astype(np.float64)
    labels = np.repeat([0, 1], [len(right), len(wrong)])
    probabilities = np.stack([scores, -scores], axis=1)
    weights = np.tile(draw_bootstrap_weights(units, RESAMPLES, seed=0), 2)
    drawn = auroc(probabilities, labels, weights)
    return [float(auroc(probabilities, labels, np.ones((1, len(labels))))[0]), *np.nanquantile(drawn, (0.025, 0.975))]


def fault_rates(judged: Judged, rows: list[int], faulty: dict[str, Pixels]) -> list[dict[str, Any]]:
    """How often the manifold check alone, and all checks together, catch each planted fault."""
    labels, units = [judged.labels[row] for row in rows], judged.part.units[rows]
    untouched = judged.values["manifold"][rows]
    rates = []
    for name, pixels in faulty.items():
        values = judged.references.values(judged.kept.described(judged.eye, pixels, labels))
        counts = judged.verdicts(values, labels, rows)
        caught = counts.n - counts.verdicts["pass"]
        rates.append({
            "fault": name,
            "manifold": share(counts, "manifold", units),
            "manifold_auroc": told_apart(-untouched, -values["manifold"], np.unique(units, return_inverse=True)[1]),
            "all": [caught, counts.n, *interval(caught, counts.n, units)],
        })  # fmt: skip
    return rates


def plant_faults(part: Part, rows: list[int]) -> dict[str, Pixels]:
    """Images `rows` with each fault, each with a seed of its own."""
    faults = [fault for fault in ALL_FAULTS if (fault.kind, fault.strength) in MEASURED_FAULTS]
    return {fault.name: np.stack([fault.apply(part.pixels[row], row) for row in rows]) for fault in faults}


def untouched_rates(judged: Judged) -> dict[str, Any]:
    """False flags on untouched held-out images: of the manifold check, and of all together."""
    counts = judged.verdicts(judged.values, judged.labels, range(len(judged.labels)))
    caught = counts.n - counts.verdicts["pass"]
    units = judged.part.units
    return {"manifold": share(counts, "manifold", units), "all": [caught, counts.n, *interval(caught, counts.n, units)]}


def cost(judged: Judged) -> dict[str, float]:
    """Milliseconds of processor time an image: the forward pass with its preprocessing, and each fitted check."""
    pixels, labels = judged.part.pixels[:TIMED_IMAGES], judged.labels[:TIMED_IMAGES]
    described = judged.kept.described(judged.eye, pixels, labels)
    fitted = judged.references.fitted
    works: dict[str, Callable[[], object]] = {
        "forward pass": lambda: judged.eye.features(pixels),
        "forward pass with grid": lambda: features_with_grid(judged.eye, pixels),
    }
    works |= {
        name: lambda check=check: check.values(described)  # type: ignore[misc]
        for name, check in fitted.items()
        if not isinstance(check, Unset)
    }
    works["grey levels, edges, fingerprints, spectra"] = lambda: (
        pixel_fact_file(judged.kept.directory).compute(pixels),
        appearance(pixels),
    )
    return {name: round(processor_ms(work, len(pixels)), 3) for name, work in works.items()}


def processor_ms(work: Callable[[], object], images: int) -> float:
    """The least of three runs."""
    work()
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(1_000 * (time.process_time() - start) / images)
    return min(times)


def main() -> None:
    """Print a line a measurement and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(parser)
    parser.add_argument("--images", type=int, default=40, help="held-out images that get planted faults")
    options = parser.parse_args()
    torch.set_num_threads(1)
    eyes, kept, rows = load_eyes(options.eye), Kept(options.keep), []
    sets = read_data(options)
    judged: dict[tuple[str, str], Judged] = {}

    def keep(data: str, eye: str, measured: dict[str, Any]) -> None:
        rows.append({"data": data, "eye": eye, "digest": eyes[eye].digest[:12], **measured})
        print(json.dumps(rows[-1]), flush=True)
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1) + "\n")

    for name, eye in eyes.items():
        for data in sets:
            now = judged[data.name, name] = judge(data, eye, kept)
            keep(data.name, name, {"label": label_rates(now, options.seed), "untouched": untouched_rates(now)})
            keep(data.name, name, {"ms": cost(now)})
    for data in sets:
        chosen = sample(len(data.held_out.labels), options.images, options.seed).tolist()
        faulty = plant_faults(data.held_out, chosen)
        for name in eyes:
            keep(data.name, name, {"faults": fault_rates(judged[data.name, name], chosen, faulty)})


if __name__ == "__main__":
    main()
