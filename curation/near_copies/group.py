"""Bind subjects whose images look like copies of each other into one subject.

What a snapshot, a worklist, a pair list or a generator has used stays as it is, and is said: a split that something
rests on never moves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from curation.audit import BEFORE, MEMBERS, MEMBERS_BEFORE, Chain, anchor
from curation.digests import digest_of
from curation.near_copies.find import RealImages
from curation.near_copies.prints import stored_prints
from curation.near_copies.search import PrintedImages, most_alike
from curation.progress import OnProgress
from curation.project import Project
from curation.queries import chunks, files_among
from curation.tables.generation import GeneratorPixels
from curation.tables.images import Image, ImageLabel, Import, Mask, Split, Subject
from curation.tables.near_copies import NearCopy, NearCopySearch, SubjectAlias
from curation.tables.pairs import Pair
from curation.tables.reading import WorklistItem
from curation.tables.training import SnapshotItem

ORDER = list(Split)


@dataclass(slots=True)
class Bound:
    """What was bound, and what was left.

    `subjects` were bound into `groups`; `moved` counts images by "test to train"; `twice` counts images left out since
    their subject has the same picture from the same import; `in_use` and `across_splits` count groups left as they are.
    `unneeded` are files that nothing may rest on any more.
    """

    groups: int = 0
    subjects: int = 0
    twice: int = 0
    in_use: int = 0
    across_splits: int = 0
    moved: Counter[str] = field(default_factory=Counter)
    unneeded: set[str] = field(default_factory=set)


def find_alike_subjects(project: Project, report: OnProgress) -> list[tuple[int, int]]:
    """Compare every real image with every other; return pairs of subjects of which two images look like copies."""
    with project.database.read() as session:
        images = RealImages.of(session)
    printed = PrintedImages(stored_prints(project, images.files, report), images.subjects)
    alike = most_alike(printed, printed, report)
    pairs = zip(images.subjects, images.subjects[alike.positions], alike.are_near_copies, strict=True)
    return sorted({(int(min(first, second)), int(max(first, second))) for first, second, near in pairs if near})


def bind_subjects(project: Project, now: datetime, pairs: Iterable[tuple[int, int]], *, across_splits: bool) -> Bound:
    """Bind subjects as `bind_in` does, and remove the files that nothing rests on then."""
    with project.database.write() as session:
        bound = bind_in(session, project.chain, now, pairs, across_splits=across_splits)
    with project.database.read() as session:
        anchor(session, project.anchors_path)
    remove_unneeded(project, bound)
    return bound


def bind_in(
    session: Session, chain: Chain, now: datetime, pairs: Iterable[tuple[int, int]], *, across_splits: bool
) -> Bound:
    """Bind the subjects of each connected group of `pairs` into one of them; the caller holds the import lock.

    With `across_splits` a group in several splits goes to the first of train, validation, test and reserve that it
    stands in; without, it is left. Of that split the oldest subject stays. The next search for near copies compares
    everything again.
    """
    bound, groups = Bound(), []
    bindable = [subjects for group in _groups(pairs) if (subjects := _bindable(session, group, across_splits, bound))]
    with _recorded(session, chain, now, bindable):
        for subjects in bindable:
            groups.append([subject.id for subject in subjects])
            bound.unneeded |= _bind(session, subjects, bound)
    if groups:
        session.execute(delete(NearCopySearch))
        payload: dict[str, Any] = {
            "subjects": bound.subjects,
            "into": bound.groups,
            "groups_digest": digest_of(groups),
        }
        payload |= {"moved": dict(bound.moved), "aliases": _aliases(session, chain, groups)}
        chain.record(session, "subjects.bound", payload, now)
    return bound


def remove_unneeded(project: Project, bound: Bound) -> None:
    """Remove the files of images that were left out, unless another image has them."""
    for chunk in chunks(sorted(bound.unneeded)):
        with project.database.read() as session:
            unused = set(chunk) - files_among(session, chunk, Image.withdrawn_at.is_(None))
        for digest in unused:
            project.store.remove(digest)


@contextmanager
def _recorded(session: Session, chain: Chain, now: datetime, groups: Sequence[Sequence[Subject]]) -> Iterator[None]:
    """Record with each import whose images the block binds what they were before, and what they are.

    The digests before are kept where no image of the import was withdrawn: of those, events keep something else.
    """
    subjects = [subject.id for group in groups for subject in group]
    numbers: set[int] = set()
    for chunk in chunks(subjects):
        of_import = select(Image.import_id).where(Image.subject_id.in_(chunk), Image.import_id.is_not(None))
        numbers.update(number for number in session.scalars(of_import.distinct()) if number is not None)
    imports = session.scalars(select(Import).where(Import.id.in_(numbers)).order_by(Import.id)).all()
    before = {row.id: chain.content(session, Import, row.id) for row in imports}
    is_whole = {row.id: ~exists().where(Image.import_id == row.id, Image.withdrawn_at.is_not(None)) for row in imports}
    whole = [row.id for row in imports if session.scalar(select(is_whole[row.id]))]
    members = {number: {MEMBERS_BEFORE: chain.members(session, Import, number)} for number in whole}
    yield
    for row in imports:
        more = {BEFORE: before[row.id], MEMBERS: chain.members(session, Import, row.id), **members.get(row.id, {})}
        chain.record_row(session, "import.subjects_bound", row, {}, now, **more)


def _aliases(session: Session, chain: Chain, groups: Sequence[Sequence[int]]) -> dict[str, int]:
    """Digest every key that leads to the first subject of a group, those bound earlier too, with that subject."""
    aliases: dict[str, int] = {}
    for chunk in chunks([group[0] for group in groups]):
        query = select(SubjectAlias.key, SubjectAlias.subject_id).where(SubjectAlias.subject_id.in_(chunk))
        aliases |= {chain.alias_digest(key): subject for key, subject in session.execute(query)}
    return aliases


def _groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected groups of subjects, each in order."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        neighbours[first].add(second)
        neighbours[second].add(first)
    groups: list[list[int]] = []
    seen: set[int] = set()
    for start in sorted(neighbours):
        group, waiting = [], [start]
        while waiting:
            subject = waiting.pop()
            if subject not in seen:
                seen.add(subject)
                group.append(subject)
                waiting += neighbours[subject]
        if group:
            groups.append(sorted(group))
    return groups


def _bindable(session: Session, members: Sequence[int], across_splits: bool, bound: Bound) -> list[Subject]:
    """The subjects of a group, the one that stays first; none where the group is left, which is counted."""
    subjects = list(session.scalars(select(Subject).where(Subject.id.in_(members)).order_by(Subject.id)))
    if len({subject.split for subject in subjects}) > 1 and not across_splits:
        bound.across_splits += 1
        return []
    if session.scalar(select(or_(*_uses(select(Image.id).where(Image.subject_id.in_(members)))))):
        bound.in_use += 1
        return []
    return sorted(subjects, key=lambda subject: (ORDER.index(subject.split), subject.id))


def _uses(images: Select[int]) -> list[ColumnElement[bool]]:
    """Conditions of which one holds where something rests on one of these images."""
    altered = aliased(Image)
    pixels = select(Image.pixel_sha256).where(Image.id.in_(images))
    return [
        exists().where(SnapshotItem.image_id.in_(images)),
        exists().where(WorklistItem.image_id.in_(images)),
        exists().where(or_(Pair.first_image_id.in_(images), Pair.second_image_id.in_(images))),
        exists().where(altered.altered_from_id.in_(images)),
        exists().where(GeneratorPixels.pixel_sha256.in_(pixels)),
    ]


def _bind(session: Session, subjects: Sequence[Subject], bound: Bound) -> set[str]:
    """Move the images of all subjects to the first and keep the other keys; return files that may be unneeded now."""
    first, others = subjects[0], subjects[1:]
    ids = [subject.id for subject in others]
    for subject in others:
        if subject.split != first.split:
            images = session.scalars(select(Image.id).where(Image.subject_id == subject.id)).all()
            bound.moved[f"{subject.split.value} to {first.split.value}"] += len(images)
    unneeded = _leave_out_repeats(session, [first.id, *ids], bound)
    first.known = all(subject.known for subject in subjects)
    session.execute(update(Image).where(Image.subject_id.in_(ids)).values(subject_id=first.id))
    session.execute(update(SubjectAlias).where(SubjectAlias.subject_id.in_(ids)).values(subject_id=first.id))
    session.execute(insert(SubjectAlias), [{"key": subject.key, "subject_id": first.id} for subject in others])
    session.execute(delete(Subject).where(Subject.id.in_(ids)))
    bound.groups += 1
    bound.subjects += len(subjects)
    return unneeded


def _leave_out_repeats(session: Session, subject_ids: Sequence[int], bound: Bound) -> set[str]:
    """Remove images that would be in one subject twice from one import; return their files and those of their masks."""
    query = select(Image.id, Image.import_id, Image.pixel_sha256, Image.file_sha256)
    seen: set[tuple[int | None, str]] = set()
    repeats, files = [], set[str]()
    for row in session.execute(query.where(Image.subject_id.in_(subject_ids)).order_by(Image.id)):
        if (row.import_id, row.pixel_sha256) in seen:
            repeats.append(row.id)
            files.add(row.file_sha256)
        seen.add((row.import_id, row.pixel_sha256))
    for chunk in chunks(repeats):
        files.update(session.scalars(select(Mask.file_sha256).where(Mask.image_id.in_(chunk))))
        session.execute(delete(NearCopy).where(or_(NearCopy.image_id.in_(chunk), NearCopy.like_image_id.in_(chunk))))
        for table in (ImageLabel, Mask):
            session.execute(delete(table).where(table.image_id.in_(chunk)))
        session.execute(delete(Image).where(Image.id.in_(chunk)))
    bound.twice += len(repeats)
    return files
