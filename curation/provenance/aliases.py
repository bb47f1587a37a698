"""Subjects that were bound into another: whoever knows them by their old key finds that one."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.images import Subject
from curation.tables.near_copies import SubjectAlias


def all_aliases(session: Session) -> dict[str, str]:
    """The key of each subject that was bound, and that of the subject it is part of."""
    query = select(SubjectAlias.key, Subject.key).join(Subject, Subject.id == SubjectAlias.subject_id)
    return {alias: key for alias, key in session.execute(query)}


def with_bound_subjects(session: Session, keys: Collection[str]) -> set[str]:
    """These keys, and the keys of the subjects that some of them were bound into."""
    query = select(Subject.key).join(SubjectAlias, SubjectAlias.subject_id == Subject.id)
    return {*keys, *session.scalars(query.where(SubjectAlias.key.in_(keys)))}
