"""Images of a screening that a report shows: screened ones, planted faults, nearest pairs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.alterations.faults import ALL_FAULTS
from curation.check_names import check_name
from curation.errors import RoundsError
from curation.image_store import ImageStore, Pixels, encode_png
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image
from screening.report.figures import COPIES, class_of_image

MOST = 48


@dataclass(frozen=True, slots=True)
class Screened:
    """A candidate with the checks that flagged or blocked it: (name, value, threshold)."""

    image_id: int
    file_sha256: str
    label: str
    verdict: str
    spoke: list[tuple[str, float, str]]
    neighbours: list[dict[str, Any]]

    @property
    def is_copy(self) -> bool:
        """Whether a copy gate blocked or flagged it: such an image may show a training patient."""
        return any(name in COPIES for name, _, _ in self.spoke)


def screened_images(session: Session, screening_id: int) -> list[Screened]:
    """Every image of a screening, in the order of the batch."""
    checks_by_image: dict[int, list[tuple[str, float, str]]] = {}
    checks = select(ScreeningCheck).where(
        ScreeningCheck.screening_id == screening_id, ScreeningCheck.verdict != ScreeningVerdict.PASS
    )
    for check in session.scalars(checks.order_by(ScreeningCheck.image_id, ScreeningCheck.name)):
        checks_by_image.setdefault(check.image_id, []).append((check.name, check.value, check.threshold))
    rows = session.execute(
        select(Image.id, Image.file_sha256, class_of_image(), ScreenedImage.verdict, ScreenedImage.neighbours)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .where(ScreenedImage.screening_id == screening_id, Image.withdrawn_at.is_(None))
        .order_by(Image.batch_index)
    )
    return [
        Screened(image_id, digest, label, verdict.value, checks_by_image.get(image_id, []), list(neighbours))
        for image_id, digest, label, verdict, neighbours in rows
    ]


def data_url(pixels: Pixels) -> str:
    """(H, W, C) pixels as a PNG in the page; 16 bit is scaled by its maximum."""
    eight = pixels if pixels.dtype == np.uint8 else (pixels / max(1, int(pixels.max())) * 255).astype(np.uint8)
    return f"data:image/png;base64,{base64.b64encode(encode_png(eight)).decode()}"


def _files(session: Session, image_ids: set[int]) -> dict[int, str]:
    """The files of these images by id; withdrawn images are left out."""
    query = select(Image.id, Image.file_sha256).where(Image.id.in_(image_ids), Image.withdrawn_at.is_(None))
    return dict(session.execute(query).all())


def planted_faults(
    session: Session, store: ImageStore, planted: Sequence[dict[str, Any]]
) -> list[tuple[str, list[tuple[Pixels, str]]]]:
    """For each fault, its kept examples made again, and the checks that caught each. Missing files are left out."""
    by_name = {(fault.kind, fault.strength): fault for fault in ALL_FAULTS}
    ids = {example["image_id"] for rate in planted for example in rate["examples"]}
    files = _files(session, ids)
    originals = {}
    for image_id, digest in files.items():
        try:
            originals[image_id] = store.pixels(digest)
        except RoundsError:  # withdrawn or lost since; `rounds verify` tells
            continue
    faults = []
    for rate in planted:
        fault = by_name.get((rate["kind"], rate["strength"]))
        if fault is None:
            continue  # measured by a release that planted something else
        examples = [
            (
                fault.apply(originals[example["image_id"]], example["seed"]),
                ", ".join(check_name(name) for name in example["spoke"]) or "missed",
            )
            for example in rate["examples"]
            if example["image_id"] in originals
        ]
        faults.append((fault.name, examples))
    return faults


def nearest_pairs(
    session: Session, store: ImageStore, images: Sequence[Screened], by: str
) -> list[tuple[Screened, dict[str, Any], Pixels]]:
    """The candidates nearest to a training image by features or by pixels, nearest first, with that image."""
    pairs = [(image, near) for image in images for near in image.neighbours if near["by"] == by]
    nearest: dict[int, tuple[Screened, dict[str, Any]]] = {}
    for image, near in sorted(pairs, key=lambda pair: float(pair[1]["distance"])):
        nearest.setdefault(image.image_id, (image, near))
    chosen = list(nearest.values())[: MOST // 2]
    files = _files(session, {near["image_id"] for _, near in chosen})
    return [(image, near, store.pixels(files[near["image_id"]])) for image, near in chosen if near["image_id"] in files]
