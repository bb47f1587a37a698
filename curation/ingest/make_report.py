"""Make the report of an import from what came and what was decided."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from curation.ingest.import_report import ImportReport, Suspect
from curation.ingest.incoming import Source
from curation.ingest.intake import Intake
from curation.ingest.names import fold
from curation.ingest.preparing import GRAY_EXACT, GRAY_NEARLY
from curation.ingest.staging import Staging
from curation.tables.images import Split


def make_report(source: Source, digest: str, staging: Staging, intake: Intake) -> ImportReport:
    """Report what of a source enters the project, what was left out and why, and what was done to values."""
    counts: dict[Split, Counter[str]] = defaultdict(Counter)
    added = unknown = 0
    for split, shown, known, count in staging.accepted_counts():
        counts[split].update(dict.fromkeys(shown, count))
        added += count
        unknown += 0 if known else count
    done: Counter[str] = Counter()
    suspects: list[Suspect] = []
    for arrival in staging.accepted(remarked=True):
        done.update(arrival.notes)
        if arrival.burnt_in:
            suspects.append(Suspect(arrival.source_file, arrival.burnt_in))
    subjects = staging.accepted_subjects()
    return ImportReport(
        source=source.name,
        source_digest=digest,
        added=added,
        already=source.already + intake.already,
        subjects_known=not unknown,
        notice=source.notice,
        rejected=intake.rejected,
        duplicates=intake.duplicates,
        counts={split.value: dict(sorted(counts[split].items())) for split in Split if split in counts},
        subjects={split.value: subjects[split] for split in Split if split in subjects},
        options=dict(source.options),
        notes=[*source.notes, *_idle_gray(source, done), *_notes(done, intake.without_subject, unknown)],
        burnt_in=suspects,
    )


def _idle_gray(source: Source, done: Counter[str]) -> list[str]:
    """Say that --gray changed nothing, where that is known only after all is read."""
    idle = "gray" in source.options and GRAY_EXACT not in done and GRAY_NEARLY not in done
    return ["--gray changed nothing: no new image was RGB"] if idle else []


def _notes(done: Counter[str], without_subject: int, unknown: int) -> list[str]:
    notes = [f"{count} pictures: {note}" for note, count in sorted(done.items())]
    if without_subject:
        notes.append(
            f"{without_subject} pictures are in the project already, without a subject. An import never changes a "
            "subject. To have them under the subjects of this source, import it into a new project."
        )
    if unknown:
        notes.append(
            f"{unknown} pictures have no subject. Each picture, volume or study counts as a subject of its own, so "
            "pictures of one patient may be in two splits. Intervals will be image-level, and claims are refused."
        )
    return notes


def note_labels(report: ImportReport, known: Iterable[str]) -> list[str]:
    """A note for labels of this import that differ from others by case alone, or by how an accent is coded."""
    brought = {label for counts in report.counts.values() for label in counts}
    spelt: dict[str, set[str]] = defaultdict(set)
    for label in {*brought, *known}:
        spelt[fold(label)].add(label)
    return [
        f"the labels {', '.join(sorted(alike))} differ by case alone, and are different classes in this project: if "
        "they mean the same, import them under one name"
        for alike in spelt.values()
        if len(alike) > 1 and alike & brought
    ]
