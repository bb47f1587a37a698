"""List what a dataset lacks, from its own facts."""

from collections.abc import Iterator

from curation.check_names import check_name
from curation.exports.facts.evidence import Evidence
from curation.exports.facts.snapshot import SnapshotFacts
from curation.provenance.public_web import OVERLAP, saw_public_web
from curation.provenance.seen import PUBLIC_WEB
from curation.tables.people import ReaderKind

FEWEST_PER_CLASS = 50


def known_gaps(facts: SnapshotFacts, evidence: Evidence | None = None) -> list[str]:
    """List every gap that follows from the facts, and from the evidence where it was gathered; the gravest first."""
    measured = [] if evidence is None else [*_agreement_gaps(evidence), *_unmeasured(facts, evidence)]
    known = [*_reading_gaps(facts), *_origin_gaps(facts), *_screening_gaps(facts)]
    return [*known, *measured, *_count_gaps(facts), *_publication_gaps(facts)]


def _reading_gaps(facts: SnapshotFacts) -> Iterator[str]:
    reading = facts.reading
    if not facts.made:
        return
    if not reading.read_by_people:
        yield "Not yet read by a clinician or any other person. What a proxy model approved is no clinical view."
    elif not reading.physicians:
        yield "Not yet read by a clinician: no reader said to be a physician."
    if reading.read_by_people and reading.frozen_by_proxies:
        yield f"{reading.frozen_by_proxies} of the readings the images were taken by are a proxy model's."
    if reading.read_by_people and reading.readers(ReaderKind.HUMAN) < 2:
        yield "One person read: there is no agreement between readers."
    if reading.frozen_in_grids:
        yield f"{reading.frozen_in_grids} readings were given for a whole page of images at once."
    if facts.stale:
        yield "Later readings changed outcomes this snapshot rests on: it is stale."


def _agreement_gaps(evidence: Evidence) -> Iterator[str]:
    for study in evidence.studies:
        for line in study.with_keys("alpha"):
            if line.group == "verdict" and line.low is not None and line.low <= 0:
                yield (
                    f"Worklist {study.worklist}: agreement on the verdict is not shown to be above chance (alpha "
                    f"{line.value:.2f}, {line.low:.2f} to {line.high:.2f}, {line.n} images)."
                )
        seen = study.with_keys("sensitivity")
        if all(line.value is None for line in seen):
            yield f"Worklist {study.worklist}: too few planted defects were read to say what readers miss."


def _unmeasured(facts: SnapshotFacts, evidence: Evidence) -> Iterator[str]:
    for check in evidence.screening.checks:
        suspected = check.flagged - check.without_threshold
        if check.is_privacy and suspected > 0:
            yield (
                f"{suspected} synthetic images were flagged by “{check_name(check.name)}” as possible copies of real "
                "ones, were not blocked, and are in the snapshot."
            )
    measured = {report.kind for report in evidence.checks if report.not_said is None}
    if facts.made and "privacy" not in measured:
        yield "How many copies of real images the privacy gate misses was not measured."
    if facts.made and "checks" not in measured:
        yield "How many faults the automatic checks miss was not measured."
    if facts.made and not any(saved.snapshot == facts.name for saved in evidence.sets):
        yield "The set as a whole was not held against real images in a backbone's features."
    on_web = any(saved.saw_public_web for saved in [*evidence.checks, *evidence.sets])
    if on_web or any(saw_public_web(batch.screening or {}) for batch in facts.batches):
        yield f"Measurements rest on features of weights that saw {PUBLIC_WEB} images: {OVERLAP}."
    resting = sum(saved.affected is not None for saved in [*evidence.checks, *evidence.sets])
    if resting:
        yield f"{resting} of the measurements in it rest on withdrawn subjects; SCREENING.md says which."


def _origin_gaps(facts: SnapshotFacts) -> Iterator[str]:
    if facts.simulated:
        yield (
            "The real images are simulated from one template: nothing here says anything about patients, and intervals "
            "cover warps of one brain."
        )
    if facts.subjects != "known":
        yield "Subjects of the real images are unknown: the same person may stand in two splits."
    for split, count in facts.near_copies.items():
        if count:
            yield f"{count} {split} images look like a training image of another subject: figures on them flatter."
    if facts.real and not facts.simulated:
        yield "Pixels of the real images were not searched for burnt-in text or faces by this export."
    for generator in facts.generators:
        if not generator.provenance_known:
            yield f"What generator {generator.name!r} was fitted on is UNKNOWN: it may have seen held-out subjects."


def _screening_gaps(facts: SnapshotFacts) -> Iterator[str]:
    unscreened = sum(batch.screening is None for batch in facts.batches)
    if unscreened:
        yield f"{unscreened} of {len(facts.batches)} batches were never screened: near copies were not looked for."
    for batch in facts.batches:
        screening = batch.screening or {}
        unset = sorted(name for name, value in screening.items() if isinstance(value, dict) and value.get("not_set"))
        if unset:
            why = screening[unset[0]]["not_set"]
            yield f"Batch {batch.digest[:12]}: no threshold for {', '.join(unset)} ({why}): images were flagged only."
        seen, compared = screening.get("generator_images"), screening.get("generator_images_compared")
        if isinstance(seen, int) and isinstance(compared, int) and compared < seen:
            yield (
                f"Batch {batch.digest[:12]}: of {seen:,} images its generator was fitted on, {compared:,} were here to "
                "compare with. Copies of the others were not looked for."
            )


def _count_gaps(facts: SnapshotFacts) -> Iterator[str]:
    for origin in ("synthetic", "altered"):
        by_label = facts.counts.get("train", {}).get(origin, {})
        few = [f"{name} {by_label.get(name, 0)}" for name in facts.classes if by_label.get(name, 0) < FEWEST_PER_CLASS]
        if by_label and few:
            yield f"Fewer than {FEWEST_PER_CLASS} {origin} images of: {', '.join(few)}. Figures by class mean little."
    if facts.real_left_out:
        yield (
            f"{facts.real_left_out:,} real images the snapshot holds are not in this export: what was trained or "
            "measured on the snapshot cannot be repeated from it alone."
        )


def _publication_gaps(facts: SnapshotFacts) -> Iterator[str]:
    if not facts.options.license:
        yield "No licence was stated: ask before use."
    if not facts.options.creator:
        yield "No publisher was stated."
