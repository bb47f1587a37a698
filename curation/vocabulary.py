"""Why an image is rejected: shipped vocabularies, one key each, kept with the worklist they were used in."""

from dataclasses import asdict, dataclass
from typing import Any

from curation.errors import BadInput


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: the digit that gives it, the code that is stored, the words on the button."""

    key: str
    code: str
    text: str


def _numbered(*reasons: tuple[str, str]) -> tuple[Reason, ...]:
    return tuple(Reason(str(number), code, text) for number, (code, text) in enumerate(reasons, 1))


VOCABULARIES: dict[str, tuple[Reason, ...]] = {
    "general": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("artefact", "Artefact or noise"),
        ("wrong_class", "Not this class"),
        ("blur", "Too blurred to judge"),
        ("other", "Other"),
    ),
    "brain_mr": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("symmetry", "Hemispheres or ventricles wrong"),
        ("lesion", "Lesion implausible or misplaced"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact, noise or blur"),
        ("other", "Other"),
    ),
    "chest_xray": _numbered(
        ("anatomy", "Ribs, heart or diaphragm implausible"),
        ("opacity", "Opacity implausible"),
        ("wrong_class", "Not this class"),
        ("device", "Device or text broken"),
        ("artefact", "Artefact, noise or blur"),
        ("other", "Other"),
    ),
    "ultrasound": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("speckle", "Speckle or shadowing wrong"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact or blur"),
        ("other", "Other"),
    ),
    "histology": _numbered(
        ("cells", "Cells or nuclei implausible"),
        ("architecture", "Tissue architecture wrong"),
        ("stain", "Stain or colour wrong"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact or blur"),
        ("other", "Other"),
    ),
}


def vocabulary(name: str) -> list[dict[str, Any]]:
    """The reasons of a vocabulary as JSON; raises BadInput for one that is not shipped."""
    if name not in VOCABULARIES:
        raise BadInput(f"expected a vocabulary of {', '.join(VOCABULARIES)}; got {name!r}.")
    return [asdict(reason) for reason in VOCABULARIES[name]]
