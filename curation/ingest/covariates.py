"""Covariates that may be kept for subgroups: none that identifies, ages in decades up to 90."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from curation.errors import BadInput

Covariates: TypeAlias = dict[str, str | float]
Notes: TypeAlias = tuple[str, ...]

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
_LIKE_NUMBERS = re.compile(r"[0-9+\-.,eE\\ ]{1,64}")  # what else is written somewhere may name a person
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


def covariates_of_row(row: Mapping[str, Any], wanted: Sequence[str]) -> tuple[Covariates, Notes]:
    """The chosen cells of a table row, an age as its decade; and notes on those that cannot be read."""
    cells = {name: row.get(name, "") for name in wanted}
    texts = {name: str(cell) for name, cell in cells.items() if cell != "" and not isinstance(cell, list | dict)}
    return _keep(texts, {name: _decade_of_age_string if _AGE.search(name) else _value for name in texts})


def covariates_of_dataset(dataset: Any, wanted: Sequence[str]) -> tuple[Covariates, Notes]:
    """The chosen attributes that a DICOM data set has, and notes on those that cannot be read."""
    texts: dict[str, str] = {}
    for name in wanted:
        value = dataset.get(name) if name in DICOM_COVARIATES else None
        if value is not None and str(value) != "":
            texts[name] = "\\".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    readers = {"PatientAge": _decade_of_age_string} | dict.fromkeys(_OF_NUMBERS, _number)
    return _keep(texts, {name: readers.get(name, _value) for name in texts})


def quote_numbers(text: str) -> str:
    """Quote what somebody wrote, unless it may be text about somebody."""
    return repr(text).replace("\\\\", "\\") if _LIKE_NUMBERS.fullmatch(text) else "what is no number"


def _keep(
    texts: Mapping[str, str], readers: Mapping[str, Callable[[str], str | float | None]]
) -> tuple[Covariates, Notes]:
    """Read each text by its reader; one that gives None counts as absent, and is noted."""
    read = {name: readers[name](text) for name, text in texts.items()}
    notes = tuple(
        f"{name}: expected {'one number' if readers[name] is _number else 'an age in years'}, got "
        f"{quote_numbers(texts[name])}; it counts as absent"
        for name, value in read.items()
        if value is None
    )
    return {name: value for name, value in read.items() if value is not None}, notes


def _value(text: str) -> str | float:
    number = _number(text)
    return text[:_LONGEST] if number is None else number


def _number(text: str) -> float | None:
    """One number; None for what else stands there, since free text may name somebody."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) < 1e12 else None


def _decade_of_age_string(text: str) -> str | None:
    """DICOM PS3.5, 6.2: AS is nnnD, nnnW, nnnM or nnnY; what is under a year is in the first decade."""
    digits, unit = text[:-1], text[-1:].upper()
    if unit in ("D", "W", "M"):
        return _decade("0") if digits.strip().isdecimal() else None
    return _decade(digits if unit == "Y" else text)


def _decade(text: str) -> str | None:
    try:
        years = int(float(text))
    except (ValueError, OverflowError):
        return None
    if years < 0:
        return None
    low = years // 10 * 10
    return f"{_OLDEST}+" if years >= _OLDEST else f"{low}-{low + 9}"
