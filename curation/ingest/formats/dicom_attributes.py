"""Read attributes of a DICOM data set as numbers, and name one that cannot be read."""

from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from curation.errors import BadInput
from curation.ingest.covariates import quote_numbers
from curation.ingest.incoming import Unreadable


def read_code(dataset: Dataset, keyword: str) -> str:
    """Read the first value of an attribute of coded words in capitals, without spaces around it; "" where it is absent.

    Such words are in capitals (PS3.5, 6.2, CS); a program that writes `ct` or `hu` means them.
    """
    value = dataset.get(keyword)
    first = value if isinstance(value, str) or not value else next(iter(value))
    return str(first or "").strip().upper()


def read_numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Read the numbers of an attribute, none where it is absent or empty; raises BadInput that names it."""
    try:
        value = dataset.get(keyword)
        values = [value] if isinstance(value, str | bytes | int | float) or value is None else list(value)
        return tuple(float(number) for number in values if number is not None and number != "")
    except Exception as error:  # pydicom fails on a damaged value with nearly every type there is
        raise BadInput(f"{keyword}: expected numbers, got {show_value(dataset, keyword)}") from error


def read_number(dataset: Dataset, keyword: str, absent: float) -> float:
    """Read an attribute of one number, `absent` where it is absent or empty; raises BadInput that names it."""
    values = read_numbers(dataset, keyword)
    if len(values) > 1:
        raise BadInput(f"{keyword}: expected one number, got {show_value(dataset, keyword)}")
    return values[0] if values else float(absent)


def read_whole(dataset: Dataset, keyword: str, absent: int = 0) -> int:
    """Read an attribute of one whole number, `absent` where it is absent or empty; raises BadInput that names it."""
    value = read_number(dataset, keyword, absent)
    if not value.is_integer():
        raise BadInput(f"{keyword}: expected a whole number, got {show_value(dataset, keyword)}")
    return int(value)


def show_value(dataset: Dataset, keyword: str) -> str:
    """Quote what an attribute holds, unless it may be text about somebody."""
    value: Any = getattr(dataset.get_item(keyword), "value", "")
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
    else:
        text = str(value) if isinstance(value, str | int | float) else "\\".join(map(str, value or ()))
    return quote_numbers(text.strip(" \0"))


def explain_failure(error: Exception, dataset: Dataset | None, otherwise: str = "unreadable") -> BadInput:
    """Name the attribute that fails as `error` did when it is looked at; without one the reason is `otherwise`."""
    for tag in dataset.keys() if dataset is not None else ():
        try:
            _ = dataset[tag]  # type: ignore[index]
        except Exception as other:  # of nearly every type there is
            if (type(other), str(other)) == (type(error), str(error)):
                return Unreadable(error, f"{keyword_for_tag(tag) or tag} cannot be read")
    return Unreadable(error, otherwise)
