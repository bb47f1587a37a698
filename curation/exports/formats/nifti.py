"""Write NIfTI-1: a volume of one slice per image, its masks, and a JSON file about it.

The array is (rows, columns, 1) as stored, so that the affine that was kept with an image holds unchanged. Without one,
rows run to posterior and columns to the patient's left, as radiologists look at axial slices, from an origin of 0.
"""

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.png import texts_of
from curation.exports.selection import ExportItem, Selection
from curation.exports.software import NAME, software_version
from curation.image_store import Pixels
from curation.ingest.incoming import Geometry
from curation.progress import OnProgress

OPENS_WITH = 'nibabel.load("{directory}/train/synthetic-000001.nii.gz")'
Nifti1Image: Any = nibabel.Nifti1Image  # nibabel's calls have no hints
RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
DESCRIPTION_LENGTH = 79  # bytes of descrip, less its end


def write_nifti(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    """Write `SPLIT/NAME.nii.gz`, `NAME.json`, and `NAME_MASK_mask.nii.gz` for every mask."""
    for done, item in enumerate(selection.items(), 1):
        folder = directory / item.row.split
        folder.mkdir(exist_ok=True)
        nibabel.save(volume(item, selection.pixels(item.row)), folder / f"{item.name}.nii.gz")
        masks = {}
        for name, digest in item.masks:
            file_name = f"{item.name}_{_file_part(name)}_mask.nii.gz"
            nibabel.save(mask_volume(item, selection.project.store.pixels(digest)), folder / file_name)
            masks[name] = file_name
        (folder / f"{item.name}.json").write_text(json.dumps(_sidecar(item, facts, masks), indent=1, sort_keys=True))
        report(done, facts.images, None)


def volume(item: ExportItem, pixels: Pixels) -> Any:
    """Build the NIfTI volume of an image.

    Stored values stay; what they stand for is in the header's slope and intercept, which nibabel writes as they are
    and applies when the file is read.
    """
    if pixels.shape[2] == 3:
        data = np.ascontiguousarray(pixels).view(RGB24)  # (H, W, 3) uint8 -> (H, W, 1) of three bytes
        return _described(Nifti1Image(data, _affine(item.geometry)), item)
    geometry = item.geometry
    intercept = geometry.rescale_intercept - geometry.signed_offset * geometry.rescale_slope
    image = Nifti1Image(pixels, _affine(geometry))
    image.header.set_slope_inter(geometry.rescale_slope, intercept)
    if geometry.window is not None:
        center, width = geometry.window
        image.header["cal_min"], image.header["cal_max"] = center - width / 2, center + width / 2
    return _described(image, item)


def mask_volume(item: ExportItem, pixels: Pixels) -> Any:
    """Build the volume of a mask in the place of its image: 0 background, 1 structure."""
    return _described(Nifti1Image((pixels > 0).astype(np.uint8), _affine(item.geometry)), item)


def _affine(geometry: Geometry) -> NDArray[np.float64] | None:
    """Map (row, column, slice, 1) to millimetres, right, anterior and superior positive; None where it is unknown."""
    return None if geometry.affine is None else np.array(geometry.affine, dtype=np.float64)


def _described(image: Any, item: ExportItem) -> Any:
    geometry = item.geometry
    known = geometry.affine is not None or geometry.spacing_mm is not None
    if geometry.affine is not None:
        image.set_sform(image.affine, code="scanner")
    else:  # the codes of qform and sform stay 0: nothing says how it lies (NIfTI-1, method 1)
        image.header.set_zooms((*(geometry.spacing_mm or (1.0, 1.0)), 1.0))
    image.header.set_xyzt_units("mm" if known else "unknown")
    origin = "SYNTHETIC, no patient" if item.is_artificial else "real, deidentified"
    image.header["descrip"] = f"{origin}; {NAME} {software_version()}".encode()[:DESCRIPTION_LENGTH]
    return image


def _sidecar(item: ExportItem, facts: SnapshotFacts, masks: dict[str, str]) -> dict[str, Any]:
    return {
        "SyntheticData": item.is_artificial,
        "Origin": item.row.origin,
        "Label": item.row.label,
        "Split": item.row.split,
        "Subject": item.subject,
        "ApprovedBy": item.approved_by,
        "Modality": item.geometry.modality,
        "SpacingKnown": item.geometry.affine is not None or item.geometry.spacing_mm is not None,
        "PlacedInScanner": item.geometry.affine is not None,
        "Masks": masks,
        "PixelSHA256": item.row.pixel_sha256,
        "Provenance": texts_of(item, facts.generator_names, facts.notice),
    }


def _file_part(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "mask"
