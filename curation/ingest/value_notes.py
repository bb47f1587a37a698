"""Say in the report of an import where stored values do not mean what a model would take them for."""

from collections.abc import Mapping

from curation.ingest.staging import Staging
from curation.provenance.value_scales import (
    ValueScale,
    describe_scales,
    describe_units,
    explain_mix,
    explain_units,
    modalities_of,
    units_of,
    without_units,
)

_SETTLED = "To bring all to one, import them into a new project with --window CENTRE:WIDTH."
_SMALL_SHARE = 1 / 8  # of the range of 16 bit


def note_values(staging: Staging, standing: Mapping[ValueScale, int]) -> list[str]:
    """Note several scales or units, in the import or beside those `standing` in the project, and low contrast."""
    scales = staging.accepted_scales()
    notes = [*_scale_notes(without_units(scales), without_units(standing)), *_unit_notes(scales, standing)]
    return [*notes, *_range_note(scales, staging.accepted_levels())]


def _scale_notes(scales: Mapping[ValueScale, int], standing: Mapping[ValueScale, int]) -> list[str]:
    mixed = explain_mix(scales, _SETTLED)
    others = {scale: count for scale, count in standing.items() if scale not in scales}
    apart = (
        f"The project has real images on another scale than these: {describe_scales(others)}; here "
        f"{describe_scales(scales)}. Equal values are stored differently, and one picture on two scales counts as two. "
        f"{_SETTLED}"
    )
    return ([mixed] if mixed else []) + ([apart] if scales and others else [])


def _unit_notes(scales: Mapping[ValueScale, int], standing: Mapping[ValueScale, int]) -> list[str]:
    """Say that CT or PET images of one unit come beside those of another."""
    mixed = explain_units(scales)
    here, others = units_of(scales), units_of(standing)
    apart = (
        f"The project has real {modalities_of([*here, *others])} images in another unit than these: "
        f"{describe_units(others)}; here {describe_units(here)}. Equal stored values do not mean the same. Import "
        "images of another unit into a project of their own."
    )
    return ([mixed] if mixed else []) + ([apart] if here and set(others) - set(here) else [])


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
