"""Sentences about a screening: what it rests on, its false alarms, its probe and its checks."""

from typing import Any

from curation.check_names import check_name
from curation.provenance.public_web import describe_backbone

PLOTS_MEAN = (
    "Bars: this batch. Grey behind them: held-out real images. Dashed line: beyond it an image is flagged; solid: "
    "blocked. A near copy is also blocked where it is near a training image in fine detail, or far nearer to one "
    "subject than to any other."
)

SEES = {
    "parts": "each of 4 x 4 parts of an image with the same part of training images",
    "whole images": "whole images, since this backbone keeps no map of places",
}


def screening_basis(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """The basis of the verdicts as lines of a name and a text."""
    flags = parameters.get("flags_on_validation")
    lines = [
        ("Features", f"{describe_backbone(parameters)}, digest {parameters['backbone_digest'][:16]}"),
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
    if "manifold_sees" in parameters:
        lines.append((f"Compared for “{check_name('manifold')}”", SEES[parameters["manifold_sees"]]))
    if flags:
        lines.append(("False alarms", describe_false_alarms(flags)))
    return lines


def describe_false_alarms(flags: dict[str, Any]) -> str:
    """Describe the family-wise rate: how often one check or more flags a real image that set no threshold."""
    low, high = flags["any_95"]
    n = flags["measured_on"]
    share = f"{flags['any'] / n:.1%}" if n else "none"
    return (
        f"{flags['any']} of {n} held-out real images flagged by one check or more, copies and duplicates apart "
        f"({share}, 95 %: {low:.1%} to {high:.1%}); {flags['blocked']} blocked"
    )


def describe_check(name: str, value: float, threshold: str) -> str:
    """Describe a check that flagged or blocked an image by its name, the value and the threshold that decided."""
    name_on_page = check_name(name)
    return f"{name_on_page[:1].upper()}{name_on_page[1:]} {value:.3g}, {threshold}"


def describe_probe(probe: dict[str, Any]) -> str:
    """Describe the accuracy and the calibration of the label probe."""
    if "not_set" in probe:
        return f"No probe, every image is flagged: {probe['not_set']}."
    crossed, held_out = probe["cross_validated"], probe["on_validation"]
    on_training = (
        f"Right on {crossed['accuracy']:.1%} of {crossed['n']} training images, cross-validated by subject "
        f"(calibration error {crossed['calibration_error']:.3f}, L1, 15 bins)"
    )
    if held_out is None:
        return f"{on_training}; no validation image of its classes."
    return (
        f"{on_training}, and on {held_out['accuracy']:.1%} of {held_out['n']} validation images "
        f"(calibration error {held_out['calibration_error']:.3f})."
    )
