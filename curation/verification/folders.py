"""Check folders of generators, backbones, runs and studies, and embeddings; list unfinished work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.errors import NotFound
from curation.project import Project
from curation.provenance.weights import file_sha256, weights_digest
from curation.provenance.withdrawn import digests_of_withdrawn, withdrawn_images
from curation.tables.generation import Batch, Generator, Screening
from curation.tables.images import BuildStatus, Image, Import
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.reading import Worklist
from curation.tables.training import AddedBackbone, Run, Snapshot, Study
from curation.tables.withdrawals import Affected, AffectedKind
from curation.vector_files import LINE, kept_digests

SHIPPED = "shipped"


def folder_faults(project: Project, session: Session) -> Iterator[str]:
    """Describe each generator, backbone, run or study whose folder is missing or no longer what its row says.

    Shipped weights lie beside the code and are checked against their card whenever they are used.
    """
    generators = select(Generator.name, Generator.directory, Generator.weights_digest)
    for name, directory, digest in session.execute(generators.where(Generator.directory != SHIPPED)):
        if fault := _weights_fault(project.root / directory, digest):
            yield f"generator {name!r}: {fault}"
    for row in session.scalars(select(AddedBackbone).order_by(AddedBackbone.id)):
        if fault := files_fault(project.root / row.directory, row.card["files"]):
            yield f"backbone {row.name!r}: {fault}"
    for name, directory in session.execute(select(Run.name, Run.directory).where(Run.status == BuildStatus.READY)):
        if fault := _card_fault(project.root / directory):
            yield f"run {name!r}: {fault}{_withdrawal_at(session, name)}"
    studies = select(Study.name, Study.directory).where(Study.status == BuildStatus.READY)
    for name, directory in session.execute(studies):
        if not (project.root / directory).is_dir():
            yield f"study {name!r}: its folder {directory} is missing"


def _withdrawal_at(session: Session, name: str) -> str:
    """Say that a withdrawal marks the run: it may have been stopped while it took the subject out."""
    marks = select(Affected.withdrawal_id).join(Run, Run.id == Affected.target_id)
    marked = marks.where(Affected.kind == AffectedKind.RUN, Run.name == name).limit(1)
    if session.scalar(marked) is None:
        return ""
    return ". A withdrawal marks it; if that was stopped, `rounds withdraw SUBJECT --yes` again finishes it"


def _weights_fault(directory: Path, digest: str) -> str | None:
    if not directory.is_dir():
        return f"its folder {directory.name} is missing"
    try:
        current = weights_digest(directory)
    except (NotFound, OSError) as error:
        return str(error)
    return None if current == digest else "its weights are not those that were added"


def files_fault(directory: Path, files: dict[str, str]) -> str | None:
    """Compare the files of a folder with their digests."""
    for name, digest in files.items():
        path = directory / name
        if not path.is_file():
            return f"its file {directory.name}/{name} is missing"
        if file_sha256(path) != digest:
            return f"its file {directory.name}/{name} is not the one that was added"
    return None


def _card_fault(directory: Path) -> str | None:
    """Check a run's weights against its card, which is written last: a run without one is not whole."""
    try:
        digest = json.loads((directory / "card.json").read_text())["digest"]
    except FileNotFoundError:
        return f"its checkpoint {directory.name}/card.json is missing"
    except (ValueError, KeyError, TypeError, OSError) as error:
        return f"its card cannot be read: {error}"
    return _weights_fault(directory, digest)


def torn_embeddings(project: Project) -> list[str]:
    """List feature files that interrupted work left with a torn end; the next screening repairs them."""
    return sorted(f"embeddings/{rows.name}" for rows in (project.root / "embeddings").glob("*.rows") if _is_torn(rows))


def vectors_of_withdrawn(project: Project, session: Session) -> Iterator[str]:
    """Describe each vector file that keeps vectors of withdrawn images, which should have been blanked."""
    columns = (Image.file_sha256, Image.pixel_sha256)
    withdrawn = {digest for column in columns for digest in digests_of_withdrawn(session, withdrawn_images(), column)}
    if withdrawn:
        for rows, digests in kept_digests(project.root / "embeddings"):
            if count := len(withdrawn & digests):
                yield f"embeddings/{rows.name} keeps vectors of {count} withdrawn images"


def _is_torn(rows: Path) -> bool:
    matrix = rows.with_suffix(".f32")
    count, rest = divmod(rows.stat().st_size, LINE)
    size = matrix.stat().st_size if matrix.is_file() else 0
    return rest != 0 or (size % (4 * count) != 0 if count else size != 0) or (count > 0 and size == 0)


def unfinished_work(session: Session) -> list[str]:
    """List rows that are `building`: work under way, or interrupted and resumed by the same command."""
    named: tuple[InstrumentedAttribute[Any], ...] = (Import.source, Worklist.name, Snapshot.name, Run.name, Study.name)
    unfinished: list[str] = []
    for name in (*named, Batch.id, Screening.id, CheckReport.id, SetMeasurement.id):
        table = name.class_
        building = session.scalars(select(name).where(table.status == BuildStatus.BUILDING).order_by(table.id))
        unfinished += [f"{table.__tablename__}: {key}" for key in building]
    return unfinished
