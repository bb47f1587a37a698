"""What an import reads: a source, its files before they are opened, and the pictures read from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.request import ImportRequest
from curation.provenance.value_scales import ValueScale
from curation.tables.images import Split

SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "reserve": Split.RESERVE,
}

NO_LABEL = "no label: it is in no class folder, and no table gives one. See --label-from and --label"


def parse_split(name: str) -> Split:
    """The split that the name of a folder, or a table, stands for; raises BadInput."""
    try:
        return SPLIT_NAMES[name.strip().lower()]
    except KeyError:
        raise BadInput(f"expected a split of train, validation, test or reserve, got {name!r}") from None


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the stored values mean, and where the picture lies in the patient.

    A stored value v stands for (v - signed_offset) * rescale_slope + rescale_intercept; the window is in those units.
    `affine` takes (row, column, 0, 1) of the picture to millimetres, right, anterior and superior positive.
    """

    spacing_mm: tuple[float, float] | None = None  # (row, column)
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    signed_offset: int = 0
    modality: str | None = None  # DICOM's two letters
    window: tuple[float, float] | None = None  # (centre, width)
    frame: int | None = None  # of the source file, from 0
    affine: tuple[tuple[float, ...], ...] | None = None  # 4 rows of 4
    value_unit: str | None = None  # of CT, PET and values in HU: a RescaleType, Units, `other` or `unknown`


NO_GEOMETRY = Geometry()


@dataclass(frozen=True, slots=True)
class IncomingImage:
    """A readable picture of a source. Without `subject_key` it is its own subject; without `split` one is drawn.

    `labels` is one name, or several with 0, 1 or a probability each. `group` joins pictures of one unknown subject: the
    slices of a volume, the files of a study. `png` is the picture as a PNG file that can be stored as it is. `burnt_in`
    is the reason why the picture may show text that identifies somebody.
    """

    source_file: str
    pixels: Pixels  # (H, W, C)
    labels: str | Mapping[str, float]
    subject_key: str | None = None
    split: Split | None = None
    geometry: Geometry = NO_GEOMETRY
    masks: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)  # name -> (H, W) 0 background, 1 structure
    covariates: Mapping[str, str | float] | None = None
    group: str | None = None
    png: bytes | None = None
    burnt_in: str | None = None
    notes: tuple[str, ...] = ()  # what was done to the values, counted in the report
    caption: str | None = None  # free text that describes it

    @property
    def value_scale(self) -> ValueScale | None:
        """What its gray values stand for, without a unit; None for colour."""
        if self.pixels.shape[2] != 1:
            return None
        geometry, bits = self.geometry, self.pixels.dtype.itemsize * 8
        return ValueScale.of(bits, geometry.rescale_slope, geometry.rescale_intercept, geometry.signed_offset, None)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was left out, and why. `detail` holds a decoder's words; they may quote the file and are not kept."""

    source_file: str
    reason: str
    detail: str = ""

    @classmethod
    def because(cls, source_file: str, error: BadInput) -> "Rejected":
        """The refusal of a file with `error`."""
        return cls(source_file, str(error), error.detail if isinstance(error, Unreadable) else "")

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.source_file}: {self.reason}{detail}"


class Unreadable(BadInput):
    """A decoder failed; `detail` holds its words in one line of at most 200 characters."""

    def __init__(self, error: BaseException, reason: str = "unreadable") -> None:
        super().__init__(reason)
        self.detail = " ".join((str(error) or type(error).__name__).split())[:200]


Part: TypeAlias = "IncomingImage | Rejected | Callable[[], Iterable[IncomingImage | Rejected]]"


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of pictures, with a digest over its content and over the options that decide how it is read.

    A part is a picture, a file that was left out, or a function that reads one file; several functions run at once in
    threads. Subjects and file names of a `private` source are kept as keyed pseudonyms only. `already` counts pictures
    that the source knows to be in the project and does not produce again. With `group_near_copies` subjects whose
    pictures look like copies of each other are drawn together and then bound into one.
    """

    name: str
    content_digest: str
    items: Iterable[Part]
    total: int
    options: Mapping[str, Any] = field(default_factory=dict)
    notice: str | None = None
    already: int = 0
    private: bool = False
    notes: Sequence[str] = ()
    group_near_copies: bool = False

    def digest(self, seed: int) -> str:
        """The digest by which a second import of the same source is recognised."""
        return digest_of({"content": self.content_digest, "options": dict(self.options), "seed": seed})


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What is known of a file before it is opened; a file without labels here may have some inside."""

    file: str
    labels: Mapping[str, float] | None
    subject: str | None
    split: Split | None
    covariates: Mapping[str, str | float] | None = None
    caption: str | None = None


def find_labels(
    entry: FileEntry, request: ImportRequest, masks: Mapping[str, NDArray[np.uint8]]
) -> Mapping[str, float]:
    """The labels of a picture: by which of its masks show something, or those of its entry; raises BadInput."""
    if request.label_from == "mask":
        return {name: float(name in masks and bool(masks[name].any())) for name, _ in request.masks}
    if not entry.labels:
        raise BadInput(NO_LABEL)
    return entry.labels
