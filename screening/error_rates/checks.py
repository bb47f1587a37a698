"""How often the automatic checks err: false alarms on untouched real images, and what they see of planted faults.

Measured on validation subjects, each image under limits that only other subjects set. Test subjects are never read.
What is said of a fault is a share of these images, with its exact interval; a check that catches a fault no more often
than it flags untouched images does not see it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.alterations.faults import ALL_FAULTS, FAULTS, Fault
from curation.digests import digest_of
from curation.errors import BadInput
from curation.image_store import Pixels
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.queries import SHAPE
from curation.tables.content import CONTENT, report_content
from curation.tables.images import BuildStatus, Shape, Split
from curation.tables.measures import CheckReport
from screening.checks.check import Check, worst
from screening.checks.distances import sample
from screening.checks.fitted import References, Thresholds, probe_as_json, thresholds_without
from screening.checks.limits import LEAST_HELD_OUT
from screening.error_rates.repeats import repeats_seen
from screening.error_rates.tally import VerdictCounts
from screening.features.descriptors import DescriptorFiles, Descriptors, Floats
from screening.references import Reference, real_references
from screening.run import METHOD
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE

KIND = "checks"
EXAMPLES = 4
WRONG_LABEL = "wrong_label"


@dataclass(frozen=True)
class Bench:
    """Fitted references, and held-out images with the limits that apply to each."""

    references: References
    backbone: Backbone
    held_out: Sequence[Reference]
    facts: Descriptors
    by_fold: list[tuple[Thresholds, list[int]]]

    def judge(self, values: dict[str, Floats], labels: Sequence[str | None], rows: Sequence[int]) -> list[list[Check]]:
        """The checks of held-out images `rows`, changed or not, each under limits of other subjects."""
        place = {row: position for position, row in enumerate(rows)}
        found: list[list[Check]] = [[] for _ in rows]
        for thresholds, members in self.by_fold:
            here = [place[row] for row in members if row in place]
            own = {name: one[here] for name, one in values.items()}
            for position, checks in zip(here, thresholds.judge(own, [labels[p] for p in here]), strict=True):
                found[position] = checks
        return found


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
    backbone = Backbone.load(backbone_path or SHIPPED_BACKBONE)
    with project.database.read() as session:
        shape = commonest_shape(session)
        train, held_out = (real_references(session, split, shape) for split in (Split.TRAIN, Split.VALIDATION))
    if len(held_out) < LEAST_HELD_OUT:
        raise BadInput(
            f"expected at least {LEAST_HELD_OUT} real validation images of {shape[0]} x {shape[1]}, got "
            f"{len(held_out)}. Import more, with a larger share for validation."
        )
    parameters = _parameters(backbone, shape, train, held_out, images, seed)
    known = _known(project, parameters)
    if known is not None:
        return known
    files = DescriptorFiles.of(project, backbone)
    trained = files.facts([one.file_sha256 for one in train], [one.label for one in train], report)
    facts = files.facts([one.file_sha256 for one in held_out], [one.label for one in held_out], report)
    references = References.fit(trained, [one.subject_id for one in train])
    values = references.values(facts)
    subjects = [one.subject_id for one in held_out]
    by_fold = [
        (thresholds, rows.tolist()) for thresholds, rows in thresholds_without(references.ranges, values, subjects)
    ]
    bench = Bench(references, backbone, held_out, facts, by_fold)
    result = {
        "untouched": _untouched(bench, values),
        "planted": _planted(project, bench, images, seed, report),
        "wrong_label": _wrong_label(bench),
        "repeats": repeats_seen(project.store, held_out, facts.prints, trained.prints, images),
        "label_probe": probe_as_json(references, facts),
    }
    return _save(project, parameters, result, now)


def commonest_shape(session: Session) -> Shape:
    """Height, width, channels and bits of most real images; raises BadInput without any."""
    query = select(*SHAPE).where(is_ready_real()).group_by(*SHAPE).order_by(func.count().desc(), *SHAPE).limit(1)
    row = session.execute(query).first()
    if row is None:
        raise BadInput("expected real images, the project has none. `rounds import` brings them.")
    return row[0], row[1], row[2], row[3]


def _parameters(
    backbone: Backbone,
    shape: Shape,
    train: Sequence[Reference],
    held_out: Sequence[Reference],
    images: int,
    seed: int,
) -> dict[str, Any]:
    return {
        "method": METHOD,
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "shape": list(shape),
        "images": images,
        "seed": seed,
        "real_training_images": len(train),
        "real_validation_images": len(held_out),
        "subjects": len({one.subject_id for one in held_out}),
        "images_digest": digest_of([[one.file_sha256 for one in some] for some in (train, held_out)]),
        "faults": FAULTS,
        "breakages": [[one.kind, one.strength] for one in ALL_FAULTS],
    }


def _known(project: Project, parameters: dict[str, Any]) -> int | None:
    with project.database.read() as session:
        query = select(CheckReport.id).where(CheckReport.parameters_digest == digest_of(parameters))
        return session.scalars(query.where(CheckReport.status == BuildStatus.READY)).first()


def _untouched(bench: Bench, values: dict[str, Floats]) -> dict[str, Any]:
    """False alarms: all together, by check, and by class."""
    labels = bench.facts.labels
    every, by_class = VerdictCounts(), dict[str, VerdictCounts]()
    for checks, label in zip(bench.judge(values, labels, range(len(labels))), labels, strict=True):
        every.add(checks)
        by_class.setdefault(label or "without one class", VerdictCounts()).add(checks)
    return {**every.as_json(), "by_class": {label: one.as_json() for label, one in sorted(by_class.items())}}


def _planted(project: Project, bench: Bench, images: int, seed: int, report: OnProgress) -> list[dict[str, Any]]:
    """What is seen of each fault at each strength, in the same images."""
    rows = sample(len(bench.held_out), images, seed).tolist()
    originals = project.store.stack([bench.held_out[row].file_sha256 for row in rows])
    labels = [bench.facts.labels[row] for row in rows]
    found = []
    for done, breakage in enumerate(ALL_FAULTS):
        report(done, len(ALL_FAULTS), breakage.name)
        seeds = [_seed(seed, bench.held_out[row].file_sha256, breakage.kind) for row in rows]
        broken: Pixels = np.stack([breakage.apply(one, own) for one, own in zip(originals, seeds, strict=True)])
        values = bench.references.values(Descriptors.of_pixels(bench.backbone, broken, labels))
        tally, examples = VerdictCounts(), []
        for row, own, checks in zip(rows, seeds, bench.judge(values, labels, rows), strict=True):
            tally.add(checks)
            examples += [_example(bench.held_out[row], own, checks)] if len(examples) < EXAMPLES else []
        found.append({**_named(breakage), **tally.as_json(), "examples": examples})
    report(len(ALL_FAULTS), len(ALL_FAULTS), None)
    return found


def _named(breakage: Fault) -> dict[str, Any]:
    return {"kind": breakage.kind, "strength": breakage.strength, "unit": breakage.unit, "name": breakage.name}


def _example(original: Reference, seed: int, checks: Sequence[Check]) -> dict[str, Any]:
    spoke = [check.name for check in checks if check.verdict != "pass"]
    return {"image_id": original.image_id, "seed": seed, "verdict": worst(checks), "spoke": spoke}


def _seed(seed: int, digest: str, kind: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{digest}:{kind}".encode()).digest()[:6], "big")


def _wrong_label(bench: Bench) -> list[dict[str, Any]]:
    """Real images under each class that they do not show."""
    classes = sorted(bench.references.manifold.by_class)
    found = []
    for true in classes:
        rows = [row for row, label in enumerate(bench.facts.labels) if label == true]
        for asked in [name for name in classes if name != true] if rows else []:
            labels: list[str | None] = [asked] * len(rows)
            own = bench.facts.rows(rows)
            own = Descriptors(own.features, own.measures, own.prints, own.spectra, own.levels, labels)
            tally = VerdictCounts()
            for checks in bench.judge(bench.references.values(own), labels, rows):
                tally.add(checks)
            found.append({"kind": WRONG_LABEL, "true": true, "asked": asked, **tally.as_json()})
    return found


def _save(project: Project, parameters: dict[str, Any], result: dict[str, Any], now: datetime) -> int:
    known = _known(project, parameters)
    if known is not None:
        return known
    with project.database.write() as session:
        row = CheckReport(
            kind=KIND,
            parameters=parameters,
            parameters_digest=digest_of(parameters),
            status=BuildStatus.READY,
            result=result,
            created_at=now,
        )
        session.add(row)
        session.flush()
        payload = {"check_report": row.id, "kind": KIND, "parameters": row.parameters_digest}
        payload |= {CONTENT: report_content(row)}
        project.chain.record(session, "checks.measured", payload, now)
        return row.id
