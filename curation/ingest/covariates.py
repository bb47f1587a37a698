"""Covariates that may be kept for subgroups: none that identifies, ages in decades up to 90."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curation.errors import BadInput

# What DICOM says of the acquisition and, of the person, sex and age alone. Free text is not among them: it may hold
# names (DICOM PS3.15, table E.1-1, lists what identifies; this list is of what does not).
DICOM_COVARIATES = (
    "PatientSex",
    "PatientAge",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "BodyPartExamined",
    "ViewPosition",
    "Laterality",
    "ImageLaterality",
    "PatientPosition",
    "PatientOrientation",
    "MagneticFieldStrength",
    "ScanningSequence",
    "MRAcquisitionType",
    "EchoTime",
    "RepetitionTime",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "PresentationIntentType",
)
_OF_NUMBERS = ("MagneticFieldStrength", "EchoTime", "RepetitionTime", "KVP", "SliceThickness")
_AGE = re.compile(r"(^|_)age(_|$)|^patientage$", re.IGNORECASE)
_IDENTIFIES = re.compile(
    r"name|birth|dob|mrn|address|phone|mail|ssn|insur|accession|uid|zip|post_?code|date|time$|physician|operator"
    r"|institution|hospital|station|serial|(^|_)id$|^id(_|$)|patient_?id|comment|note|free_?text",
    re.IGNORECASE,
)
_OLDEST = 90
_LONGEST = 64


def check_columns(
    table: str, wanted: Sequence[str], columns: Iterable[str], subject: str | None, *, only_columns: bool = False
) -> None:
    """Raise BadInput for a covariate that is no column of the table, or whose name suggests that it identifies.

    A DICOM keyword may stand in the files instead, unless there are `only_columns`.
    """
    for name in wanted:
        if name in DICOM_COVARIATES and not only_columns:
            continue
        if name == subject or (name not in DICOM_COVARIATES and _IDENTIFIES.search(name)):
            raise BadInput(f"the column {name!r} identifies people or may: it is not kept as a covariate.")
        if name not in set(columns):
            raise BadInput(f"{table} has no column {name!r}. There are {', '.join(columns)}.")


def check_keywords(wanted: Sequence[str], elsewhere: bool) -> None:
    """Raise BadInput for a DICOM keyword that may not be kept; `elsewhere`: a table may have it as a column."""
    refused = [name for name in wanted if name not in DICOM_COVARIATES]
    if refused and not elsewhere:
        raise BadInput(
            f"{', '.join(refused)}: not kept as a covariate, since it may identify somebody. DICOM files offer "
            f"{', '.join(DICOM_COVARIATES)}."
        )


def covariates_of_row(row: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, str | float]:
    """The chosen cells of a table row; an age becomes its decade."""
    kept: dict[str, str | float] = {}
    for name in wanted:
        cell = row.get(name, "")
        if cell != "" and not isinstance(cell, list):
            kept[name] = _decade(str(cell), name) if _AGE.search(name) else _value(str(cell))
    return kept


def covariates_of_dataset(dataset: Any, wanted: Sequence[str]) -> dict[str, str | float]:
    """The chosen attributes that a DICOM data set has."""
    kept: dict[str, str | float] = {}
    for name in wanted:
        value = dataset.get(name) if name in DICOM_COVARIATES else None
        if value is None or str(value) == "":
            continue
        text = "\\".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        kept[name] = _decade_of_age_string(text) if name == "PatientAge" else _value(text)
        if name in _OF_NUMBERS and isinstance(kept[name], str):  # free text may name somebody
            raise BadInput(f"{name}: expected one number")
    return kept


def _value(text: str) -> str | float:
    try:
        number = float(text)
    except ValueError:
        return text[:_LONGEST]
    return number if number == number and abs(number) < 1e12 else text[:_LONGEST]


def _decade_of_age_string(text: str) -> str:
    """DICOM PS3.5, 6.2: AS is nnnD, nnnW, nnnM or nnnY; what is under a year is in the first decade."""
    years = text[:-1] if text[-1:].upper() == "Y" else "0" if text[-1:].upper() in "DWM" else text
    return _decade(years, "PatientAge")


def _decade(text: str, name: str) -> str:
    try:
        years = int(float(text))
    except (ValueError, OverflowError):
        raise BadInput(f"{name}: expected an age in years") from None
    if years < 0:
        raise BadInput(f"{name}: expected an age in years")
    low = years // 10 * 10
    return f"{_OLDEST}+" if years >= _OLDEST else f"{low}-{low + 9}"
