"""Import a source: read and store its pictures, decide what enters, then write rows in chunks under a parent row.

The parent row is `building` until the last transaction. An import that fails takes its rows with it; one that was
killed leaves rows under a `building` parent, which nobody counts (`curation.real_images`) and the next import removes.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from curation.audit import anchor, digest_of
from curation.errors import BadInput
from curation.image_store import ImageStore, pixel_sha256
from curation.ingest import import_rows
from curation.ingest.exclusive import one_import_at_a_time
from curation.ingest.incoming import ImportReport, IncomingImage, Progress, Rejected, Source
from curation.ingest.intake import Candidate, Intake, decide
from curation.lineage.withdrawn import Withdrawn, withdrawn_since
from curation.models.images import BuildStatus, Import, Split
from curation.project import Project

_REPORT_EVERY = 25


def import_source(
    project: Project, now: datetime, source: Source, seed: int = 0, on_progress: Progress = lambda *_: None
) -> ImportReport:
    """Import `source`; the same source again adds nothing and returns the earlier report as `repeated`.

    An import that adds nothing leaves no row. Raises Conflict while another import runs.
    """
    digest = source.digest(seed)
    with one_import_at_a_time(project):
        import_rows.remove_unfinished(project.database)
        with project.database.read() as session:
            earlier = session.scalars(select(Import).where(Import.source_digest == digest)).one_or_none()
        if earlier is not None and earlier.status == BuildStatus.READY:
            with project.database.read() as session:
                gone = withdrawn_since(session, earlier.id)
            repeated = ImportReport.from_record(earlier.report, repeated=True)
            return replace(repeated, notes=[*repeated.notes, *gone])
        import_id = import_rows.begin(project.database, now, source, digest)
        try:
            with project.database.read() as session:
                withdrawn = Withdrawn.read(session)
            candidates, rejected = _receive(project.store, source, digest, withdrawn, on_progress)
            with project.database.read() as session:
                present = import_rows.find_present(session, candidates)
            intake = decide(candidates, present, seed)
            intake.rejected[:0] = rejected
            report = _report(source, digest, intake)
            if report.added:
                import_rows.write(project.database, now, import_id, intake.accepted, on_progress)
                _finish(project, now, import_id, report)
        except BaseException:
            import_rows.abandon(project.database, import_id)
            raise
        if not report.added:
            import_rows.forget(project.database, import_id)
    return report


def _receive(
    store: ImageStore, source: Source, digest: str, withdrawn: Withdrawn, on_progress: Progress
) -> tuple[list[Candidate], list[Rejected]]:
    """Store every usable picture of the source, outside any transaction; a stored file without a row does no harm."""
    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    for position, item in enumerate(source.items):
        if position % _REPORT_EVERY == 0:
            on_progress(position, source.total, "reading")
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        try:
            _refuse_withdrawn(item, digest, withdrawn)
            candidate = _store(store, item, digest)
            if candidates and (fault := _shape_fault(candidate, candidates[0])):
                raise BadInput(fault)
        except BadInput as error:
            rejected.append(Rejected(item.source_file, str(error)))
            continue
        candidates.append(candidate)
    return candidates, rejected


def _store(store: ImageStore, item: IncomingImage, digest: str) -> Candidate:
    label = item.label.strip()
    if not 0 < len(label) <= 100:
        raise BadInput(f"expected a label of 1 to 100 characters, got {item.label!r}")
    if item.subject_key is not None and not 0 < len(item.subject_key) <= 200:
        raise BadInput(f"expected a subject of 1 to 200 characters, got {item.subject_key!r}")
    file_sha256 = store.put_pixels(item.pixels)
    height, width, channels = item.pixels.shape
    return Candidate(
        source_file=item.source_file,
        label=label,
        subject_key=_subject_key(item, digest),
        subject_known=item.subject_key is not None,
        split=item.split,
        pixel_sha256=pixel_sha256(item.pixels),
        file_sha256=file_sha256,
        shape=(height, width, channels),
        bits=item.pixels.dtype.itemsize * 8,
        spacing_mm=item.spacing_mm,
        masks={name: store.put_pixels(mask[:, :, None]) for name, mask in item.masks.items()},
    )


def _subject_key(item: IncomingImage, digest: str) -> str:
    return item.subject_key or f"image-{digest_of([digest, item.source_file])[:32]}"


def _refuse_withdrawn(item: IncomingImage, digest: str, withdrawn: Withdrawn) -> None:
    """Before anything is stored: what was withdrawn does not come back, under its subject or another name."""
    reason = withdrawn.reason(_subject_key(item, digest), pixel_sha256(item.pixels))
    if reason:
        raise BadInput(reason)


def _shape_fault(candidate: Candidate, first: Candidate) -> str | None:
    expected, found = (*first.shape, first.bits), (*candidate.shape, candidate.bits)
    if expected == found:
        return None
    return f"expected {describe_shape(*expected)} as the pictures before it, got {describe_shape(*found)}"


def describe_shape(height: int, width: int, channels: int, bits: int) -> str:
    """A picture's size and kind in words: `96x96 RGB, 8 bit`."""
    return f"{height}x{width} {'RGB' if channels == 3 else 'gray'}, {bits} bit"


def _report(source: Source, digest: str, intake: Intake) -> ImportReport:
    counts: dict[Split, Counter[str]] = defaultdict(Counter)
    subjects: dict[Split, set[str]] = defaultdict(set)
    for candidate in intake.accepted:
        assert candidate.split is not None
        counts[candidate.split][candidate.label] += 1
        subjects[candidate.split].add(candidate.subject_key)
    return ImportReport(
        source=source.name,
        source_digest=digest,
        added=len(intake.accepted),
        already=source.already + intake.already,
        subjects_known=all(candidate.subject_known for candidate in intake.accepted),
        notice=source.notice,
        rejected=intake.rejected,
        duplicates=intake.duplicates,
        counts={split.value: dict(sorted(counts[split].items())) for split in Split if split in counts},
        subjects={split.value: len(subjects[split]) for split in Split if split in subjects},
        options=dict(source.options),
        notes=_notes(intake),
    )


def _notes(intake: Intake) -> list[str]:
    notes = []
    if intake.without_subject:
        notes.append(
            f"{intake.without_subject} pictures are here already without a subject; an import never changes a subject. "
            "To have them under the subjects of this source, import it into a new project."
        )
    unknown = sum(not candidate.subject_known for candidate in intake.accepted)
    if unknown:
        notes.append(
            f"{unknown} pictures have no subject: each is taken for its own, so pictures of one patient may stand in "
            "two splits. Intervals will be image-level and claims refused."
        )
    return notes


def _finish(project: Project, now: datetime, import_id: int, report: ImportReport) -> None:
    record = report.record()
    with project.database.write() as session:
        row = session.get_one(Import, import_id)
        row.status, row.report, row.subjects_known = BuildStatus.READY, record, report.subjects_known
        payload = {"import": import_id, "source_digest": report.source_digest, "report_digest": digest_of(record)}
        project.chain.record(session, "import", payload | {"images": report.added}, now)
    with project.database.read() as session:
        anchor(session, project.anchors_path)
