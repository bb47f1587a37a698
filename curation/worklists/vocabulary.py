"""Reasons for rejection: the vocabularies that ship, and those of a project."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.digests import digest_of
from curation.errors import BadInput, Conflict, NotFound
from curation.requests import check_name
from curation.tables.reading import Vocabulary

DIGITS = "123456789"
MOST_REASONS = len(DIGITS)
LONGEST_TEXT = 60
CODE = r"[a-z][a-z0-9_]*"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason: the digit key that gives it, the code that is stored, the text on the button."""

    key: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class VocabularySummary:
    """One line of `rounds vocabulary list`."""

    name: str
    source: str
    reasons: int


def _numbered(*reasons: tuple[str, str]) -> tuple[Reason, ...]:
    return tuple(Reason(str(number), code, text) for number, (code, text) in enumerate(reasons, 1))


VOCABULARIES: dict[str, tuple[Reason, ...]] = {
    "general": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("artefact", "Artefact or noise"),
        ("wrong_class", "Not this class"),
        ("blur", "Too blurred to judge"),
        ("other", "Other"),
    ),
    "brain_mr": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("symmetry", "Hemispheres or ventricles wrong"),
        ("lesion", "Lesion implausible or misplaced"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact, noise or blur"),
        ("other", "Other"),
    ),
    "chest_xray": _numbered(
        ("anatomy", "Ribs, heart or diaphragm implausible"),
        ("opacity", "Opacity implausible"),
        ("wrong_class", "Not this class"),
        ("device", "Device or text broken"),
        ("artefact", "Artefact, noise or blur"),
        ("other", "Other"),
    ),
    "ultrasound": _numbered(
        ("anatomy", "Anatomy implausible"),
        ("speckle", "Speckle or shadowing wrong"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact or blur"),
        ("other", "Other"),
    ),
    "histology": _numbered(
        ("cells", "Cells or nuclei implausible"),
        ("architecture", "Tissue architecture wrong"),
        ("stain", "Stain or colour wrong"),
        ("wrong_class", "Not this class"),
        ("artefact", "Artefact or blur"),
        ("other", "Other"),
    ),
}


def load_vocabulary(session: Session, name: str) -> list[dict[str, Any]]:
    """Load the reasons of a vocabulary of the project, or of a shipped one, as JSON; raises NotFound."""
    stored = session.get(Vocabulary, name)
    if stored is not None:
        return list(stored.reasons)
    if name not in VOCABULARIES:
        known = ", ".join(row.name for row in list_vocabularies(session))
        raise NotFound(f"expected a vocabulary of {known}; got {name!r}. `rounds vocabulary add` makes another.")
    return [asdict(reason) for reason in VOCABULARIES[name]]


def list_vocabularies(session: Session) -> list[VocabularySummary]:
    """List the shipped vocabularies, then those of the project by name."""
    shipped = [VocabularySummary(name, "shipped", len(reasons)) for name, reasons in VOCABULARIES.items()]
    rows = session.scalars(select(Vocabulary).order_by(Vocabulary.name))
    return shipped + [VocabularySummary(row.name, "project", len(row.reasons)) for row in rows]


def save_vocabulary(
    session: Session, chain: Chain, now: datetime, name: str, reasons: Sequence[Reason]
) -> list[dict[str, Any]]:
    """Save a vocabulary of the project; saving it again with the same reasons changes nothing.

    A name always stands for the same reasons, so that reasons can be counted over worklists. Raises BadInput for keys,
    codes or texts that are not allowed, Conflict for a name that stands for other reasons.
    """
    check_name(name, "vocabulary")
    fault = _fault_of(reasons)
    if fault:
        raise BadInput(fault)
    values = [asdict(reason) for reason in reasons]
    stored = session.get(Vocabulary, name)
    if name in VOCABULARIES or (stored is not None and stored.reasons != values):
        raise Conflict(f"a vocabulary named {name!r} exists with other reasons. Choose another name.")
    if stored is None:
        session.add(Vocabulary(name=name, reasons=values, created_at=now))
        session.flush()
        chain.record(session, "vocabulary.saved", {"digest": digest_of([name, values])}, now)
    return values


def _fault_of(reasons: Sequence[Reason]) -> str | None:
    if not 1 <= len(reasons) <= MOST_REASONS:
        return f"expected 1 to {MOST_REASONS} reasons, one for each digit key; got {len(reasons)}."
    for reason in reasons:
        if reason.key not in tuple(DIGITS):
            return f"expected a key from 1 to 9 for {reason.code!r}; got {reason.key!r}."
        if not re.fullmatch(CODE, reason.code):
            return f"expected a code of small letters, digits and _ that starts with a letter; got {reason.code!r}."
        if not 1 <= len(reason.text) <= LONGEST_TEXT or not reason.text.isprintable() or not reason.text.strip():
            return f"expected 1 to {LONGEST_TEXT} printable characters for {reason.code!r}; got {reason.text!r}."
    for name, values in (("key", [reason.key for reason in reasons]), ("code", [reason.code for reason in reasons])):
        if len(set(values)) < len(values):
            return f"expected every reason to have a {name} of its own; got {', '.join(values)}."
    return None
