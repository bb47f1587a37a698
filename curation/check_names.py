"""What checks, scopes and measures of sets are called on pages and in exports."""

import re
from collections.abc import Mapping
from typing import Any

# The keys are stored in the database and in recipes; pages show what a check looks at.
CHECK_NAMES = {
    "saturation": "pure white",
    "power_spectrum": "fine detail",
    "intensity_histogram": "grey levels",
    "manifold": "unlike its class",
    "label_agreement": "class asked for",
    "near_copy": "near copy by features",
    "near_copy_pixels": "near copy by pixels",
    "duplicate": "duplicate in its batch",
    "duplicate_of_earlier": "duplicate of an earlier batch",
}


CHECK_MEANS = {
    "brightness": "mean grey level",
    "contrast": "spread of the grey levels (standard deviation)",
    "saturation": "share of pixels at the brightest value there is",
    "sharpness": "steepness of edges (mean gradient over the contrast)",
    "noise": "fine grain in the tissue (median second difference)",
    "power_spectrum": "distance to the fifth nearest real spectrum; more fine detail than real counts, less does not",
    "intensity_histogram": "grey levels against those of the fifth nearest real image (Wasserstein distance)",
    "manifold": "distance to the nearest training images of the class, by features; training images lie at about 1",
    "label_agreement": "how likely the class asked for is to a small classifier, the probe; low is strange",
    "near_copy": "feature distance to the nearest training image; low is suspect",
    "near_copy_pixels": "distance of the images once registered, without fine detail or with it; low is suspect",
    "duplicate": "pixel distance to the nearest image before it in the batch",
    "duplicate_of_earlier": "pixel distance to the nearest image of an earlier batch",
}


def check_name(check: str) -> str:
    """The name of a check on pages: `manifold` as `unlike its class`."""
    return CHECK_NAMES.get(check, check.replace("_", " "))


ALL_CLASSES = "whole"  # the scope that is no class


def scope_name(scope: str) -> str:
    """The name of a scope on pages: a class, or all classes together."""
    return "all classes together" if scope == ALL_CLASSES else scope


COMPONENTS = re.compile(r"\d+ principal components")

# Measures of sets by key, as stored results call them; how many components were taken differs by scope.
MEASURE_TITLES = {
    "frechet": "Fréchet distance",
    "frechet_class_token": "Fréchet distance, class token",
    "frechet_components": "Fréchet distance, principal components",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "authenticity": "authenticity",
    "spectral": "spectral distance",
}
SHARE_MEASURES = ("precision", "recall", "coverage", "authenticity")  # from 0 to 1
_MEASURE_KEYS = {title: key for key, title in MEASURE_TITLES.items()}


def measure_key(measure: Mapping[str, Any]) -> str:
    """Tell which measure an entry of a stored result is; results stored before measures had keys have a title only."""
    title = str(measure["name"])
    return str(measure.get("key") or _MEASURE_KEYS.get(COMPONENTS.sub("principal components", title), title))
