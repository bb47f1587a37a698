"""The options of an import: a frozen record that is kept with the import and part of its digest."""

import re
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import Field

from curation.errors import BadInput
from curation.ingest.covariates import DICOM_COVARIATES
from curation.requests import FrozenRequest

Plane: TypeAlias = Literal["axial", "coronal", "sagittal"]
Window: TypeAlias = tuple[float, float] | Literal["file"]
LABEL_SOURCES = ("folder", "manifest", "mask")
KEYWORD = "keyword:"


class ImportRequest(FrozenRequest):
    """How the files of a source are read; an option that is not set follows from the files."""

    subject_pattern: str | None = None
    public_subjects: bool = False
    label: str | None = None  # of every picture
    label_from: str | None = None  # folder, manifest, mask or keyword:NAME
    label_columns: tuple[str, ...] = ()
    label_separator: str | None = None
    file_column: str | None = None
    subject_column: str | None = None
    split_column: str | None = None
    caption_column: str | None = None  # free text that describes a picture, a report
    covariates: tuple[str, ...] = ()
    masks: tuple[tuple[str, str], ...] = ()  # name, and where its file is: labels/{stem}.png
    size: tuple[int, int] | None = None  # height, width
    window: Window | None = None  # centre and width, or the file's own: gray pictures become 8 bit
    gray: bool = False  # RGB pictures with equal channels become gray, coloured ones are refused
    plane: Plane = "axial"
    volume: int | None = Field(default=None, ge=0)  # of a NIfTI file that holds several
    slices: tuple[int | None, int | None, int] = (None, None, 1)
    quantise: bool = False
    allow_unmatched: bool = False  # pictures that a table or a mask pattern was to describe may lack their row or mask
    group_near_copies: bool = False  # bind subjects whose pictures look like copies of each other before the split
    manifest_digest: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of a table given beside the source"
    )

    @cached_property
    def subject_regex(self) -> re.Pattern[str] | None:
        """The subject pattern, compiled; raises BadInput unless it has one group."""
        if self.subject_pattern is None:
            return None
        try:
            compiled = re.compile(self.subject_pattern)
        except re.error as error:
            raise BadInput(
                f"the subject pattern {self.subject_pattern!r} is not a regular expression: {error}."
            ) from error
        if compiled.groups != 1:
            raise BadInput(
                f"expected one group in the subject pattern, as in (patient\\d+)_, got {self.subject_pattern!r}."
            )
        return compiled

    @property
    def label_keyword(self) -> str | None:
        """The DICOM keyword that labels come from."""
        label_from = self.label_from or ""
        return label_from.removeprefix(KEYWORD) if label_from.startswith(KEYWORD) else None

    def check(self) -> None:
        """Raise BadInput for options that contradict each other."""
        _ = self.subject_regex
        if self.label_from is not None and self.label_from not in LABEL_SOURCES and not self.label_keyword:
            raise BadInput(f"expected labels from folder, manifest, mask or keyword:NAME, got {self.label_from!r}.")
        if self.label_keyword and self.label_keyword not in DICOM_COVARIATES:
            raise BadInput(
                f"{self.label_keyword} cannot be the label: it may identify somebody. "
                f"There are {', '.join(DICOM_COVARIATES)}."
            )
        if isinstance(self.window, tuple) and not self.window[1] > 0:
            raise BadInput(f"expected a window with a width above 0, got {self.window[1]:g}.")
        first, end, _ = self.slices
        if end is not None and (first or 0) >= end:
            raise BadInput(
                f"expected --slices FROM:TO with FROM below TO, got {first or 0}:{end}, which holds no slice."
            )
        if self.label is not None and self.label_from is not None:
            raise BadInput("--label and --label-from exclude each other. Give one of the two.")
        if self.label_columns and (self.label is not None or self.label_from not in (None, "manifest")):
            raise BadInput("--label-column is for labels from a table; another option says where they come from.")
        if self.label_from == "mask" and not self.masks:
            raise BadInput("labels from masks need masks: say where they are with --mask NAME=PATTERN.")
        if self.label_separator is not None and len(self.label_columns) > 1:
            raise BadInput("a label separator is for one column that lists labels. Here several columns are labels.")

    def options(self) -> dict[str, Any]:
        """The options that differ from the defaults, as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


NO_REQUEST = ImportRequest()
_FLAGS = {
    "label_columns": "--label-column",
    "covariates": "--covariate",
    "masks": "--mask",
    "manifest_digest": "--manifest",
}


def flag_of(field: str) -> str:
    """The option of `rounds import` that sets a field of the request."""
    return _FLAGS.get(field, f"--{field.replace('_', '-')}")
