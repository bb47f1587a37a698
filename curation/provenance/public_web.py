"""What has to be said of figures that rest on weights which saw public web images.

Such weights cannot hold unpublished patients, so they are not refused; but their list of images is not published, and a
published data set may be among them.
"""

from collections.abc import Mapping
from typing import Any

from curation.provenance.seen import PUBLIC_WEB

OVERLAP = "overlap with a published data set cannot be excluded"
BACKBONE_SAW = "backbone_saw"  # of the parameters that figures are saved with


def describe_backbone(parameters: Mapping[str, Any]) -> str:
    """Name the backbone of saved figures, and say so where its weights saw public web images."""
    name = str(parameters.get("backbone"))
    return f"{name} ({PUBLIC_WEB}: {OVERLAP})" if saw_public_web(parameters) else name


def saw_public_web(parameters: Mapping[str, Any]) -> bool:
    """Whether the features of saved figures are of weights that saw public web images."""
    return parameters.get(BACKBONE_SAW) == PUBLIC_WEB
