"""Import virtual subjects with their lesion masks, each in the split that its number fixes."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select

from curation.digests import digest_of
from curation.errors import BadInput
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import Geometry, IncomingImage, Source
from curation.ingest.virtual_brains.render import NOTICE, check_ordinary, cohort_numbers, render_many
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.tables.images import Image, Split, Subject

MASK_NAME = "lesion"
_KEYS = 500


def import_virtual_brains(
    project: Project,
    now: datetime,
    count: int,
    *,
    first: int = 0,
    workers: int = 1,
    dry_run: bool = False,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Import subjects `first` to `first + count - 1`; those in the project already are not rendered again."""
    if count < 1:
        raise BadInput(f"expected at least one virtual subject, got {count}.")
    numbers = cohort_numbers(count, first)
    check_ordinary(numbers)
    missing = _not_here(project, numbers)
    source = Source(
        name=f"virtual-brains:{count}" if first == 0 else f"virtual-brains:{first}+{count}",
        content_digest=digest_of({"cohort": "virtual-brains/1", "first": first, "count": count}),
        items=_items(missing, workers),
        total=len(missing),
        notice=NOTICE,
        already=count - len(missing),
    )
    return import_source(project, now, source, on_progress=on_progress, dry_run=dry_run)


def _items(numbers: Sequence[int], workers: int) -> Iterator[IncomingImage]:
    for virtual in render_many(numbers, workers):
        yield IncomingImage(
            source_file=virtual.subject,
            pixels=virtual.pixels[:, :, None],
            labels=virtual.label,
            subject_key=virtual.subject,
            split=Split(virtual.split),
            geometry=Geometry(spacing_mm=(virtual.spacing_mm, virtual.spacing_mm)),
            masks={MASK_NAME: virtual.mask} if virtual.mask.any() else {},
            caption=virtual.caption,
        )


def _not_here(project: Project, numbers: Sequence[int]) -> list[int]:
    by_key = {f"vb-{number:06d}": number for number in numbers}
    keys = list(by_key)
    with project.database.read() as session:
        for start in range(0, len(keys), _KEYS):
            query = select(Subject.key).join(Image, Image.subject_id == Subject.id)
            query = query.where(is_ready_real(), Subject.key.in_(keys[start : start + _KEYS]))
            for key in session.scalars(query):
                by_key.pop(key, None)
    return list(by_key.values())
