"""Make saved JSON fit for strangers: without paths of a machine and keys of subjects."""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.queries import chunks
from curation.tables.images import Subject

WITHHELD = "withheld"


def make_tellable(session: Session, value: Any) -> Any:
    """Remove paths from saved JSON and withhold subjects' keys."""
    shortened = without_paths(value)
    keys = subject_keys_among(session, set(_texts(shortened)))
    return _withheld(shortened, keys) if keys else shortened


def without_paths(value: Any) -> Any:
    """Keep only the last part of what looks like a path of some machine; `group/model` stays."""
    if isinstance(value, dict):
        return {key: without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_paths(inner) for inner in value]
    if isinstance(value, str) and (value.startswith(("/", "~", ".")) or value.count("/") > 1 or "\\" in value):
        return value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return value


def subject_keys_among(session: Session, words: Collection[str]) -> set[str]:
    """Find the words that are keys of subjects of the project."""
    queries = (select(Subject.key).where(Subject.key.in_(chunk)) for chunk in chunks(sorted(words)))
    return {key for query in queries for key in session.scalars(query)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (str(key), *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _withheld(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _withheld(inner, keys) for key, inner in value.items() if key not in keys}
    if isinstance(value, list):
        return [_withheld(inner, keys) for inner in value]
    return WITHHELD if isinstance(value, str) and value in keys else value
