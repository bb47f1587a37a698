"""Find held-out images that look like an image of another subject that may be trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from curation.audit import MOST_DIGESTS, Chain, anchor
from curation.near_copies.on_record import HELD_OUT, SEARCHED, is_searched, searched_through
from curation.near_copies.prints import stored_prints
from curation.near_copies.search import METHOD, PrintedImages, most_alike
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.queries import chunks
from curation.tables.images import Image, Split, Subject
from curation.tables.near_copies import NearCopy, NearCopySearch

TRAINED_ON = (Split.TRAIN, Split.RESERVE)
ORDER = list(Split)


@dataclass(frozen=True, slots=True)
class RealImages:
    """The real images that count, by id: their stored files, subjects and splits (by place in `Split`)."""

    ids: NDArray[np.int64]
    files: list[str]
    subjects: NDArray[np.int64]
    splits: NDArray[np.int8]

    @classmethod
    def of(cls, session: Session) -> "RealImages":
        """Read them in chunks, so that few rows are in memory at once."""
        query = select(Image.id, Image.file_sha256, Image.subject_id, Subject.split).join(Image.subject)
        rows = session.execute(query.where(is_ready_real()).order_by(Image.id).execution_options(yield_per=1_000))
        files: list[str] = []
        numbers: list[NDArray[np.int64]] = [np.zeros((0, 3), np.int64)]
        for part in rows.partitions():
            files += [row.file_sha256 for row in part]
            numbers.append(np.array([(row.id, row.subject_id, ORDER.index(row.split)) for row in part], np.int64))
        ids, subjects, splits = np.concatenate(numbers).T
        return cls(ids, files, subjects, splits.astype(np.int8))

    def are_of(self, splits: Sequence[Split]) -> NDArray[np.bool_]:
        """Which images (N,) are of these splits."""
        return np.isin(self.splits, [ORDER.index(split) for split in splits])


def find_near_copies(project: Project, now: datetime, report: OnProgress = silent) -> None:
    """Compare every held-out image with every image that may be trained on, unless an earlier search compared them.

    The caller holds the import lock. No label and no model is read.
    """
    with project.database.read() as session:
        if is_searched(session):
            return
        through = searched_through(session)
        images = RealImages.of(session)
    prints = stored_prints(project, images.files, report)
    found: list[dict[str, int | float]] = []
    held_out, is_new = images.are_of(HELD_OUT), images.ids > through
    for split in TRAINED_ON:
        references = images.are_of([split])
        for queries, against in ((held_out & is_new, references), (held_out & ~is_new, references & is_new)):
            query, like = np.nonzero(queries)[0], np.nonzero(against)[0]
            if not len(query) or not len(like):
                continue
            nearest = most_alike(
                PrintedImages(prints.part(query), images.subjects[query]),
                PrintedImages(prints.part(like), images.subjects[like]),
                report,
            )
            found += [
                {
                    "image_id": int(images.ids[query[position]]),
                    "like_image_id": int(images.ids[like[nearest.positions[position]]]),
                    "correlation": float(nearest.correlations[position]),
                }
                for position in np.nonzero(nearest.are_near_copies)[0]
            ]
    _keep(project, now, through, int(images.ids[-1]), found)
    with project.database.read() as session:
        anchor(session, project.anchors_path)


def _keep(project: Project, now: datetime, through: int, newest: int, found: list[dict[str, int | float]]) -> None:
    """Write what was found and how far was searched; the first search by a method replaces what others found."""
    with project.database.write() as session:
        if not through:
            session.execute(delete(NearCopy))
        for chunk in chunks(found):
            session.execute(insert(NearCopy), chunk)
        session.add(NearCopySearch(method=METHOD, through_image_id=newest, created_at=now))
        _record(session, project.chain, now, anew=not through, newest=newest, found=found)


def _record(
    session: Session, chain: Chain, now: datetime, *, anew: bool, newest: int, found: Sequence[dict[str, int | float]]
) -> None:
    """Record what a search found, a thousand at most in one event; `anew` is whether it replaces what was there."""
    pairs = [(int(row["image_id"]), int(row["like_image_id"]), row["correlation"]) for row in found]
    for number, chunk in enumerate(list(chunks(pairs, MOST_DIGESTS)) or [[]]):
        digests = [[image, like, chain.near_copy_digest(image, like, alike)] for image, like, alike in chunk]
        facts = {"method": METHOD, "through": newest, "anew": anew and not number, "found": digests}
        chain.record(session, SEARCHED, facts, now)
