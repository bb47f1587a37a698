"""Write READING.md, who read what and how well, and SCREENING.md, what screening found."""

from collections.abc import Iterator

from curation.check_names import check_name
from curation.exports.facts.evidence import Evidence, StudyFacts
from curation.exports.facts.measured import SavedMeasurement
from curation.exports.facts.screening import ScreeningFacts
from curation.exports.facts.snapshot import BatchFacts, SnapshotFacts
from curation.exports.markdown import estimate_text, figure_text, markdown_table
from curation.tables.reading import Verdict
from curation.withdrawal.affected_results import withdrawn_subjects_note

NOT_MEASURED = (
    "**Not measured.** There is no report of error rates. What a screening found of held-out real images stands in its "
    "parameters above; how many planted copies or faults it would miss, nobody measured."
)
MOST_SHOWN = 8
ERROR_RATES = ("checks", "privacy")
PSEUDONYMS = (
    "Readers stand under keyed pseudonyms, the same in every release of this project. The key stays with the project. "
    "A proxy is a model: no claim rests on what it reads, and it is left out of every statistic below."
)


def reading_page(facts: SnapshotFacts, evidence: Evidence, head: str) -> str:
    """Write who read what, the outcomes, and how far readers agree with each other and themselves."""
    reading = facts.reading
    parts = [f"# Who read what\n\n{head}\n\n**{reading.sentence}**\n\n{PSEUDONYMS}"]
    if reading.withdrawn:
        parts.append(f"{reading.withdrawn} readers withdrew: their verdicts stand in outcomes, and in no statistic.")
    if reading.experience:
        parts.append("Experience, as readers told it: " + "; ".join(reading.experience) + ".")
    parts += [_worklist_table(facts), _reader_table(facts), _reason_table(facts)]
    if not evidence.studies:
        parts.append(
            "## Agreement\n\n**Not yet read by people: there is no agreement, and no sensitivity, to report.**"
        )
    parts += [_study_section(study) for study in evidence.studies]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _worklist_table(facts: SnapshotFacts) -> str:
    if not facts.reading.worklists:
        return "No worklist held an image of this snapshot."
    rows = [
        (
            worklist.name,
            worklist.kind.value,
            worklist.asked,
            "shown" if worklist.label_shown else "hidden",
            worklist.rule,
            worklist.candidates,
            worklist.controls,
            ", ".join(f"{count} {verdict}" for verdict, count in sorted(worklist.outcomes.items())) or "none yet",
            worklist.proxy_only,
            worklist.adjudicated,
        )
        for worklist in facts.reading.worklists
    ]
    header = ("worklist", "kind", "question", "class", "rule", "candidates", "controls", "outcomes")
    return "## Worklists\n\n" + markdown_table((*header, "of them by a proxy alone", "adjudicated"), rows)


def _reader_table(facts: SnapshotFacts) -> str:
    if not facts.reading.lines:
        return ""
    rows = [
        (
            line.worklist,
            line.reader,
            "person" if line.kind.value == "human" else "proxy model",
            line.candidates,
            *(line.verdicts[verdict.value] for verdict in Verdict),
            line.controls,
            f"{line.first_at:%Y-%m-%d} to {line.last_at:%Y-%m-%d}",
        )
        for line in facts.reading.lines
    ]
    header = ("worklist", "reader", "kind", "candidates read", "accept", "reject", "unsure", "controls read", "when")
    return "## Readers\n\nReadings that were taken back are not counted.\n\n" + markdown_table(header, rows)


def _reason_table(facts: SnapshotFacts) -> str:
    rows = [
        (worklist.name, reason, count)
        for worklist in facts.reading.worklists
        for reason, count in worklist.rejected_for.items()
    ]
    if not rows:
        return ""
    lead = "Of rejections by people, before any image was left out; a reading may give several."
    return f"## Why people rejected\n\n{lead}\n\n" + markdown_table(("worklist", "reason", "readings"), rows)


def _study_section(study: StudyFacts) -> str:
    rows = []
    for line in study.figures:
        value = figure_text(line.value, line.low, line.high, line.note)
        rows.append((line.figure, line.group or "-", line.reader or "-", value, line.n))
    lead = f"{study.readings} blind readings by {study.readers} people; {study.excluded} excluded by rule."
    turing = f"\n\n{study.turing}" if study.turing else ""
    header = ("figure", "of", "reader", "value (95 % interval)", "n")
    return f"## Agreement and performance: {study.worklist}\n\n{lead}{turing}\n\n" + markdown_table(header, rows)


def screening_page(facts: SnapshotFacts, evidence: Evidence, head: str) -> str:
    """Write thresholds, verdicts, error rates and set measures."""
    parts = [f"# Screening\n\n{head}", _check_table(evidence.screening)]
    parts += [_batch_section(batch) for batch in facts.batches]
    parts.append("## Error rates of the checks")
    parts += [_measurement_section(saved) for saved in evidence.checks] or [NOT_MEASURED]
    parts += ["## Pairs judged by the privacy role", _pair_table(evidence), "## Measures of sets"]
    sets = [_measurement_section(saved) for saved in evidence.sets]
    parts += sets or ["**Not measured.** No set was measured in this project."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _pair_table(evidence: Evidence) -> str:
    if not evidence.pairs:
        return "**Not judged.** Nobody has compared synthetic images with their nearest real ones."
    rows = []
    for pairs in evidence.pairs:
        withdrawn = withdrawn_subjects_note(pairs.withdrawn_subjects) or "-"
        rows.append((pairs.name, pairs.truth, pairs.verdict, pairs.judgements, withdrawn))
    lead = "Suspects, mixed blind with real pairs of one subject and of two. What was taken back is not counted."
    return f"{lead}\n\n" + markdown_table(("list", "pair", "judged", "judgements", "withdrawals"), rows)


def _check_table(screening: ScreeningFacts) -> str:
    if not screening.screened:
        return "**Not screened.** No image of this snapshot stands in a finished screening."
    rows = [
        (check_name(check.name), check.images, check.flagged, check.blocked, check.without_threshold)
        for check in screening.checks
    ]
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(screening.verdicts.items()))
    header = ("check", "images", "flagged", "blocked", "of them without a threshold")
    lead = f"{screening.screened} synthetic images of the snapshot were screened: {verdicts}."
    return f"{lead}\n\n{markdown_table(header, rows)}"


def _batch_section(batch: BatchFacts) -> str:
    title = f"## Batch `{batch.digest[:16]}`"
    if batch.screening is None:
        return f"{title}\n\n**Never screened.**"
    rows = [(name, _shown(value)) for name, value in sorted(batch.screening.items())]
    table = markdown_table(("parameter", "value"), rows)
    return f"{title}\n\nParameters of the newest screening, as saved.\n\n{table}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) if len(value) <= MOST_SHOWN else f"{len(value)} values"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def _measurement_section(saved: SavedMeasurement) -> str:
    of = f", snapshot {saved.snapshot}" if saved.snapshot else ""
    title = f"### {saved.kind}{of}, {saved.at:%Y-%m-%d}, `{saved.digest[:16]}`"
    return "\n\n".join([title, *_measurement_tables(saved)])


def _measurement_tables(saved: SavedMeasurement) -> Iterator[str]:
    """Yield tables of counts and estimates; a result with neither is listed number by number."""
    counted, estimates = saved.counted(), saved.estimates()
    if saved.affected:
        yield f"**AFFECTED:** this {saved.affected}, or on what descends from them."
    if saved.not_said:
        yield f"**{'Error rates' if saved.kind in ERROR_RATES else 'Membership'} cannot be said:** {saved.not_said}."
    if counted and saved.kind == "privacy":
        yield markdown_table(
            ("of", "n", "blocked (95 % interval)"), [(row.name, row.n, estimate_text(row.caught)) for row in counted]
        )
    elif counted:
        rows = [(row.name, row.n, estimate_text(row.caught), _shown(row.blocked)) for row in counted]
        yield markdown_table(("of", "n", "caught (95 % interval)", "blocked"), rows)
    if counted:
        yield "What each check caught alone, thresholds and the rest: measures.json."
    if estimates:
        yield markdown_table(("figure", "value"), [(path, figure_text(*values)) for path, values in estimates.items()])
    if not counted and not estimates:
        yield markdown_table(("figure", "value"), [(path, f"{value:.4g}") for path, value in saved.numbers.items()])
