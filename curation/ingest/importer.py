"""Import a source: store its pictures, decide what enters, write rows in chunks under a parent row.

The parent row is `building` until the last transaction. An import that fails takes its rows with it; one that was
killed leaves rows under a `building` parent: nothing counts them, and the next import removes them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from curation.audit import MEMBERS, anchor
from curation.digests import digest_of
from curation.errors import RoundsError, Unavailable
from curation.ingest import import_rows
from curation.ingest.alike import AlikeSubjects, note_bound
from curation.ingest.arrival import Arrival
from curation.ingest.formats.picture_files import explain_shape_difference, quiet_decoders
from curation.ingest.import_report import ImportReport
from curation.ingest.incoming import Rejected, Source
from curation.ingest.intake import decide
from curation.ingest.make_report import make_report, note_labels
from curation.ingest.pseudonyms import Pseudonyms
from curation.ingest.receiving import Reception
from curation.ingest.staging import Staging
from curation.ingest.value_notes import note_values
from curation.locks import one_import_at_a_time
from curation.near_copies.find import find_near_copies
from curation.near_copies.group import Bound, remove_unneeded
from curation.near_copies.on_record import near_copies_note
from curation.near_copies.prints import IncomingPrints
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.provenance.aliases import all_aliases
from curation.provenance.withdrawn import withdrawn_since
from curation.store_errors import describe_disk_error
from curation.tables.images import BuildStatus, Import, Label

_REPORT_EVERY = 25
_STAND = (
    "The images are recorded and stay, but were not compared with those of other subjects; run this again, or "
    "`rounds near-copies find`, once the cause is mended:"
)


def import_source(
    project: Project,
    now: datetime,
    source: Source,
    seed: int = 0,
    on_progress: OnProgress = silent,
    *,
    dry_run: bool = False,
) -> ImportReport:
    """Import `source`; the same source again adds nothing and returns the earlier report as `repeated`.

    An import that fails, or adds nothing, leaves no row. Once its images are recorded they stay, and the search for
    near copies begins; where that fails, the error says so, and the next import or the same one again goes on with it.
    A dry run reads and decides, and stores nothing at all. Raises Conflict while another import runs.
    """
    digest = source.digest(seed)
    names = Pseudonyms.of(project) if source.private else None
    with one_import_at_a_time(project):
        with project.database.read() as session:
            earlier = session.scalars(select(Import).where(Import.source_digest == digest)).one_or_none()
        if earlier is not None and earlier.status == BuildStatus.READY:
            if not dry_run:
                _compare(project, now, on_progress)
            return _repeat(project, earlier)
        with project.database.read() as session:
            aliases = all_aliases(session)
        with Staging.open() as staging, IncomingPrints.open() as prints:
            alike = AlikeSubjects(project, staging, prints, on_progress) if source.group_near_copies else None
            arrived = Arrived(staging, prints, alike)
            if dry_run:
                return _decide(project, Reception(None, digest, names, aliases), arrived, source, seed, on_progress)
            import_rows.remove_unfinished(project.database)
            import_id = import_rows.begin(project.database, now, source, digest)
            try:
                reception = Reception(project.store, digest, names, aliases)
                report = _decide(project, reception, arrived, source, seed, on_progress)
                if report.added:
                    accepted = staging.accepted()
                    import_rows.write(project.database, now, import_id, accepted, report.added, on_progress)
                    bound = _finish(project, now, import_id, report.kept(names.file) if names else report, alike)
            except BaseException:
                import_rows.abandon(project.database, import_id)
                raise
            if not report.added:
                import_rows.forget(project.database, import_id)
                return report
            with _images_stay():
                remove_unneeded(project, bound)
                prints.keep(project, staging.accepted_files())
        _compare(project, now, on_progress)
        return _with_notes(project, report, note_bound(bound) if alike else [])


@dataclass(frozen=True, slots=True)
class Arrived:
    """What has arrived: the pictures that wait, their fingerprints in the same order, and whose are drawn together."""

    staging: Staging
    prints: IncomingPrints
    alike: AlikeSubjects | None


def _compare(project: Project, now: datetime, on_progress: OnProgress) -> None:
    """Look for near copies among the images that are recorded, unless an earlier call compared them all."""
    with _images_stay():
        with project.database.read() as session:
            anchor(session, project.anchors_path)
        find_near_copies(project, now, on_progress)


@contextmanager
def _images_stay() -> Iterator[None]:
    """Say that the images are in the project where what is done after they are recorded fails."""
    try:
        yield
    except RoundsError as error:
        error.args = (f"{_STAND} {error}",)
        raise
    except OSError as error:
        if (fault := describe_disk_error(error)) is None:
            raise
        raise Unavailable(f"{_STAND} {fault}") from error


def _repeat(project: Project, earlier: Import) -> ImportReport:
    """Report an import of the same source again, with what was withdrawn since."""
    with project.database.read() as session:
        withdrawals = withdrawn_since(session, earlier.id)
    return _with_notes(project, ImportReport.from_record(earlier.report, repeated=True), withdrawals)


def _with_notes(project: Project, report: ImportReport, more: Sequence[str] = ()) -> ImportReport:
    """Add notes to a report, and how many held-out images of the project look like training images."""
    with project.database.read() as session:
        near_copies = near_copies_note(session)
    return replace(report, notes=[*report.notes, *more, *([near_copies] if near_copies else [])])


def _decide(
    project: Project,
    reception: Reception,
    arrived: Arrived,
    source: Source,
    seed: int,
    on_progress: OnProgress,
) -> ImportReport:
    staging = arrived.staging
    with quiet_decoders():
        rejected = _receive(reception, arrived, source, on_progress)
    on_progress(0, 0, "settling splits and repeats")
    with project.database.read() as session:
        import_rows.find_present(session, staging)
    intake = decide(staging, seed, arrived.alike.find if arrived.alike else tuple)
    for digests in staging.files_left(import_rows.CHUNK):
        with project.database.read() as session:
            unused = import_rows.find_unused_files(session, digests)
        for digest in unused:
            project.store.remove(digest)
    intake.rejected[:0] = rejected
    report = make_report(source, reception.digest, staging, intake)
    with project.database.read() as session:
        known = session.scalars(select(Label.name)).all()
        standing = import_rows.count_value_scales(session, {scale.bits for scale in staging.accepted_scales()})
    return replace(report, notes=[*report.notes, *note_labels(report, known), *note_values(staging, standing)])


def _receive(reception: Reception, arrived: Arrived, source: Source, on_progress: OnProgress) -> list[Rejected]:
    """Store every readable picture of the source, outside any transaction; return what was left out."""
    first: Arrival | None = None
    rejected: list[Rejected] = []
    on_progress(0, source.total, "reading")
    for done, items in reception.receive(source.items):
        if done % _REPORT_EVERY == 0:
            on_progress(done, source.total, "reading")
        for item in items:
            if isinstance(item, Rejected):
                rejected.append(item)
            elif first and (fault := _shape_fault(item, first)):
                arrived.staging.add_files_of(item)
                rejected.append(Rejected(item.source_file, fault))
            else:
                first = first or item
                arrived.staging.add(item)
                assert item.small is not None
                arrived.prints.add(item.small)
    arrived.staging.close_list()
    return rejected


def _shape_fault(arrival: Arrival, first: Arrival) -> str | None:
    expected, actual = (*first.shape, first.bits), (*arrival.shape, arrival.bits)
    return None if expected == actual else explain_shape_difference(expected, actual, "the pictures before it")


def _finish(
    project: Project, now: datetime, import_id: int, report: ImportReport, alike: AlikeSubjects | None
) -> Bound:
    """Make the import count, with its event and its bound subjects, in one transaction."""
    record = report.record()
    with project.database.read() as session:
        members = project.chain.members(session, Import, import_id)
    with project.database.write() as session:
        row = session.get_one(Import, import_id)
        row.status, row.report, row.subjects_known = BuildStatus.READY, record, report.subjects_known
        payload = {"source_digest": report.source_digest, "report_digest": digest_of(record), "images": report.added}
        project.chain.record_row(session, "import", row, payload, now, **{MEMBERS: members})
        return alike.bind(session, now) if alike else Bound()
