"""Standardise by a spread that may be zero: what does not vary has scale 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput

ROUNDING = 1e-6  # of the size of a value: a spread below it is that of rounding

Floats = NDArray[np.floating[Any]]


def is_constant(values: Floats) -> NDArray[np.bool_]:
    """(D,) which columns of (N, D) values do not vary."""
    return np.asarray(values.std(axis=0) <= ROUNDING * (1 + np.abs(values.mean(axis=0))))


def refuse_constant_features(features: Floats, images: str) -> None:
    """Raise BadInput where a backbone gives all of several images the same features: nothing can be told by them."""
    if len(features) > 1 and is_constant(features).all():
        raise BadInput(
            f"the backbone gives all {len(features)} {images} the same features, so nothing can be told by them. "
            "Choose another --backbone, or check that its preprocessing and the images are not blank."
        )
