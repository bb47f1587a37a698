"""What a screening rests on, and what its checks are worth, in sentences that hold for any project."""

from typing import Any

# The names of checks are keys of the database and of recipes; a page says what they look at.
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
    "manifold": "feature distance to the fifth nearest training image of the class; training images lie at about 1",
    "label_agreement": "how likely the class asked for is to a small classifier, the probe; low is strange",
    "near_copy": "feature distance to the nearest training image; low is suspect",
    "near_copy_pixels": "distance of the pictures, laid over each other, without fine detail; low is suspect",
    "duplicate": "pixel distance to the nearest image before it in the batch",
    "duplicate_of_earlier": "pixel distance to the nearest image of an earlier batch",
}

PLOTS_MEAN = (
    "Bars: this batch. Grey behind them: held-out real images. Dashed line: beyond it an image is flagged; solid: "
    "blocked. A near copy is also blocked where it is far nearer to one subject than to any other."
)


def check_name(check: str) -> str:
    """`manifold` as `unlike its class`: a check by what it looks at."""
    return CHECK_NAMES.get(check, check.replace("_", " "))


def ground(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """What stands behind the verdicts, line by line."""
    flags = parameters.get("flags_on_validation")
    lines = [
        ("Features", f"{parameters['backbone']}, digest {parameters['backbone_digest'][:16]}"),
        ("Method", str(parameters["method"])),
        ("Reference", f"{parameters['real_training_images']} real training images of this shape"),
        (
            "Thresholds",
            f"set on {parameters['real_validation_images']} real validation images; test images are never read",
        ),
        (
            "The generator saw",
            f"{parameters['generator_images']} images, of which {parameters['generator_images_compared']} are in this "
            "project and were compared",
        ),
        ("Earlier images", f"{parameters.get('earlier_images', 0)} of {parameters.get('earlier_batches', 0)} batches"),
    ]
    if flags:
        lines.append(("False alarms", false_alarms(flags)))
    return lines


def false_alarms(flags: dict[str, Any]) -> str:
    """The family-wise rate: how often one check or more flags a real image that set no threshold."""
    low, high = flags["any_95"]
    n = flags["measured_on"]
    share = f"{flags['any'] / n:.1%}" if n else "none"
    return (
        f"{flags['any']} of {n} held-out real images flagged by one check or more, copies and duplicates apart "
        f"({share}, 95 %: {low:.1%} to {high:.1%}); {flags['blocked']} blocked"
    )


def probe_words(probe: dict[str, Any]) -> str:
    """What the label probe's word is worth."""
    if "not_set" in probe:
        return f"No probe, every image is flagged: {probe['not_set']}."
    crossed, held_out = probe["cross_validated"], probe["on_validation"]
    words = (
        f"Right on {crossed['accuracy']:.1%} of {crossed['n']} training images, cross-validated by subject "
        f"(calibration error {crossed['calibration_error']:.3f}, L1, 15 bins)"
    )
    if held_out is None:
        return f"{words}; no validation image of its classes."
    return (
        f"{words}, and on {held_out['accuracy']:.1%} of {held_out['n']} validation images "
        f"(calibration error {held_out['calibration_error']:.3f})."
    )
