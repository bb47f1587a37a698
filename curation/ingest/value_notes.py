"""Say in the report of an import where stored values do not mean what a model would take them for."""

from collections import Counter
from collections.abc import Mapping

from curation.ingest.formats.value_remarks import NO_RESCALE, OTHER_UNIT
from curation.ingest.staging import Staging
from curation.provenance.value_scales import ValueScale, describe_scales, explain_mix

_SETTLED = "To bring all to one, import them into a new project with --window CENTRE:WIDTH."
_UNITS = {NO_RESCALE: "of an unknown unit", OTHER_UNIT: "of a RescaleType other than HU"}
_SMALL_SHARE = 1 / 8  # of the range of 16 bit


def note_values(staging: Staging, standing: Mapping[ValueScale, int]) -> list[str]:
    """Note values on several scales, in the import or beside those `standing` in the project, and low contrast."""
    scales = staging.accepted_scales()
    return [*_scale_notes(scales, standing), *_unit_notes(staging), *_range_note(scales, staging.accepted_levels())]


def _scale_notes(scales: Mapping[ValueScale, int], standing: Mapping[ValueScale, int]) -> list[str]:
    mixed = explain_mix(scales, _SETTLED)
    others = {scale: count for scale, count in standing.items() if scale not in scales}
    apart = (
        f"The project has real images on another scale than these: {describe_scales(others)}; here "
        f"{describe_scales(scales)}. Equal values are stored differently, and one picture on two scales counts as two. "
        f"{_SETTLED}"
    )
    return ([mixed] if mixed else []) + ([apart] if scales and others else [])


def _unit_notes(staging: Staging) -> list[str]:
    """Say that CT images of an unknown or another unit come beside others in Hounsfield units."""
    if not any(note in _UNITS for arrival in staging.accepted(remarked=True) for note in arrival.notes):
        return []
    units = Counter(
        next((_UNITS[note] for note in arrival.notes if note in _UNITS), "in HU")
        for arrival in staging.accepted()
        if arrival.geometry.modality == "CT"
    )
    if len(units) < 2:
        return []
    shown = "; ".join(f"{count:,} {unit}" for unit, count in units.most_common())
    return [
        f"The CT images are in several units: {shown}. Equal stored values do not mean the same, and a window or a "
        "model takes them as if they did. Import only files of one unit, or give the others their RescaleSlope, "
        "RescaleIntercept and RescaleType."
    ]


def _range_note(scales: Mapping[ValueScale, int], levels: tuple[int, int] | None) -> list[str]:
    """Say where 16 bit images use a small part of their range: a model divides by all of it."""
    if levels is None or all(scale.bits != 16 for scale in scales):
        return []
    share = (levels[1] - levels[0]) / 0xFFFF
    if share >= _SMALL_SHARE:
        return []
    return [
        f"The stored values of these 16 bit images lie between {levels[0]:,} and {levels[1]:,}, {share:.1%} of the "
        "range. A model divides by the whole range, so it sees little contrast. --window CENTRE:WIDTH spreads what "
        "matters over 8 bit."
    ]
