"""Compute the indicators of congruence, coverage, constraint and completeness."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from curation.check_names import check_name, scope_name
from curation.estimates import EXACT, Estimate, proportion
from curation.exports.facts.evidence import Evidence
from curation.exports.facts.grey_levels import FEWEST, GreyLevels
from curation.exports.facts.measured import SavedMeasurement
from curation.exports.facts.screening import ScreeningFacts
from curation.exports.facts.snapshot import MADE, BatchFacts, SnapshotFacts
from curation.exports.image_facts import PEOPLE
from curation.exports.markdown import figure_text
from curation.exports.release.scorecard import Indicator
from curation.exports.selection import Selection
from curation.tables.images import Origin

CONGRUENT = ("frechet", "frechet_class_token", "frechet_components", "kernel", "spectral", "precision", "density")
COVERING = ("recall", "coverage", "authenticity")
IN_FEATURES = "against real training images in a backbone's features, at equal n; measures.json has all"


@dataclass(frozen=True, slots=True)
class ContentCounts:
    """Counts of the exported synthetic and altered images, and of what is known of them."""

    images: int
    having: dict[str, int]
    distinct: int


def count_contents(selection: Selection) -> ContentCounts:
    """Count in one pass over the rows, without pixels."""
    having: Counter[str] = Counter()
    pixels: set[bytes] = set()
    images = 0
    for item in selection.items():
        if item.row.origin not in MADE:
            continue
        images += 1
        pixels.add(bytes.fromhex(item.row.pixel_sha256))
        geometry = item.geometry
        having["spacing"] += geometry.spacing_mm is not None
        having["modality"] += geometry.modality is not None
        having["a reading by a person behind its approval"] += item.approved_by == PEOPLE
        having["a mask"] += bool(item.masks)
        having["generator, batch and index"] += item.row.generator is not None and item.row.index is not None
    return ContentCounts(images, dict(having), len(pixels))


def congruence(facts: SnapshotFacts, levels: GreyLevels, evidence: Evidence) -> Iterator[Indicator]:
    """Yield grey levels, class shares, and the set measures of this snapshot."""
    few = f"too few: {FEWEST} synthetic images and {FEWEST} real ones in each half are needed, of the training split"
    formula = "Wasserstein-1 between pooled histograms of 256 levels, as a share of the grey range"
    made, floor = levels.distance, levels.floor
    yield Indicator(
        "grey levels, synthetic against real",
        made,
        levels.made,
        formula,
        note="no interval; read it beside the next line" if made is not None else few,
    )
    yield Indicator(
        "grey levels, real against real",
        floor,
        levels.real,
        f"{formula}; two halves of the real training images, divided by subject",
        note="what two samples of one source differ by, at half the number" if floor is not None else few,
    )
    yield _class_shares(facts)
    yield from _set_measures(CONGRUENT, facts, evidence)


def _class_shares(facts: SnapshotFacts) -> Indicator:
    train = facts.whole.get("train", {})
    real, made = train.get(Origin.REAL.value, {}), train.get(Origin.SYNTHETIC.value, {})
    n_real, n_made = sum(real.values()), sum(made.values())
    value = None
    if n_real and n_made:
        value = sum(abs(real.get(name, 0) / n_real - made.get(name, 0) / n_made) for name in facts.classes) / 2
    return Indicator(
        "class shares, synthetic against real",
        value,
        n_made,
        "total variation: half the sum of absolute differences of class shares, training split",
        note="0 same shares, 1 no class in common; the shares are what was asked for",
    )


def coverage(facts: SnapshotFacts, screening: ScreeningFacts, evidence: Evidence) -> Iterator[Indicator]:
    """Yield classes, spread over nearest real images, and the set measures of this snapshot."""
    made = facts.whole.get("train", {}).get(Origin.SYNTHETIC.value, {})
    yield Indicator(
        "classes with a synthetic image",
        sum(made.get(name, 0) > 0 for name in facts.classes) / len(facts.classes),
        len(facts.classes),
        "classes with at least one synthetic training image, divided by classes of the snapshot",
    )
    yield _spread(screening)
    yield from _set_measures(COVERING, facts, evidence)


def _spread(screening: ScreeningFacts) -> Indicator:
    value = None
    if screening.nearest and screening.real_training:
        expected = screening.real_training * (1 - (1 - 1 / screening.real_training) ** screening.nearest)
        value = screening.distinct_nearest / expected
    return Indicator(
        "spread over nearest real training images",
        value,
        screening.nearest,
        "distinct nearest real training images (by the screening's features), divided by the number expected if each "
        "synthetic image picked one at random: N (1 - (1 - 1/N)^n)",
        note=f"N = {screening.real_training}; well below 1: crowded around few real images. Real images seldom reach 1"
        if value is not None
        else "no nearest images were stored",
    )


def constraint(facts: SnapshotFacts, screening: ScreeningFacts) -> Iterator[Indicator]:
    """Yield the technical checks one by one, and how often they flag held-out real images."""
    technical = [check for check in screening.checks if not check.is_privacy]
    for check in technical:
        judged = check.images - check.without_threshold
        yield Indicator(
            f"flagged by “{check_name(check.name)}”",
            (check.flagged + check.blocked - check.without_threshold) / judged if judged else None,
            judged,
            "synthetic images of the snapshot flagged or blocked by this check, divided by those judged",
            note="" if judged else "the check had no threshold",
        )
    if not technical:
        yield Indicator("technical checks", None, 0, "share flagged", note="no result of a check is stored")
    for batch in facts.batches:
        yield _false_flags(batch)
    yield Indicator(
        "anatomy",
        None,
        0,
        "judged by readers only",
        note="no automatic check of anatomy; see comprehension and READING.md for what readers rejected",
    )


def _false_flags(batch: BatchFacts) -> Indicator:
    """Estimate false alarms as `rounds screen` counts them; older screenings stored those of the ranges alone."""
    parameters = batch.screening or {}
    stored = parameters.get("flags_on_validation"), parameters.get("ranges_on_validation")
    every, ranges = (counts if isinstance(counts, dict) else {} for counts in stored)
    flags = every.get("any") if every else ranges.get("false_flags")
    n = (every or ranges).get("measured_on")
    estimate = Estimate.none(0, "the screening did not say")
    if isinstance(flags, int) and isinstance(n, int):
        estimate = proportion(flags, n)
    of = "flagged by one check or more, copies and duplicates apart" if every else "outside the ranges of the checks"
    return Indicator(
        f"real held-out images flagged, batch {batch.digest[:12]}",
        estimate.value,
        estimate.n,
        f"real validation images {of}, divided by all; {EXACT}",
        estimate.low,
        estimate.high,
        estimate.how if estimate.value is None else "the figures above mean something only beside this one",
    )


def completeness(facts: SnapshotFacts, counts: ContentCounts, screening: ScreeningFacts) -> Iterator[Indicator]:
    """Yield the shares of exported images of which something is known."""
    known = dict(counts.having) | {"a finished screening": screening.screened}
    for what, count in known.items():
        yield Indicator(
            f"images with {what}",
            count / counts.images if counts.images else None,
            counts.images,
            "synthetic and altered images of this release that have it, divided by all of them",
        )
    of_known = sum(generator.provenance_known for generator in facts.generators)
    yield Indicator(
        "generators that say what they were fitted on",
        of_known / len(facts.generators) if facts.generators else None,
        len(facts.generators),
        "generators with known provenance, divided by generators of the snapshot",
    )


def _set_measures(keys: tuple[str, ...], facts: SnapshotFacts, evidence: Evidence) -> Iterator[Indicator]:
    measurement = newest_measurement(facts, evidence)
    if measurement is None:
        note = "this snapshot was not measured as a set"
        yield Indicator("measures in a backbone's features", None, 0, "-", note=note)
        return
    for measure in measurement.measures:
        if measure.key in keys:
            beside = [
                f"{title} {figure_text(*value)}"
                for title, value in (("real images in its place", measure.floor), ("difference", measure.excess))
                if value is not None
            ]
            affected = [measurement.affected] if measurement.affected else []
            note = "; ".join([*beside, f"set measurement {measurement.digest[:12]}", *affected])
            yield Indicator(
                f"{measure.name}, {scope_name(measure.scope)}",
                measure.value[0],
                measure.n,
                IN_FEATURES,
                *measure.value[1:],
                note,
            )


def newest_measurement(facts: SnapshotFacts, evidence: Evidence) -> SavedMeasurement | None:
    """Find the newest measurement of this very snapshot."""
    return next((saved for saved in reversed(evidence.sets) if saved.snapshot == facts.name), None)
