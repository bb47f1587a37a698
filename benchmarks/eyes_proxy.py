"""How well a proxy reader with a backbone's features tells broken images from untouched ones."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backbones import Part
from benchmarks.eyes_sets import EyeData, defective, each
from curation.alterations.faults import Fault
from curation.alterations.replay import PIXEL_DEFECTS, WRONG_LABEL
from curation.estimates import as_saved, proportion
from curation.image_store import Pixels
from curation.tables.reading import Verdict
from screening.proxy import fit_proxy
from train.evaluation.intervals import draw_bootstrap_weights, percentile_interval
from train.evaluation.metrics import METRICS, metric_value

READ = 60  # untouched images that are read, and images with a defect of each kind
RESAMPLES = 1_000
UNTOUCHED = "untouched"
REFUSAL = {Verdict.ACCEPT: 0.0, Verdict.UNSURE: 0.5, Verdict.REJECT: 1.0}

Features = Callable[[Pixels], NDArray[np.float64]]


def broken_images(data: EyeData, untouched: Part) -> dict[str, tuple[Pixels, NDArray[np.int64]]]:
    """Images with each kind of defect and the class that each is asked to show, by kind; the untouched come first."""
    pixels, labels = untouched.pixels, untouched.labels
    broken = {UNTOUCHED: (pixels, labels)}
    broken |= {kind: (each(pixels, _defect(kind)), labels) for kind in PIXEL_DEFECTS}
    for fault in (Fault("blur", 1.6, "% of the edge"), Fault("noise", 10, "levels of 255")):
        broken[fault.name] = each(pixels, fault.apply), labels
    return broken | {WRONG_LABEL: (pixels, (labels + 1) % len(data.classes))}


def proxy_figures(
    features: Features, data: EyeData, broken: dict[str, tuple[Pixels, NDArray[np.int64]]], units: NDArray[np.int64]
) -> dict[str, Any]:
    """Share accepted of untouched images and of each kind of defect, and the AUROC of the verdict between the two.

    The verdict orders images as accepted, unsure, rejected; ties count half. Intervals resample subjects.
    """

    def features_of(pixels: Pixels) -> NDArray[np.float32]:
        return features(pixels).astype(np.float32)

    def names(labels: NDArray[np.int64]) -> list[str]:
        return [data.classes[label] for label in labels]

    fitted, held_out = data.reference, data.held_out
    proxy = fit_proxy(features_of(fitted.pixels), names(fitted.labels),
                      features_of(held_out.pixels), names(held_out.labels))  # fmt: skip

    def refusals(images: Pixels, asked: NDArray[np.int64]) -> NDArray[np.float64]:
        vectors = features_of(images)
        verdicts = [proxy.read(vectors[row : row + 1], name)[0] for row, name in enumerate(names(asked))]
        return np.array([REFUSAL[verdict] for verdict in verdicts])

    found = {kind: refusals(images, asked) for kind, (images, asked) in broken.items()}
    control = found.pop(UNTOUCHED)
    figures = {kind: _figures(control, [refused], units) for kind, refused in found.items()}
    figures["all kinds"] = _figures(control, list(found.values()), units)
    return {"untouched": _verdicts(control), "kinds": figures}


def _defect(kind: str) -> Callable[[Pixels, int], Pixels]:
    return lambda image, seed: defective(image, kind, seed)


def _figures(control: NDArray[np.float64], broken: list[NDArray[np.float64]], units: NDArray[np.int64]) -> Any:
    """Verdicts on broken images and the AUROC against the untouched ones of the same subjects."""
    scores = np.concatenate([control, *broken])
    labels = np.repeat([0, 1], [len(control), len(control) * len(broken)])
    subjects = np.unique(np.tile(units, 1 + len(broken)), return_inverse=True)[1].astype(np.int64)
    weights = draw_bootstrap_weights(subjects, RESAMPLES, 0)
    probabilities = np.stack([1 - scores, scores], axis=1)
    value = metric_value("auroc", probabilities, labels)
    resampled = METRICS["auroc"](probabilities, labels, weights)
    auroc = percentile_interval(value, resampled, int(subjects.max()) + 1, 0.95)
    return {"auroc": as_saved(auroc), **_verdicts(np.concatenate(broken))}


def _verdicts(refusals: NDArray[np.float64]) -> dict[str, Any]:
    counts = Counter(refusals.tolist())
    return {
        "n": len(refusals),
        "accepted": as_saved(proportion(counts[0.0], len(refusals))),
        "unsure": counts[0.5],
        "rejected": counts[1.0],
    }
