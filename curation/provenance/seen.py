"""Collect the subjects and images that weights were fitted on, ancestors included, and refuse leaks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from curation.digests import is_sha256
from curation.errors import BadInput, LeakRefused

UNKNOWN = "UNKNOWN"
PUBLIC_WEB = "public web"


class ShownImage(Protocol):
    """An image that weights were shown: its subject and the digest of its pixels."""

    @property
    def subject(self) -> str | None:
        """The key of the subject."""
        ...

    @property
    def pixel_sha256(self) -> str:
        """The digest of the pixels."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """The subjects and images (by pixel digest) that weights were fitted on, and the ancestors that list none.

    Of those, `public_web` saw web images that were public before: no unpublished patient is among them. `unknown` may
    have seen anything.
    """

    subjects: frozenset[str]
    pixel_sha256: frozenset[str]
    unknown: tuple[str, ...] = ()
    public_web: tuple[str, ...] = ()

    def __or__(self, other: Self) -> Self:
        return type(self)(
            self.subjects | other.subjects,
            self.pixel_sha256 | other.pixel_sha256,
            tuple(sorted({*self.unknown, *other.unknown})),
            tuple(sorted({*self.public_web, *other.public_web})),
        )

    @classmethod
    def by_rows(cls, rows: Iterable[ShownImage]) -> Self:
        """Collect what fitting on `rows` shows."""
        rows = list(rows)
        subjects = frozenset(row.subject for row in rows if row.subject is not None)
        return cls(subjects, frozenset(row.pixel_sha256 for row in rows))

    @classmethod
    def by_backbone(cls, directory: Path, name: str) -> Self:
        """Read what a backbone's card.json lists; without one its provenance is unknown.

        Raises BadInput for a card that Rounds did not write: what the backbone saw must not be guessed.
        """
        card_path = directory / "card.json"
        if not card_path.is_file():
            return cls(frozenset(), frozenset(), (f"backbone {name}",))
        try:
            return cls._of_card(json.loads(card_path.read_text())["fitted_on"], name)
        except BadInput as error:
            raise BadInput(f"{card_path}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(
                f"{card_path}: expected a card with fitted_on, in it subjects and pixel_sha256, as Rounds writes it. "
                "Put it right, or move it away: without a card nobody knows what the backbone saw."
            ) from error

    @classmethod
    def _of_card(cls, fitted_on: dict[str, Any], name: str) -> Self:
        stated = fitted_on.get("provenance")
        itself = (f"backbone {name}",)
        lists_nothing = ("subjects", "pixel_sha256") if stated in (PUBLIC_WEB, UNKNOWN) else ()
        entries: dict[str, Any] = {**dict.fromkeys(lists_nothing, ()), **fitted_on}
        return cls(
            _subjects(entries),
            _digests(entries),
            (*(itself if stated == UNKNOWN else ()), *map(str, entries.get("unknown", ()))),
            (*(itself if stated == PUBLIC_WEB else ()), *map(str, entries.get("public_web", ()))),
        ) | cls.by_lineage(entries.get("lineage", {}))

    @classmethod
    def by_generator(cls, fitted_on: Mapping[str, Any]) -> Self:
        """Read what a generator's card lists, its ancestors included."""
        entry = {"subjects": (), "pixel_sha256": (), **fitted_on}
        return cls.of_entry(entry) | cls.by_lineage(entry.get("lineage", {}))

    @classmethod
    def by_lineage(cls, lineage: Mapping[str, Any]) -> Self:
        """Collect what the generators of a snapshot's synthetic images saw."""
        generators = lineage.get("generators", [])
        return cls(
            frozenset().union(*map(_subjects, generators)),
            frozenset().union(*map(_digests, generators)),
            tuple(f"generator {entry['name']}" for entry in generators if entry.get("provenance") == UNKNOWN),
        )

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `as_entry` wrote."""
        names = (tuple(map(str, entry.get(key, ()))) for key in ("unknown", "public_web"))
        return cls(_subjects(entry), _digests(entry), *names)

    def as_entry(self) -> dict[str, list[str]]:
        """Give it the form in which the card of a run keeps it."""
        web = {"public_web": list(self.public_web)} if self.public_web else {}
        lists = {"subjects": sorted(self.subjects), "pixel_sha256": sorted(self.pixel_sha256)}
        return {**lists, "unknown": list(self.unknown), **web}

    def refuse_leak(self, held_out: Sequence[ShownImage], split: str) -> None:
        """Raise LeakRefused when a subject or a picture of `held_out` is among what was seen."""
        leaked = sorted(
            {row.subject or row.pixel_sha256[:12] for row in held_out
             if row.subject in self.subjects or row.pixel_sha256 in self.pixel_sha256}
        )  # fmt: skip
        if leaked:
            raise LeakRefused(
                f"{len(leaked)} {split} subjects or images ({', '.join(leaked[:3])}) were seen in training, directly or"
                " through the backbone or a generator. Use a snapshot or a backbone that left them out."
            )


def _subjects(entry: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_texts(entry, "subjects"))


def _digests(entry: Mapping[str, Any]) -> frozenset[str]:
    """Read a list of digests; one that is written otherwise would equal no image's, and hide a leak."""
    digests = _texts(entry, "pixel_sha256")
    strange = next((digest for digest in digests if not is_sha256(digest)), None)
    if strange is not None:
        raise BadInput(
            f"expected in pixel_sha256 the SHA-256 of every image, 64 digits of 0-9 and a-f, got {strange[:70]!r}. Put "
            "the list right: what was seen must not be guessed."
        )
    return frozenset(digests)


def _texts(entry: Mapping[str, Any], name: str) -> list[str] | tuple[str, ...]:
    """Read a list of texts."""
    values = entry[name]
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise BadInput(f"expected in {name} a list of texts, got {str(values)[:70]!r}. Put the list right.")
    return values
