"""Describe a virtual subject in words, from what is known of its lesion: which, where, how large."""

from dataclasses import dataclass

from curation.ingest.virtual_brains.lesions import OldInfarct, RingLesion

REGIONS = ("occipital", "temporoparietal", "frontal")  # thirds of the brain's length in the slice, from behind
WORDINGS = {
    "normal": (
        "normal brain, no focal lesion",
        "Normal slice of the brain.",
        "The brain is unremarkable, nothing focal.",
        "Normal T1 appearance of both hemispheres.",
    ),
    "ring_lesion": (
        "{size} ring lesion, {side} {region}",
        "A {size} ring-enhancing lesion in the {side} {region} region, {across_cm} cm across.",
        "Ring lesion of {across_cm} cm in the {side} {region} region with oedema around it.",
        "In the {side} {region} region there is a {size} lesion with a bright rim and mass effect.",
    ),
    "old_infarct": (
        "{size} old infarct, {side} {region}",
        "A {size} old cortical infarct in the {side} {region} region, {across_cm} cm wide.",
        "Old infarct of {across_cm} cm in the {side} {region} region with loss of volume.",
        "In the {side} {region} region there is a {size} dark wedge that reaches the cortex, an old infarct.",
    ),
}
LARGE_FROM_MM = {"ring_lesion": (34.0, 42.0), "old_infarct": (39.0, 45.5)}  # medium and large: thirds of each range


@dataclass(frozen=True, slots=True)
class Finding:
    """A lesion as it is described; `side` is the subject's."""

    side: str
    region: str
    size: str
    across_mm: float


def describe_lesion(
    label: str, lesion: RingLesion | OldInfarct, middle_x_mm: float, brain_y_mm: tuple[float, float]
) -> Finding:
    """Find side, region and size of a lesion; the brain's midline and its rear and front end are those of the slice.

    The left of the picture is the subject's right.
    """
    x, y = lesion.middle_mm
    rear, front = brain_y_mm
    third = min(2, max(0, int(3 * (y - rear) / (front - rear))))
    size = ("small", "medium-sized", "large")[sum(lesion.across_mm >= limit for limit in LARGE_FROM_MM[label])]
    return Finding("right" if x < middle_x_mm else "left", REGIONS[third], size, lesion.across_mm)


def write_caption(label: str, finding: Finding | None, wording: int) -> str:
    """Word what is seen; `wording` is any whole number and chooses one of several wordings."""
    choices = WORDINGS[label]
    sentence = choices[wording % len(choices)]
    if finding is None:
        return sentence
    return sentence.format(
        size=finding.size, side=finding.side, region=finding.region, across_cm=f"{finding.across_mm / 10:.1f}"
    )
