"""Recognise the start of a DICOM file: preamble and file meta information (PS3.10, 7.1), or bare.

Old archives and research exports hold bare data sets. A file counts as one when its first element is one that a data
set or its meta information can begin with; its header is then checked like that of any other.
"""

import struct
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

BARE = "a DICOM file without its head was read as its data set begins"
_FIRST_VRS = frozenset((b"UL", b"OB", b"UI", b"CS", b"LO", b"DA", b"TM", b"SH", b"DT"))  # of (0002,0000) to (0008,0018)
_LONGEST_FIRST = 1_024  # bytes of a first element: a character set, an image type, a UID


def begins_as_dicom(path: Path) -> bool:
    """Whether a file begins as in PS3.10, 7.1, or with an early element of group 0002 or 0008."""
    with path.open("rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM" or _is_bare(head[:8])


def _is_bare(head: bytes) -> bool:
    if len(head) < 8:
        return False
    is_explicit = head[4:6] in _FIRST_VRS
    group, element = struct.unpack("<HH", head[:4])
    if group == 0x0002:
        return is_explicit and element <= 0x0102
    if group == 0x0008:
        (length,) = struct.unpack("<I", head[4:])
        return element <= 0x0018 and (is_explicit or length <= _LONGEST_FIRST)
    return is_explicit and head[:3] == b"\x00\x08\x00" and head[3] <= 0x18  # big endian is always explicit: PS3.5, A.3


def is_bare(dataset: FileDataset) -> bool:
    """Whether the file has no preamble, or names no transfer syntax."""
    return dataset.preamble is None or "TransferSyntaxUID" not in dataset.file_meta


def transfer_syntax(dataset: FileDataset) -> UID:
    """The transfer syntax that the file names, else the uncompressed one of its data set."""
    named: UID | None = dataset.file_meta.get("TransferSyntaxUID")
    if named:
        return named
    is_implicit, is_little = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian


def read_meta(path: Path) -> Dataset:
    """Read the file meta information, which may be empty, with or without the preamble."""
    with path.open("rb") as file:
        read_preamble(file, force=True)
        return read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
