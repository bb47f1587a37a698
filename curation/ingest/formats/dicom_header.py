"""Check the header of a DICOM file before a decoder sees its pixels.

Checked are SOP class, size, bits, frames and the number of bytes.
"""

import zlib
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from curation.errors import BadInput
from curation.ingest.formats.dicom_attributes import explain_failure, read_numbers, read_whole
from curation.ingest.formats.dicom_preamble import begins_as_dicom, read_meta
from curation.ingest.formats.picture_files import check_size
from curation.tables.images import Shape

SUFFIXES = (".dcm", ".dicom", ".ima")
MAX_FRAMES = 100_000
MAX_INFLATED = 2 << 30
_RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_IDENTIFYING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "OtherPatientIDs",
    "AccessionNumber",
    "StudyID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "InstitutionName",
    "ReferringPhysicianName",
)


def read_header(path: Path, *, pixels: bool = False) -> FileDataset:
    """Read and check the data set, without its pixels or with them; raises BadInput."""
    if path.stat().st_size == 0:
        raise BadInput("the file is empty")
    if not begins_as_dicom(path):
        raise BadInput("not a DICOM file: no DICM after 128 bytes, and no data set from its first byte")
    dataset = None
    try:
        _check_inflated(path)
        dataset = dcmread(path, stop_before_pixels=not pixels, force=True)
        check_header(dataset)
    except BadInput:
        raise
    except Exception as error:  # a damaged file fails with nearly every type there is
        raise explain_failure(error, dataset) from error
    return dataset


def probe_dicom(path: Path) -> tuple[Shape, str | None]:
    """Read from the header which shape the frames will have, and the SOP Instance UID; raises BadInput."""
    dataset = read_header(path)
    rgb, uid = dataset.PhotometricInterpretation in _RGB, dataset.get("SOPInstanceUID")
    height, width = read_whole(dataset, "Rows"), read_whole(dataset, "Columns")
    return (height, width, 3 if rgb else 1, 8 if rgb or stored_bits(dataset) == 8 else 16), str(uid) if uid else None


def stored_bits(dataset: Dataset) -> int:
    """Bits of a stored gray value: of the output of the modality LUT, where there is one (PS3.3, C.11.1)."""
    lut = dataset.get("ModalityLUTSequence")
    if lut:
        return 8 if _lut_bits(lut[0]) == 8 else 16
    return read_whole(dataset, "BitsAllocated")


def _lut_bits(item: Dataset) -> int:
    descriptor = read_numbers(item, "LUTDescriptor")
    return int(descriptor[2]) if len(descriptor) == 3 else 0


def check_header(dataset: FileDataset) -> None:
    """Raise BadInput unless the data set is a picture of 8 or 16 bit gray or 8 bit colour within bounds."""
    _check_sop_class(dataset)
    if "Rows" not in dataset or "Columns" not in dataset:
        raise BadInput("a DICOM file without a picture")
    check_size(read_whole(dataset, "Rows"), read_whole(dataset, "Columns"))
    frames = count_frames(dataset)
    if not 1 <= frames <= MAX_FRAMES:
        raise BadInput(f"expected 1 to {MAX_FRAMES:,} frames, got {frames}")
    photometric, bits = str(dataset.get("PhotometricInterpretation", "")), read_whole(dataset, "BitsAllocated")
    if photometric not in (*_GRAY, *_RGB):
        raise BadInput(f"the photometric interpretation {photometric[:16] or '(none)'!r} is not one that can be kept")
    if bits not in (8, 16):
        raise BadInput(f"BitsAllocated: {bits} bits allocated, expected 8 or 16. Convert it to 16 bit first")
    _check_numbers(dataset, bits)
    wanted = 3 if photometric in _RGB and photometric != "PALETTE COLOR" else 1
    samples = read_whole(dataset, "SamplesPerPixel")
    if samples != wanted:
        raise BadInput(f"SamplesPerPixel: {samples} samples a pixel, and {photometric} has {wanted}")
    if wanted == 3 and bits != 8:
        raise BadInput(f"{bits} bit colour. Save it as 8 bit RGB")
    if wanted == 3 and read_whole(dataset, "PlanarConfiguration", -1) not in (0, 1):  # PS3.3, C.7.6.3.1.3
        raise BadInput("PlanarConfiguration: expected 0 or 1, how the three colours lie, and it says neither")


def _check_numbers(dataset: Dataset, bits: int) -> None:
    """Raise BadInput unless the header says where the bits of a value lie, and whether it has a sign."""
    stored = read_whole(dataset, "BitsStored")
    if not 1 <= stored <= bits:
        raise BadInput(f"BitsStored: {stored} bits stored of {bits} allocated")
    high = read_whole(dataset, "HighBit", stored - 1)
    if high != stored - 1:  # PS3.5, 8.1.1
        raise BadInput(f"HighBit is {high}: expected {stored - 1}, since BitsStored is {stored}")
    if "PixelRepresentation" not in dataset or read_whole(dataset, "PixelRepresentation", -1) not in (0, 1):
        raise BadInput("PixelRepresentation: expected 0 (unsigned) or 1 (signed), and it says neither")
    lut = dataset.get("ModalityLUTSequence")
    if lut and _lut_bits(lut[0]) not in (8, 16):  # PS3.3, C.11.1.1.1
        raise BadInput(f"a modality LUT of {_lut_bits(lut[0])} bits: expected 8 or 16")


def _check_sop_class(dataset: FileDataset) -> None:
    uid = UID(str(dataset.get("SOPClassUID", "")))
    if not uid:
        raise BadInput("no SOP class, so its kind is unknown")
    name = uid.name
    if uid == _SLIDE:
        raise BadInput("a whole-slide picture: its frames are tiles. Export regions as pictures first")
    if not name.split(" - ")[0].endswith(("Image Storage", "US Volume Storage")):
        known = name if name != str(uid) else "an unknown SOP class"
        raise BadInput(f"{known}: not a picture")


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that inflates to too much: its data set is one stream (PS3.5, A.5)."""
    if read_meta(path).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    length, stream = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        head = file.read(144)
        if head[128:132] != b"DICM":
            raise BadInput("a deflated DICOM file without the preamble of Part 10")
        file.seek(144 + int.from_bytes(head[140:144], "little"))  # the end of the meta information (PS3.10, 7.1)
        while block := file.read(1 << 16):
            while block:
                length += len(stream.decompress(block, 1 << 20))
                if length > MAX_INFLATED:
                    raise BadInput(f"inflates to more than {MAX_INFLATED >> 30} GiB: refused as a decompression bomb")
                block = stream.unconsumed_tail


def count_frames(dataset: Dataset) -> int:
    """The number of frames by the header."""
    return read_whole(dataset, "NumberOfFrames") or 1


def find_identifying_texts(dataset: Dataset) -> set[str]:
    """Texts that identify the person or the study, folded to letters and digits; 3 characters or more."""
    texts: set[str] = set()
    for keyword in _IDENTIFYING:
        value: Any = dataset.get(keyword)
        parts = [str(value), *str(value).replace("=", "^").split("^")] if value else []
        texts.update(fold_text(part) for part in parts)
    return {text for text in texts if len(text) >= 3}


def fold_text(text: str) -> str:
    """The letters and digits of a text in lower case."""
    return "".join(character for character in text.casefold() if character.isalnum())
