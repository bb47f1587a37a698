"""Refuse a generator that saw held-out subjects, itself or through an ancestor."""

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from curation.errors import LeakRefused
from curation.tables.generation import Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Image, Origin, Split, Subject
from curation.tables.near_copies import SubjectAlias

HELD_OUT = (Split.VALIDATION, Split.TEST)


@dataclass(frozen=True, slots=True)
class GeneratorLineage:
    """The subjects and images a generator was fitted on, ancestors included, and which of them are held out here.

    Provenance is known when the generator and each of its ancestors list what they saw; `unknown` names the others.
    """

    subjects: list[str]
    pixels: list[str]
    held_out: list[str]
    provenance_known: bool
    unknown: tuple[str, ...] = ()


def generator_lineage(session: Session, generator: Generator) -> GeneratorLineage:
    """Look up what `generator` saw by its card; held-out images by subject key, or by pixels where keys differ."""
    subjects = select(GeneratorSubject.subject_key).where(GeneratorSubject.generator_id == generator.id)
    pixels = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == generator.id)
    aliases = select(SubjectAlias.subject_id).where(SubjectAlias.key.in_(subjects))
    is_seen = or_(Subject.key.in_(subjects), Subject.id.in_(aliases))
    by_key = select(Subject.key).where(Subject.split.in_(HELD_OUT), is_seen)
    by_pixels = (
        select(Image.pixel_sha256)
        .join(Subject, Subject.id == Image.subject_id)
        .where(Image.origin == Origin.REAL, Subject.split.in_(HELD_OUT), Image.pixel_sha256.in_(pixels))
    )
    known_pixels = sorted(session.scalars(pixels))
    unknown = tuple(generator.card.get("fitted_on", {}).get("unknown", ()))
    return GeneratorLineage(
        subjects=sorted(session.scalars(subjects)),
        pixels=known_pixels,
        held_out=sorted({*session.scalars(by_key), *session.scalars(by_pixels)}),
        provenance_known=bool(known_pixels) and not unknown,
        unknown=unknown,
    )


def check_generator_allowed(session: Session, generator: Generator) -> None:
    """Raise LeakRefused when a validation or test subject of this project was among what the generator saw."""
    held_out = generator_lineage(session, generator).held_out
    if held_out:
        shown = ", ".join(held_out[:3])
        raise LeakRefused(
            f"generator {generator.name!r} was fitted on {len(held_out)} validation or test subjects or images of this "
            f"project ({shown}). Leave its batches out, or fit a generator on training subjects only."
        )
