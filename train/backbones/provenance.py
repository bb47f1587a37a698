"""What a backbone saw: by its card, or by the catalogue for weights straight from the hub."""

from pathlib import Path
from typing import Any

from curation.provenance.public_web import BACKBONE_SAW
from curation.provenance.seen import PUBLIC_WEB, Seen
from train.backbones.catalogue import BY_ID
from train.backbones.load import Backbone
from train.backbones.names import CARD


def seen_by_backbone(directory: Path, name: str) -> Seen:
    """Collect what a backbone saw; an id of the catalogue without a card saw what the catalogue says."""
    entry = BY_ID.get(name)
    is_of_hub = f"models--{name.replace('/', '--')}" in directory.parts  # the hub's cache, not a directory of that name
    if entry and is_of_hub and entry.provenance == PUBLIC_WEB and not (directory / CARD).is_file():
        return Seen(frozenset(), frozenset(), public_web=(f"backbone {name}",))
    return Seen.by_backbone(directory, name)


def backbone_facts(backbone: Backbone) -> dict[str, Any]:
    """Name the backbone for the parameters that figures are saved with."""
    facts = {"backbone": backbone.name, "backbone_digest": backbone.digest}
    seen = seen_by_backbone(backbone.directory, backbone.name)
    return facts | ({BACKBONE_SAW: PUBLIC_WEB} if seen.public_web else {})
