"""Write a release folder: the data, its cards, and the evidence that a sceptical reader needs."""

import csv
import json
from pathlib import Path
from typing import Any

from curation.exports.checksums import CHECKSUMS, write_checksums
from curation.exports.facts.evidence import Evidence, gather_evidence
from curation.exports.facts.grey_levels import grey_levels
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.croissant import write_croissant
from curation.exports.formats.dataset_card import dataset_card
from curation.exports.formats.image_folder import write_image_folder
from curation.exports.release.answers import claim_answers, tripod_answers
from curation.exports.release.checklist_items import CLAIM, TRIPOD_AI
from curation.exports.release.indicators import completeness, congruence, constraint, count_contents, coverage
from curation.exports.release.indicators_of_care import compliance, comprehension, consistency
from curation.exports.release.pages import reading_page, screening_page
from curation.exports.release.scorecard import Indicators, scorecard_json, scorecard_page, summary_table
from curation.exports.selection import Selection
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text, software_version
from curation.progress import OnProgress
from curation.reader_study.report import COLUMNS

OPENS_WITH = 'datasets.load_dataset("{directory}"); begin with README.md and SCORECARD.md'
DATA = "data"
PAGES = (
    ("README.md", "this card"),
    ("SCORECARD.md, scorecard.json", "the data-quality scorecard: seven dimensions, figure by figure"),
    ("READING.md, readers.csv, figures.csv", "who read what under pseudonyms, agreement, performance"),
    ("SCREENING.md, measures.json", "thresholds, verdicts, error rates, measures of sets"),
    ("CLAIM.md, TRIPOD-AI.md", "reporting checklists with facts filled in, for the authors of a study to complete"),
    ("croissant.json", "Croissant 1.1 with responsible-AI fields"),
    ("data/", "the images with metadata.jsonl per split"),
    (CHECKSUMS, "checksums of every other file: sha256sum --check SHA256SUMS"),
)


def write_release(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    """Write data, card, scorecard, pages, checklists and checksums into `directory`."""
    write_image_folder(directory / DATA, selection, facts, report)
    with selection.project.database.read() as session:
        evidence = gather_evidence(session, facts, selection.snapshot_id, selection.pseudonyms)
    report(facts.images, facts.images, "scorecard")
    claim, tripod = claim_answers(facts, evidence), tripod_answers(facts, evidence)
    indicators = _indicators(selection, facts, evidence, CLAIM.prefilled(claim) + TRIPOD_AI.prefilled(tripod))
    head = _page_head(facts)
    saved_sets = {"checks": evidence.checks, "sets": evidence.sets}
    measures = {key: [saved.as_json() for saved in measurements] for key, measurements in saved_sets.items()}
    pages = {
        "README.md": dataset_card(facts, "release", evidence, _trust(indicators)),
        "SCORECARD.md": scorecard_page(indicators, head),
        "READING.md": reading_page(facts, evidence, head),
        "SCREENING.md": screening_page(facts, evidence, head),
        "CLAIM.md": CLAIM.page(claim, head),
        "TRIPOD-AI.md": TRIPOD_AI.page(tripod, head),
        "scorecard.json": _json_text(scorecard_json(indicators, _about(facts))),
        "measures.json": _json_text(measures),
    }
    for name, text in pages.items():
        (directory / name).write_text(text, encoding="utf-8")
    _write_tables(directory, facts, evidence)
    write_croissant(directory, facts, evidence, data=DATA)
    write_checksums(directory)


def _indicators(selection: Selection, facts: SnapshotFacts, evidence: Evidence, prefilled: int) -> Indicators:
    counts, screening = count_contents(selection), evidence.screening
    items = len(CLAIM.items) + len(TRIPOD_AI.items)
    return {
        "congruence": list(congruence(facts, grey_levels(selection), evidence)),
        "coverage": list(coverage(facts, screening, evidence)),
        "constraint": list(constraint(facts, screening)),
        "completeness": list(completeness(facts, counts, screening)),
        "compliance": list(compliance(facts, screening, evidence)),
        "comprehension": list(comprehension(facts, prefilled, items)),
        "consistency": list(consistency(evidence, counts, facts.images)),
    }


def _page_head(facts: SnapshotFacts) -> str:
    return (
        f"Snapshot `{facts.name}`, digest `{facts.digest[:16]}`: {facts.made:,} synthetic and {facts.real:,} real "
        f"images in this release. {notice_text(facts.notice)} {NOT_ANONYMOUS}"
    )


def _trust(indicators: Indicators) -> str:
    return (
        "## How far it can be trusted\n\n"
        "Each page says what was measured, on what, and what was not. There is no total mark.\n\n"
        + summary_table(indicators)
        + "\n"
        + "\n".join(f"- `{name}`: {what}" for name, what in PAGES)
    )


def _about(facts: SnapshotFacts) -> dict[str, Any]:
    return {
        "snapshot": facts.name,
        "digest": facts.digest,
        "software": f"{NAME} {software_version()}",
        "exported_at": f"{facts.exported_at:%Y-%m-%d}",
        "images": facts.counts,
        "real_images_left_out": facts.real_left_out,
        "notice": facts.notice,
        "synthetic_is_not_anonymous": NOT_ANONYMOUS,
        "reading": facts.reading.sentence,
    }


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _write_tables(directory: Path, facts: SnapshotFacts, evidence: Evidence) -> None:
    with (directory / "readers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("worklist", "reader", "kind", "candidates", "controls", "accept", "reject", "unsure"))
        for line in facts.reading.lines:
            verdicts = (line.verdicts[name] for name in ("accept", "reject", "unsure"))
            counts = (line.candidates, line.controls, *verdicts)
            writer.writerow((line.worklist, line.reader, line.kind.value, *counts))
    with (directory / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        figures = csv.DictWriter(file, ["worklist", *COLUMNS])
        figures.writeheader()
        for study in evidence.studies:
            figures.writerows({"worklist": study.worklist} | line.as_row() for line in study.figures)
