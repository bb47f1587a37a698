"""A stored picture of a source that may enter the project, and its record as one line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from typing import Any, TypeAlias

from curation.ingest.incoming import NO_GEOMETRY, Geometry
from curation.near_copies.fingerprints import Floats
from curation.provenance.value_scales import ValueScale
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
    levels: tuple[int, int] = (0, 0)  # the least and the greatest stored value
    geometry: Geometry = NO_GEOMETRY
    masks: Mapping[str, str] = field(default_factory=dict)  # name -> file SHA-256
    covariates: Mapping[str, str | float] | None = None
    kept_as: str = ""
    burnt_in: str | None = None
    notes: tuple[str, ...] = ()
    caption: str | None = None
    in_project: bool = False
    small: Floats | None = field(default=None, compare=False, repr=False)  # (1, 32, 32): what its fingerprint is of

    @property
    def label(self) -> str:
        """The labels with a value of at least a half, in words."""
        return ", ".join(self.shown) or NOTHING_SHOWN

    @property
    def files(self) -> set[str]:
        """The digests of its stored files: the picture and its masks."""
        return {self.file_sha256, *self.masks.values()}

    @property
    def value_scale(self) -> ValueScale | None:
        """What its gray values stand for; None for colour."""
        if self.shape[2] != 1:
            return None
        geometry = self.geometry
        slope, intercept = geometry.rescale_slope, geometry.rescale_intercept
        return ValueScale.of(self.bits, slope, intercept, geometry.signed_offset, geometry.value_unit)

    @property
    def shown(self) -> list[str]:
        """The labels with a value of at least a half."""
        return [name for name, value in self.labels if value >= 0.5]

    def record(self) -> str:
        """Every field but the split and the small picture, as JSON; `from_record` reads it back."""
        return json.dumps([getattr(self, name) for name in RECORDED], default=_geometry_values)

    @classmethod
    def from_record(cls, record: str, split: Split | None) -> "Arrival":
        """Read an arrival back from its record, and place it in `split`."""
        values = dict(zip(RECORDED, map(_with_tuples, json.loads(record)), strict=True))
        return cls(**values | {"split": split, "geometry": Geometry(*values["geometry"] or ())})


RECORDED = tuple(field.name for field in fields(Arrival) if field.name not in ("split", "small"))


def _geometry_values(geometry: Geometry) -> tuple[Any, ...] | None:
    return None if geometry == NO_GEOMETRY else astuple(geometry)


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
