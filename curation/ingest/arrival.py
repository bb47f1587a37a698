"""A stored picture of a source that may enter the project, and its record as one line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, TypeAlias

from curation.ingest.incoming import NO_GEOMETRY, Geometry
from curation.tables.images import Split

Labels: TypeAlias = tuple[tuple[str, float], ...]  # name and 0, 1 or a probability, by name

NOTHING_SHOWN = "none of the labels"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A stored picture that may enter the project; `kept_as` is the file name that the database keeps."""

    source_file: str
    labels: Labels
    subject_key: str
    subject_known: bool
    split: Split | None
    pixel_sha256: str
    file_sha256: str
    shape: tuple[int, int, int]
    bits: int
    geometry: Geometry = NO_GEOMETRY
    masks: Mapping[str, str] = field(default_factory=dict)  # name -> file SHA-256
    covariates: Mapping[str, str | float] | None = None
    kept_as: str = ""
    burnt_in: str | None = None
    notes: tuple[str, ...] = ()
    in_project: bool = False

    @property
    def label(self) -> str:
        """The labels with a value of at least a half, in words."""
        return ", ".join(self.shown) or NOTHING_SHOWN

    @property
    def files(self) -> set[str]:
        """The digests of its stored files: the picture and its masks."""
        return {self.file_sha256, *self.masks.values()}

    @property
    def shown(self) -> list[str]:
        """The labels with a value of at least a half."""
        return [name for name, value in self.labels if value >= 0.5]

    def record(self) -> str:
        """Every field but the split, as JSON; `from_record` reads it back."""
        values: list[Any] = [
            self.source_file,
            self.labels,
            self.subject_key,
            self.subject_known,
            self.pixel_sha256,
            self.file_sha256,
            self.shape,
            self.bits,
            None if self.geometry == NO_GEOMETRY else astuple(self.geometry),
            dict(self.masks),
            None if self.covariates is None else dict(self.covariates),
            self.kept_as,
            self.burnt_in,
            self.notes,
            self.in_project,
        ]
        return json.dumps(values)

    @classmethod
    def from_record(cls, record: str, split: Split | None) -> "Arrival":
        """Read an arrival back from its record, and place it in `split`."""
        file, labels, key, known, pixels, content, shape, bits, geometry, masks, covariates, *rest = json.loads(record)
        kept_as, burnt_in, notes, in_project = rest
        return cls(
            source_file=file,
            labels=tuple((name, value) for name, value in labels),
            subject_key=key,
            subject_known=known,
            split=split,
            pixel_sha256=pixels,
            file_sha256=content,
            shape=tuple(shape),
            bits=bits,
            geometry=NO_GEOMETRY if geometry is None else _geometry(*geometry),
            masks=masks,
            covariates=covariates,
            kept_as=kept_as,
            burnt_in=burnt_in,
            notes=tuple(notes),
            in_project=in_project,
        )


def _geometry(spacing: Any, slope: float, intercept: float, offset: int, modality: str, *rest: Any) -> Geometry:
    window, frame, affine = rest
    return Geometry(
        spacing_mm=spacing and tuple(spacing),
        rescale_slope=slope,
        rescale_intercept=intercept,
        signed_offset=offset,
        modality=modality,
        window=window and tuple(window),
        frame=frame,
        affine=affine and tuple(tuple(row) for row in affine),
    )
