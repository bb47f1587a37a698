"""Directories of strangers' files for tests, and what an import makes of them."""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from PIL import Image as PillowImage
from sqlalchemy import select

from curation.image_store import Pixels
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder as import_any
from curation.project import Project
from curation.tables.images import Image
from tests.rows import picture


def import_image_folder(
    project: Project, now: datetime, path: Path, subject_pattern: str | None = None
) -> ImportReport:
    """Import with the names as they are published, so that tests can look them up."""
    return import_any(project, now, path, request=ImportRequest(public_subjects=True, subject_pattern=subject_pattern))


Maker = Callable[[dict[str, bytes | Pixels]], Path]


def encoded(pixels: Pixels, suffix: str = ".png", **options: object) -> bytes:
    plane = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    PillowImage.fromarray(plane).save(buffer, {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, "PNG"), **options)
    return buffer.getvalue()


def converted(mode: str, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(1, channels=3)).convert(mode).save(buffer, file_format)
    return buffer.getvalue()


def reasons_of(report: ImportReport) -> dict[str, str]:
    assert len({fault.source_file for fault in report.rejected}) == len(report.rejected)
    return {fault.source_file: str(fault).removeprefix(f"{fault.source_file}: ") for fault in report.rejected}


def pixels_of(project: Project) -> dict[str, Pixels]:
    with project.database.read() as session:
        return {
            str(image.source_file): project.store.pixels(image.file_sha256) for image in session.scalars(select(Image))
        }


def subjects_of(project: Project) -> dict[str, tuple[str, str]]:
    with project.database.read() as session:
        images = session.scalars(select(Image)).all()
        return {str(i.source_file): (i.subject.key, i.subject.split) for i in images if i.subject}
