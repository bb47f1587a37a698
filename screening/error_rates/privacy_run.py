"""Measure the privacy gate on a project's own real images, and keep the result as a row."""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from curation.alterations.copy_changes import COPY_CHANGES, TRIED, RoundTrip, blur_like_autoencoder
from curation.digests import digest_of
from curation.image_store import Pixels
from curation.near_copies.fingerprints import fingerprints
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.tables.images import Image, Shape, Split, Subject
from generate.latent_flow.round_trip import make_round_trip
from generate.registry import find_generator, resolve_directory
from screening.copies.find import CopyDescriptors, CopyGates
from screening.copies.thumbnails import thumbnail_file, thumbnails
from screening.error_rates.privacy import Example, PrivacyPlan, RealSplit, measure_gate
from screening.error_rates.stored import store_report
from screening.features.backbone import load_backbone
from screening.features.descriptors import pixel_fact_file, split_pixel_facts
from screening.references import Reference, commonest_shape, real_references
from screening.run import METHOD
from train.backbones.load import Backbone
from train.backbones.provenance import backbone_facts
from train.features.feature_cache import FeatureCache

KIND = "privacy"
SPLITS = (Split.TRAIN, Split.VALIDATION)
STAND_IN = "a blur of 1.5 % of the side, standing in for an autoencoder"


def measure_privacy(
    project: Project,
    now: datetime,
    plan: PrivacyPlan,
    report: OnProgress,
    *,
    backbone_path: str | None = None,
    autoencoder: str | None = None,
) -> tuple[dict[str, Any], list[Example]]:
    """Measure on the commonest shape of real images, keep the result, and return it with example pairs.

    `autoencoder` is a generator of the project; without one a blur stands in, and the result says so. Raises NotFound,
    and BadInput when there is no real training or validation image.
    """
    name, trip = _round_trip(project, autoencoder) if autoencoder else (STAND_IN, blur_like_autoencoder)
    backbone = load_backbone(project, backbone_path)
    with project.database.read() as session:
        subjects = select(Subject.id).where(Subject.split.in_(SPLITS))
        shape = commonest_shape(session, Image.subject_id.in_(subjects))
        sets = {split: real_references(session, split, shape) for split in SPLITS}
        real_images = session.scalar(select(func.count()).select_from(Image).where(is_ready_real()))
    train, validation = (_real_images(project, backbone, sets[split], report) for split in sets)
    result, examples = measure_gate(train, validation, lambda pixels: describe(backbone, pixels), trip, plan, report)
    parameters = {
        "method": METHOD,
        "plan": plan.model_dump(mode="json"),
        **backbone_facts(backbone),
        "autoencoder": name,
        "shape": list(shape),
        "severities": {
            kind: {"unit": change.unit, "measured": change.severities} for kind, change in COPY_CHANGES.items()
        },
        "severities_tried_in_design": TRIED,
        "images": digest_of(
            {split.value: [reference.file_sha256 for reference in references] for split, references in sets.items()}
        ),
    }
    measured = sum(len(references) for references in sets.values())
    result["real_images_of_other_shapes_or_splits"] = (real_images or 0) - measured
    store_report(project, KIND, parameters, result, now)
    return {"parameters": parameters, "result": result}, examples


def _round_trip(project: Project, generator_name: str) -> tuple[str, RoundTrip]:
    """The name and the call of a generator's autoencoder."""
    with project.database.read() as session:
        generator = find_generator(session, generator_name)
    name = f"{generator.name}, weights {generator.weights_digest[:12]}"
    return name, make_round_trip(resolve_directory(project, generator))


def project_gates(
    project: Project, shape: Shape, report: OnProgress, backbone_path: str | None = None
) -> tuple[Backbone, CopyGates, set[str]]:
    """The gates as a screening of images of this shape sets them, and the file digests of what they search."""
    backbone = load_backbone(project, backbone_path)
    with project.database.read() as session:
        sets = [real_references(session, split, shape) for split in SPLITS]
    train, validation = (_real_images(project, backbone, references, report) for references in sets)
    gates = CopyGates.fit(train.described, train.subjects, validation.described, validation.subjects)
    return backbone, gates, {reference.file_sha256 for reference in sets[0]}


def describe(backbone: Backbone, pixels: Pixels) -> CopyDescriptors:
    """Images (N, H, W, C) as the gates see them."""
    return CopyDescriptors(backbone.features(pixels), fingerprints(pixels), thumbnails(pixels))


def _real_images(project: Project, backbone: Backbone, references: list[Reference], report: OnProgress) -> RealSplit:
    digests = [reference.file_sha256 for reference in references]
    directory = project.directory("embeddings")
    features = FeatureCache(backbone, directory).of_stored(project.store, references, report)
    _, prints = split_pixel_facts(pixel_fact_file(directory).features(project.store, digests, report))
    thumbs = thumbnail_file(directory).rows(project.store, digests, report)

    def pixels(chosen: NDArray[np.int64]) -> Pixels:
        return project.store.stack([digests[position] for position in chosen])

    return RealSplit(
        CopyDescriptors(features, prints, thumbs), [reference.subject_id for reference in references], pixels
    )
