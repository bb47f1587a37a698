"""Answer items of the reporting checklists from the database, by item number."""

from curation.exports.facts.evidence import Evidence
from curation.exports.facts.gaps import known_gaps
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.dataset_card import settings_line
from curation.exports.markdown import figure_text
from curation.exports.selection import Counts
from curation.exports.software import NAME, software_version

IDENTITY = (
    "In this release subjects stand under keyed pseudonyms; no file name and no attribute of a source file is in it. "
    "Pixels were not searched for burnt-in text or faces by the export."
)
DISJOINT = "By subject: every image of a subject stands in one part. Synthetic images stand in training only."


def claim_answers(facts: SnapshotFacts, evidence: Evidence) -> dict[str, str]:
    """Give facts for items of CLAIM, 2024 update."""
    answers = {
        "7": _sources(facts),
        "9": _prepared(facts),
        "10": _recipe(facts),
        "11": IDENTITY,
        "14": _standard(facts),
        "16": _readers(facts),
        "18": _agreement(evidence),
        "19": _division(facts),
        "20": _level(facts),
        "22": _generators(facts),
        "23": f"{NAME} {software_version()}",
        "35": _numbers(facts.whole),
        "40": " ".join(known_gaps(facts, evidence)),
        "43": f"{_software()} {_data(facts)}",
    }
    return {number: text for number, text in answers.items() if text}


def tripod_answers(facts: SnapshotFacts, evidence: Evidence) -> dict[str, str]:
    """Give facts for items of TRIPOD+AI."""
    answers = {
        "5a": _sources(facts),
        "7": _prepared(facts),
        "8a": _standard(facts),
        "8b": _readers(facts),
        "9b": f"Images of {facts.shape[0]} x {facts.shape[1]} pixels, {facts.bits} bit, {facts.shape[2]} channels.",
        "11": "Nothing was imputed; the scorecard's completeness says what is known of how many images.",
        "12a": f"{_division(facts)} {_level(facts)} {_recipe(facts)}",
        "16": "Training holds synthetic images, validation and test do not." if facts.made else "",
        "18e": _data(facts),
        "18f": f"{_software()} The code of the analysis is for the authors.",
        "21": f"{_numbers(facts.whole)} (images, not participants)",
        "26": " ".join(known_gaps(facts, evidence)),
    }
    return {number: text for number, text in answers.items() if text}


def _sources(facts: SnapshotFacts) -> str:
    real = "; ".join(
        f"{source.name}: {source.images} images, imported {source.imported_at:%Y-%m-%d}"
        + (f" ({source.notice})" if source.notice else "")
        for source in facts.sources
    )
    batches = [f"{row.images} images drawn by {row.generator} on {row.drawn_at:%Y-%m-%d}" for row in facts.batches]
    return f"Real: {real or 'none'}. Synthetic: {'; '.join(batches) or 'none'}."


def _recipe(facts: SnapshotFacts) -> str:
    chosen = {name: value for name, value in facts.recipe.items() if value not in (None, [], "none", False, "")}
    return f"Snapshot by recipe: {settings_line(chosen)}."


def _standard(facts: SnapshotFacts) -> str:
    asked = "; ".join(f"{worklist.asked} (rule: {worklist.rule})" for worklist in facts.reading.worklists)
    labels = "Labels of real images as imported; of synthetic ones, the class that was asked for"
    return f"{labels}, then read: {asked}" if asked else f"{labels}; not read."


def _readers(facts: SnapshotFacts) -> str:
    return " ".join([facts.reading.sentence, *(f"{line}." for line in facts.reading.experience)])


def _agreement(evidence: Evidence) -> str:
    lines = [
        f"{study.worklist}: {line.figure}{f', {line.reader}' if line.reader else ''} "
        f"{figure_text(line.value, line.low, line.high, line.note)}"
        for study in evidence.studies
        for line in study.with_keys("alpha", "repeats_alike")
        if line.group in ("", "verdict")
    ]
    return "; ".join(lines)


def _division(facts: SnapshotFacts) -> str:
    sizes = {split: sum(sum(by.values()) for by in origins.values()) for split, origins in facts.whole.items()}
    parts = ", ".join(f"{split} {count}" for split, count in sizes.items())
    return f"Images of the snapshot: {parts}. Real subjects were divided when they were imported."


def _level(facts: SnapshotFacts) -> str:
    if facts.subjects != "known":
        return "By image: subjects are unknown, so that the parts may share people."
    return DISJOINT


def _generators(facts: SnapshotFacts) -> str:
    return "; ".join(f"generator {batch.generator}: {settings_line(batch.settings)}" for batch in facts.batches) + (
        " (of the generator; the model under study is for the authors)" if facts.batches else ""
    )


def _numbers(counts: Counts) -> str:
    return "In the snapshot: " + "; ".join(
        f"{split}, {origin}: " + ", ".join(f"{label} {count}" for label, count in sorted(by_label.items()))
        for split, by_origin in counts.items()
        for origin, by_label in sorted(by_origin.items())
    )


def _prepared(facts: SnapshotFacts) -> str:
    return f"Stored as {facts.shape[0]} x {facts.shape[1]} pixels of {facts.bits} bit. What came before is unknown."


def _software() -> str:
    return f"Software: {NAME} {software_version()}, Apache-2.0."


def _data(facts: SnapshotFacts) -> str:
    return f"Data: this release, snapshot digest {facts.digest}, licence {facts.options.license_or_unknown}."
