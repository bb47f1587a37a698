"""Write DICOM Secondary Capture: one file per image; a synthetic one says that no such patient exists.

PS3.3 A.8.1 (Secondary Capture Image IOD), C.12.1 (SOP Common: Synthetic Data, Contributing Equipment Sequence), C.8.6
(SC Equipment and SC Image), C.11.1 and C.11.2 (Modality and VOI LUT); purpose of reference from PS3.16 CID 7005.
Nothing of a DICOM file that was imported is copied: only pixels, spacing, rescale and window were ever kept.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.selection import ExportItem, Selection
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text, software_version
from curation.image_store import Pixels
from curation.ingest.incoming import Geometry
from curation.progress import OnProgress
from curation.provenance.value_scales import ANOTHER_UNIT, UNKNOWN_UNIT

OPENS_WITH = 'pydicom.dcmread("{directory}/train/synthetic-000001.dcm")'
LONG_STRING = 64  # characters of VR LO
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")


def write_dicom(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    """Write `SPLIT/NAME.dcm` for every image, and `metadata.jsonl` with labels beside the splits."""
    with (directory / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for done, item in enumerate(selection.items(), 1):
            (directory / item.row.split).mkdir(exist_ok=True)
            file_name = f"{item.row.split}/{item.name}.dcm"
            dataset = secondary_capture(item, selection.pixels(item.row), facts)
            dataset.save_as(directory / file_name, enforce_file_format=True)
            lines.write(json.dumps(_line(file_name, item, dataset), sort_keys=True) + "\n")
            report(done, facts.images, None)


def _line(file_name: str, item: ExportItem, dataset: Dataset) -> dict[str, Any]:
    return {
        "file_name": file_name,
        "label": item.row.label,
        "split": item.row.split,
        "origin": item.row.origin,
        "synthetic": item.is_artificial,
        "subject": item.subject,
        "approved_by": item.approved_by,
        "sop_instance_uid": str(dataset.SOPInstanceUID),
        "pixel_sha256": item.row.pixel_sha256,
    }


def secondary_capture(item: ExportItem, pixels: Pixels, facts: SnapshotFacts) -> FileDataset:
    """Build the Secondary Capture of one image, (H, W, 1) uint8 or uint16 or (H, W, 3) uint8."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(facts, item, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=[NAME, "implementation"])
    meta.ImplementationVersionName = f"{NAME.upper()} {software_version()}"[:16]
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _add_patient(dataset, item)
    _add_study(dataset, item, facts)
    _add_origin(dataset, item, facts)
    _add_pixels(dataset, item, pixels)
    return dataset


def _uid(facts: SnapshotFacts, item: ExportItem, what: str) -> UID:
    """Make a UID that is the same whenever this image is exported with this snapshot."""
    whose = item.subject if item.subject and what != "instance" else f"{item.name}:{item.row.pixel_sha256}"
    return generate_uid(entropy_srcs=[NAME, facts.digest, what, whose])


def _add_patient(dataset: Dataset, item: ExportItem) -> None:
    if item.is_artificial:
        dataset.PatientName = "SYNTHETIC^NOT A PATIENT"
        dataset.PatientID = f"SYNTHETIC-{item.subject or item.row.pixel_sha256[:12]}"
        dataset.PatientComments = "Synthetic image: there is no such patient."
    else:
        dataset.PatientName = f"DEIDENTIFIED^{item.subject.upper()}"
        dataset.PatientID = item.subject
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = ["Only pixels, spacing, rescale and window kept", "new UIDs, keyed pseudonym"]
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""


def _add_study(dataset: Dataset, item: ExportItem, facts: SnapshotFacts) -> None:
    dataset.StudyInstanceUID = _uid(facts, item, "study")
    dataset.SeriesInstanceUID = _uid(facts, item, f"series {item.row.split}")
    dataset.StudyID = "1"
    dataset.StudyDate = f"{facts.built_at:%Y%m%d}" if item.is_artificial else ""
    dataset.StudyTime = f"{facts.built_at:%H%M%S}" if item.is_artificial else ""
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = f"{NAME} export of snapshot {facts.name}"[:LONG_STRING]
    modality = (item.geometry.modality or "").upper()
    dataset.Modality = modality if _CODE_STRING.fullmatch(modality) else "OT"
    dataset.Laterality = ""
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = f"{item.row.origin}: {item.row.label}"[:LONG_STRING]
    dataset.InstanceNumber = int(item.name.rsplit("-", 1)[1])
    dataset.PatientOrientation = ""


def _add_origin(dataset: Dataset, item: ExportItem, facts: SnapshotFacts) -> None:
    """Add the image's origin in every place where the standard asks for it."""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "SYN" if item.is_artificial else "WSD"
    dataset.Manufacturer = NAME
    dataset.SecondaryCaptureDeviceManufacturer = NAME
    dataset.SecondaryCaptureDeviceSoftwareVersions = software_version()
    if item.is_artificial:
        dataset.SyntheticData = "YES"
        dataset.LossyImageCompression = "00"
        dataset.ContributingEquipmentSequence = [_equipment(item, facts)]
    dataset.DerivationDescription = _derivation(item, facts)
    dataset.ImageComments = notice_text(facts.notice, *([NOT_ANONYMOUS] if item.is_artificial else []))


def _equipment(item: ExportItem, facts: SnapshotFacts) -> Dataset:
    purpose = Dataset()
    code = codes.DCM.SynthesizingEquipment  # 109100
    purpose.CodeValue, purpose.CodingSchemeDesignator = code.value, code.scheme_designator
    purpose.CodeMeaning = code.meaning
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [purpose]
    equipment.Manufacturer = NAME
    equipment.ManufacturerModelName = facts.generator_names.get(item.row.generator or "", "simulated cohort")
    equipment.SoftwareVersions = software_version()
    equipment.ContributionDateTime = f"{facts.built_at:%Y%m%d%H%M%S}+0000"
    equipment.ContributionDescription = _derivation(item, facts)
    return equipment


def _derivation(item: ExportItem, facts: SnapshotFacts) -> str:
    row = item.row
    if row.generator is not None:
        name = facts.generator_names.get(row.generator, "unnamed")
        return f"Drawn by generator {name}, weights SHA-256 {row.generator}, request {row.batch}, index {row.index}"
    if item.simulated:
        return f"Simulated from a template: virtual subject {item.subject}"
    return "Exported from stored pixel values without any identifying attribute"


def _add_pixels(dataset: Dataset, item: ExportItem, pixels: Pixels) -> None:
    """Add pixel values as stored, unsigned; their meaning goes into the rescale (PS3.3 C.11.1)."""
    height, width, channels = pixels.shape
    bits = pixels.dtype.itemsize * 8
    dataset.SamplesPerPixel = channels
    dataset.PhotometricInterpretation = "RGB" if channels == 3 else "MONOCHROME2"
    if channels == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = height, width
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    geometry = item.geometry
    if geometry.spacing_mm is not None:
        dataset.PixelSpacing = [_decimal(value) for value in geometry.spacing_mm]
    if channels == 1:
        slope = geometry.rescale_slope
        dataset.RescaleIntercept = _decimal(geometry.rescale_intercept - geometry.signed_offset * slope)
        dataset.RescaleSlope = _decimal(slope)
        dataset.RescaleType = _rescale_type(geometry, dataset.Modality)
        if geometry.window is not None:
            dataset.WindowCenter, dataset.WindowWidth = (_decimal(value) for value in geometry.window)
    content = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    dataset.add_new("PixelData", "OW" if bits == 16 else "OB", content + b"\0" * (len(content) % 2))


def _rescale_type(geometry: Geometry, modality: str) -> str:
    """The unit of the values (PS3.3, C.11.1.1.2), US where it is not known; earlier versions kept none of CT."""
    if geometry.value_unit in (UNKNOWN_UNIT, ANOTHER_UNIT):
        return "US"
    return geometry.value_unit or ("HU" if modality == "CT" else "US")


def _decimal(value: float) -> DSfloat:
    return DSfloat(value, auto_format=True)
