"""Compute the indicators of compliance, comprehension and consistency."""

from collections import Counter
from collections.abc import Iterator

from curation.check_names import check_name
from curation.exports.facts.evidence import Evidence
from curation.exports.facts.screening import ScreeningFacts
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.release.indicators import ContentCounts, newest_measurement
from curation.exports.release.scorecard import Indicator
from curation.tables.people import ReaderKind
from curation.tables.reading import Verdict

NOT_INDEPENDENT = "no interval: readings by one person, or of one image, are not independent"
NOT_READ = "not yet read by people"


def compliance(facts: SnapshotFacts, screening: ScreeningFacts, evidence: Evidence) -> Iterator[Indicator]:
    """Yield near copies, error rates of the gate, held-out subjects, membership, licence."""
    yield from _near_copies(screening)
    reports = [saved for saved in evidence.checks if saved.kind == "privacy" and saved.not_said is None]
    affected = sum(saved.affected is not None for saved in reports)
    withdrawn = f"; {affected} of them rest on withdrawn subjects" if affected else ""
    yield Indicator(
        "error rates of the privacy gate",
        float(len(reports)) if reports else None,
        len(reports),
        "reports of how often the gate misses planted copies and blocks harmless images",
        note=f"the rates stand in SCREENING.md{withdrawn}"
        if reports
        else "nobody measured how many copies the gate misses",
    )
    yield from _membership(facts, evidence)
    known = bool(facts.generators) and all(generator.provenance_known for generator in facts.generators)
    yield Indicator(
        "held-out subjects among what generators saw",
        0.0 if known else None,
        sum(generator.subjects for generator in facts.generators),
        "validation and test subjects of this project that a generator or an ancestor of it was fitted on",
        note="a snapshot with one cannot be built"
        if known
        else "a generator does not say what it saw, or there is none",
    )
    yield Indicator(
        "images of withdrawn subjects",
        0.0,
        facts.images,
        "images whose subject withdrew before this export",
        note="a snapshot that holds one cannot be exported",
    )
    yield Indicator(
        "licence stated",
        float(bool(facts.options.license)),
        1,
        "1 when the curator named a licence",
        note=facts.options.license_or_unknown,
    )


def _near_copies(screening: ScreeningFacts) -> Iterator[Indicator]:
    checks = [check for check in screening.checks if check.is_privacy]
    for check in checks:
        judged = check.images - check.without_threshold
        yield Indicator(
            f"blocked by “{check_name(check.name)}”",
            check.blocked / judged if judged else None,
            judged,
            "synthetic images of the snapshot blocked as near copies of a real one, divided by those judged",
            note="0 by construction: a snapshot with a blocked image is not exported"
            if judged
            else "no threshold could be set: copies were not ruled out",
        )
        yield Indicator(
            f"flagged by “{check_name(check.name)}”, and kept",
            (check.flagged - check.without_threshold) / judged if judged else None,
            judged,
            "synthetic images of the snapshot flagged as possible copies and not blocked, divided by those judged",
            note="each of them is suspected, and leaves" if judged else "no threshold could be set",
        )
    if not checks:
        yield Indicator("near copies", None, 0, "share blocked", note="no result of a check for copies is stored")


def _membership(facts: SnapshotFacts, evidence: Evidence) -> Iterator[Indicator]:
    measurement = newest_measurement(facts, evidence)
    estimates = {} if measurement is None else measurement.membership_estimates()
    for path, (value, low, high) in estimates.items():
        note = (measurement.affected or "") if measurement else ""
        yield Indicator(path, value, 0, "see measures.json", low, high, note)
    if not estimates:
        why = measurement.not_said if measurement is not None and measurement.not_said else "nobody tried it"
        yield Indicator("membership inference", None, 0, "AUC of an attack", note=why)


def comprehension(facts: SnapshotFacts, prefilled: int, items: int) -> Iterator[Indicator]:
    """Yield how often people were unsure or rejected, and how many reporting items the database fills."""
    verdicts: Counter[str] = Counter()
    for line in facts.reading.lines:
        if line.kind is ReaderKind.HUMAN:
            verdicts.update(line.verdicts)
    total = verdicts.total()
    for name, verdict in (("unsure", Verdict.UNSURE), ("rejected", Verdict.REJECT)):
        yield Indicator(
            f"{name} among readings by people",
            verdicts[verdict.value] / total if total else None,
            total,
            f"readings of candidates that say {name}, divided by all; of what was drawn, not of what was kept",
            note=NOT_INDEPENDENT if total else NOT_READ,
        )
    yield Indicator(
        "reporting items with facts filled in",
        prefilled / items,
        items,
        "items of CLAIM and TRIPOD+AI that start with a fact from the database; authors complete every one",
    )


def consistency(evidence: Evidence, counts: ContentCounts, files: int) -> Iterator[Indicator]:
    """Yield agreement of readers with each other and themselves, and repeated or damaged images."""
    lines = [
        (study, line)
        for study in evidence.studies
        for line in study.with_keys("alpha", "repeats_alike")
        if line.group in ("", "verdict")
    ]
    for study, line in lines:
        who = f", {line.reader}" if line.reader else ""
        yield Indicator(
            f"{line.figure}{who}, {study.worklist}",
            line.value,
            line.n,
            "see READING.md",
            line.low,
            line.high,
            line.note,
        )
    if not lines:
        yield Indicator("agreement between readers", None, 0, "Krippendorff's alpha", note=NOT_READ)
    yield Indicator(
        "pictures that occur twice",
        1 - counts.distinct / counts.images if counts.images else None,
        counts.images,
        "1 - distinct pixel digests / images, synthetic and altered images of this release",
    )
    yield Indicator("files that gave their digest when read", 1.0, files, "a file that does not stops the export")
