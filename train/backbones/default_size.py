"""The input size of a backbone of the catalogue where none is asked for. Torch-free.

Measured on DINOv2-small; `docs/backbones.md` has the figures.
"""

from train.backbones.catalogue import CatalogueEntry

MEASURED = ("DINOv2",)  # families of patches of 14 pixels whose position tables are interpolated
SMALL_IMAGES, SIZE = 112, 112  # measured for images of 28, 64 and 96 px
TRAINED = 224  # larger images: what the weights were published with, not measured here


def default_input_size(entry: CatalogueEntry, image_side: int | None) -> int | None:
    """Choose by the longer side of the project's images; None keeps the size that the weights' own file says."""
    if entry.family not in MEASURED:
        return None
    return SIZE if image_side is None or image_side <= SMALL_IMAGES else TRAINED
