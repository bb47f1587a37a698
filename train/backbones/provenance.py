"""What a backbone saw: by its card, or by the catalogue for weights straight from the hub."""

import json
from pathlib import Path
from typing import Any

from curation.provenance.public_web import BACKBONE_SAW
from curation.provenance.seen import PUBLIC_WEB, Seen
from train.backbones.catalogue import BY_ID
from train.backbones.input_size import is_trained_at
from train.backbones.load import Backbone
from train.backbones.names import CARD
from train.backbones.shipped import find_shipped


def seen_by_backbone(directory: Path, name: str) -> Seen:
    """Collect what a backbone saw; an id of the catalogue without a card saw what the catalogue says."""
    entry = BY_ID.get(name)
    is_of_hub = f"models--{name.replace('/', '--')}" in directory.parts  # the hub's cache, not a directory of that name
    if entry and is_of_hub and entry.provenance == PUBLIC_WEB and not (directory / CARD).is_file():
        return Seen(frozenset(), frozenset(), public_web=(f"backbone {name}",))
    return Seen.by_backbone(directory, name)


def describe_backbone(backbone: Backbone, requested: str) -> dict[str, Any]:
    """What the card of a run says of its backbone: name, licence, and how features are made of an image."""
    card_path = backbone.directory / CARD
    card = json.loads(card_path.read_text()) if card_path.is_file() else {}
    entry = BY_ID.get(requested)
    licence = card.get("licence") or (entry.licence if entry else None)
    if find_shipped(requested):
        licence = "Apache-2.0, as Rounds"
    return {
        "given": requested,
        "name": backbone.name,
        "digest": backbone.digest,
        **({"licence": licence} if licence else {}),
        **({"preprocessing": backbone.preprocessing.note} if backbone.preprocessing.note else {}),
        **describe_features(backbone),
    }


def describe_features(backbone: Backbone) -> dict[str, Any]:
    """How features are made of an image, for whoever loads the weights without Rounds."""
    at_its_size = is_trained_at(backbone.model, backbone.preprocessing.input_size)
    return {
        "pooling": backbone.pooling,
        "interpolates": backbone.is_asked_to_interpolate and not at_its_size,
        "channels": backbone.preprocessing.num_channels,
    }


def backbone_facts(backbone: Backbone) -> dict[str, Any]:
    """Name the backbone for the parameters that figures are saved with."""
    facts = {"backbone": backbone.name, "backbone_digest": backbone.digest}
    seen = seen_by_backbone(backbone.directory, backbone.name)
    return facts | ({BACKBONE_SAW: PUBLIC_WEB} if seen.public_web else {})
