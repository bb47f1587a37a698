"""A proxy reader: a probe on a backbone's features that reads a worklist, marked as a model.

It accepts when the probe, fitted on real training images, agrees with the class that was asked for, is sure of it, and
the image lies no farther from real training images of that class than 99 % of the real validation images do from
theirs. Its verdicts on real validation images under their own class are reported with its readings: a proxy that
rejects those is a poor reader. No claim rests on its readings.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.public_web import describe_backbone
from curation.readers.accounts import add_reader
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.record import record_reading
from curation.reading.request import ReadingRequest
from curation.reading.worklist import find_worklist
from curation.tables.images import Split
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Verdict, Worklist, WorklistItem
from screening.features.backbone import load_backbone
from screening.features.neighbours import Features, nearest
from screening.features.spread import refuse_constant_features
from screening.references import Reference, real_references
from train.backbones.load import Backbone
from train.backbones.provenance import backbone_facts
from train.features.feature_cache import FeatureCache, ImageDigests

CONFIDENCE = 0.6
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
TYPICAL_QUANTILE = 0.99
CHUNK = 50


@dataclass(frozen=True)
class Proxy:
    """A fitted probe with its limits on what is typical of each class."""

    probe: Pipeline
    classes: list[str]
    by_class: dict[str, Features]
    limits: dict[str, float]

    def read(self, features: Features, label: str) -> tuple[Verdict, tuple[str, ...]]:
        """Verdict and reasons on one image (1, D) that was asked to show `label`."""
        probabilities = self.probe.predict_proba(features)[0]
        if self.classes[probabilities.argmax()] != label:
            return Verdict.REJECT, ("wrong_class",)
        if nearest(features, self.by_class[label], k=1).distances[0, 0] > self.limits[label]:
            return Verdict.REJECT, ("anatomy",)
        return (Verdict.ACCEPT if probabilities.max() >= CONFIDENCE else Verdict.UNSURE), ()

    def verdicts(self, features: Features, labels: Sequence[str]) -> Counter[str]:
        """Count its verdicts on images (N, D) under `labels`."""
        return Counter(self.read(features[row : row + 1], label)[0].value for row, label in enumerate(labels))


def fit_proxy(train: Features, train_labels: list[str], validation: Features, validation_labels: list[str]) -> Proxy:
    """Fit the probe on training features (N, D); its penalty and what is typical come from validation features.

    Raises BadInput when a class has no training or no validation image, or no feature varies.
    """
    classes = sorted(set(train_labels))
    missing = sorted(set(classes) ^ set(validation_labels))
    if len(classes) < 2 or missing:
        raise BadInput(
            "a proxy needs training and validation images of at least two classes, the same in both; "
            f"got {', '.join(classes) or 'none'}{', only in fitted: ' + ', '.join(missing) if missing else ''}."
        )
    refuse_constant_features(train, "real training images")
    probes = [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000, C=penalty)).fit(train, train_labels)
        for penalty in PENALTIES
    ]
    probe = min(
        probes, key=lambda fitted: log_loss(validation_labels, fitted.predict_proba(validation), labels=classes)
    )
    of_train, of_validation = np.array(train_labels), np.array(validation_labels)
    by_class = {label: train[of_train == label] for label in classes}
    limits = {}
    for label in classes:
        distances = nearest(validation[of_validation == label], by_class[label], k=1).distances[:, 0]
        limits[label] = float(np.quantile(distances, TYPICAL_QUANTILE))
    return Proxy(probe, [str(name) for name in probe.classes_], by_class, limits)


def read_worklist_by_proxy(
    project: Project, worklist_name: str, now: datetime, report: OnProgress, backbone_path: str | None = None
) -> dict[str, Any]:
    """Read what the proxy has not read of a worklist; resumable. Returns its name and its counts of verdicts.

    Raises NotFound for an unknown worklist, BadInput for a label-blind one or too few real images.
    """
    with project.database.read() as session:
        worklist = find_worklist(session, worklist_name)
        train, validation = _references(session, worklist)
    if not worklist.label_shown:
        raise BadInput(f"worklist {worklist_name!r} hides the class that was asked for; a proxy judges by it.")
    backbone = load_backbone(project, backbone_path)
    cache = FeatureCache(backbone, project.directory("embeddings"))

    def features_of(images: Sequence[ImageDigests]) -> Features:
        return cache.of_stored(project.store, images, report)

    report(0, worklist.size, "fitting the probe on real training images")
    held_out, held_out_labels = features_of(validation), _labels(validation)
    proxy = fit_proxy(features_of(train), _labels(train), held_out, held_out_labels)
    on_real = proxy.verdicts(held_out, held_out_labels)
    reader_id, name = _open(project, worklist.id, backbone, now)
    counts: Counter[str] = Counter()
    while True:
        with project.database.write() as session:
            held = claim(session, now, reader_id, worklist.id, CHUNK)
        if not held:
            break
        features = features_of(held)
        for position, item in enumerate(held):
            verdict, reasons = proxy.read(features[position : position + 1], item.shown_label or "")
            known = {reason["code"] for reason in worklist.reasons}
            request = ReadingRequest(
                op_id=uuid.uuid5(uuid.NAMESPACE_OID, f"proxy:{reader_id}:{item.key}").hex,
                assignment_key=item.key,
                verdict=verdict,
                reasons=tuple(reason for reason in reasons if reason in known),
                read_at=now,
            )
            with project.database.write() as session:
                record_reading(session, project.chain, now, reader_id, request)
            counts[verdict.value] += 1
            report(counts.total(), worklist.size, None)
    with project.database.write() as session:
        outcomes = recompute_outcomes(session, worklist.id)
    return {
        "reader": name,
        "kind": "proxy",
        "features": describe_backbone(backbone_facts(backbone)),
        "readings": dict(counts),
        "of real validation images": dict(on_real),
        "outcomes": outcomes,
    }


def _references(session: Session, worklist: Worklist) -> tuple[list[Reference], list[Reference]]:
    """Training and validation images of the worklist's shape that have one class."""
    image = session.scalars(select(WorklistItem).where(WorklistItem.worklist_id == worklist.id).limit(1)).one().image
    train, validation = (
        [reference for reference in real_references(session, split, image.shape) if reference.label is not None]
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    return train, validation


def _labels(references: Sequence[Reference]) -> list[str]:
    return [reference.label for reference in references if reference.label is not None]


def _open(project: Project, worklist_id: int, backbone: Backbone, now: datetime) -> tuple[int, str]:
    """The proxy's reader row, one per backbone, with a slot of its own on every item."""
    name = f"proxy {backbone.name} {backbone.digest[:8]}"
    with project.database.write() as session:
        reader = session.scalars(select(Reader).where(Reader.name == name)).one_or_none()
        if reader is None:
            reader = add_reader(session, project.chain, now, name, None, kind=ReaderKind.PROXY)
        open_proxy_slots(session, reader, worklist_id)
        return reader.id, name
