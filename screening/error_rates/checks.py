"""How often the checks err: false alarms on untouched real images, and planted faults they catch.

Measured on validation subjects, each image under limits that only other subjects set. Test subjects are never read.
Each rate is a share of these images with its exact interval; a check that catches a fault no more often
than it flags untouched images does not see it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.alterations.faults import ALL_FAULTS, FAULTS, Fault
from curation.digests import digest_of
from curation.errors import BadInput
from curation.image_store import Pixels
from curation.progress import OnProgress
from curation.project import Project
from curation.tables.images import Shape, Split
from screening.checks.check import Check, worst
from screening.checks.distances import classes_with_manifold, sample
from screening.checks.fitted import References, Thresholds, judge_by_fold, thresholds_without
from screening.checks.limits import LEAST_HELD_OUT
from screening.error_rates.repeats import measure_repeats
from screening.error_rates.stored import find_report, store_report
from screening.error_rates.tally import VerdictCounts
from screening.features.backbone import load_backbone
from screening.features.descriptors import DescriptorFiles, Descriptors, Floats
from screening.references import Reference, commonest_shape, real_references
from screening.run import METHOD
from train.backbones.load import Backbone
from train.backbones.provenance import backbone_facts

KIND = "checks"
EXAMPLES = 4
WRONG_LABEL = "wrong_label"


@dataclass(frozen=True)
class Bench:
    """Fitted references, and held-out images with the limits that apply to each."""

    references: References
    backbone: Backbone
    held_out: Sequence[Reference]
    descriptors: Descriptors
    by_fold: list[tuple[Thresholds, NDArray[np.int64]]]
    classes: list[str]


def measure_checks(
    project: Project,
    now: datetime,
    report: OnProgress,
    backbone_path: str | None = None,
    images: int = 200,
    seed: int = 0,
) -> int:
    """Measure every check on up to `images` validation images; returns the id of the `CheckReport`, kept once.

    Raises BadInput for fewer than 40 real validation images of the shape that most training images have.
    """
    backbone = load_backbone(project, backbone_path)
    with project.database.read() as session:
        shape = commonest_shape(session)
        train, held_out = (real_references(session, split, shape) for split in (Split.TRAIN, Split.VALIDATION))
    if len(held_out) < LEAST_HELD_OUT:
        raise BadInput(
            f"expected at least {LEAST_HELD_OUT} real validation images of {shape[0]} x {shape[1]}, got "
            f"{len(held_out)}. Import more, with a larger share for validation."
        )
    parameters = _parameters(backbone, shape, train, held_out, images, seed)
    with project.database.read() as session:
        report_id = find_report(session, parameters)
    if report_id is not None:
        return report_id
    files = DescriptorFiles.of(project, backbone)
    train_descriptors, held_out_descriptors = (
        files.descriptors(images, [image.label for image in images], report) for images in (train, held_out)
    )
    references = References.fit(train_descriptors, [reference.subject_id for reference in train])
    values = references.values(held_out_descriptors)
    subjects = [reference.subject_id for reference in held_out]
    by_fold = thresholds_without(references.ranges, values, subjects)
    classes = classes_with_manifold(train_descriptors.labels)
    bench = Bench(references, backbone, held_out, held_out_descriptors, by_fold, classes)
    result = {
        "untouched": _untouched(bench, values),
        "planted": _planted(project, bench, images, seed, report),
        "wrong_label": _wrong_label(bench),
        "repeats": measure_repeats(
            project.store, held_out, held_out_descriptors.prints, train_descriptors.prints, images
        ),
        "label_probe": references.probe_as_json(held_out_descriptors),
    }
    return store_report(project, KIND, parameters, result, now, kind=KIND)


def _parameters(
    backbone: Backbone, shape: Shape, train: Sequence[Reference], held_out: Sequence[Reference], images: int, seed: int
) -> dict[str, Any]:
    return {
        "method": METHOD,
        **backbone_facts(backbone),
        "shape": list(shape),
        "images": images,
        "seed": seed,
        "real_training_images": len(train),
        "real_validation_images": len(held_out),
        "subjects": len({reference.subject_id for reference in held_out}),
        "images_digest": digest_of(
            [[reference.file_sha256 for reference in references] for references in (train, held_out)]
        ),
        "faults": FAULTS,
        "breakages": [[fault.kind, fault.strength] for fault in ALL_FAULTS],
    }


def _untouched(bench: Bench, values: dict[str, Floats]) -> dict[str, Any]:
    """False alarms: of all checks together, by check, and by class."""
    labels = bench.descriptors.labels
    of_all, by_class = VerdictCounts(), dict[str, VerdictCounts]()
    for checks, label in zip(judge_by_fold(bench.by_fold, values, labels, range(len(labels))), labels, strict=True):
        of_all.add(checks)
        by_class.setdefault(label or "without one class", VerdictCounts()).add(checks)
    return {**of_all.as_json(), "by_class": {label: counts.as_json() for label, counts in sorted(by_class.items())}}


def _planted(project: Project, bench: Bench, images: int, seed: int, report: OnProgress) -> list[dict[str, Any]]:
    """How often each fault at each strength is caught, in the same images."""
    rows = sample(len(bench.held_out), images, seed).tolist()
    originals = project.store.stack([bench.held_out[row].file_sha256 for row in rows])
    labels = [bench.descriptors.labels[row] for row in rows]
    rates = []
    for done, fault in enumerate(ALL_FAULTS):
        report(done, len(ALL_FAULTS), fault.name)
        seeds = [_seed(seed, bench.held_out[row].file_sha256, fault.kind) for row in rows]
        broken: Pixels = np.stack(
            [fault.apply(pixels, own_seed) for pixels, own_seed in zip(originals, seeds, strict=True)]
        )
        values = bench.references.values(Descriptors.of_pixels(bench.backbone, broken, labels))
        counts, examples = VerdictCounts(), []
        for row, own_seed, checks in zip(rows, seeds, judge_by_fold(bench.by_fold, values, labels, rows), strict=True):
            counts.add(checks)
            examples += [_example(bench.held_out[row], own_seed, checks)] if len(examples) < EXAMPLES else []
        rates.append({**_named(fault), **counts.as_json(), "examples": examples})
    report(len(ALL_FAULTS), len(ALL_FAULTS), None)
    return rates


def _named(fault: Fault) -> dict[str, Any]:
    return {"kind": fault.kind, "strength": fault.strength, "unit": fault.unit, "name": fault.name}


def _example(original: Reference, seed: int, checks: Sequence[Check]) -> dict[str, Any]:
    names = [check.name for check in checks if check.verdict != "pass"]
    return {"image_id": original.image_id, "seed": seed, "verdict": worst(checks), "spoke": names}


def _seed(seed: int, digest: str, kind: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{digest}:{kind}".encode()).digest()[:6], "big")


def _wrong_label(bench: Bench) -> list[dict[str, Any]]:
    """How often real images are caught under each class that they do not show."""
    rates = []
    for true in bench.classes:
        rows = [row for row, label in enumerate(bench.descriptors.labels) if label == true]
        for asked in [name for name in bench.classes if name != true] if rows else []:
            labels: list[str | None] = [asked] * len(rows)
            relabelled = replace(bench.descriptors.rows(rows), labels=labels)
            counts = VerdictCounts()
            for checks in judge_by_fold(bench.by_fold, bench.references.values(relabelled), labels, rows):
                counts.add(checks)
            rates.append({"kind": WRONG_LABEL, "true": true, "asked": asked, **counts.as_json()})
    return rates
