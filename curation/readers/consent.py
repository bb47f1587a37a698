"""Consent: its text, the reader's agreement with experience and display, and its withdrawal.

A reader without a live consent is assigned no image; a proxy needs none. A changed text needs another version, and then
every reader is asked again.
"""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.audit import Chain
from curation.errors import Conflict, NotAllowed
from curation.requests import FrozenRequest
from curation.tables.people import Consent, Reader, ReaderKind

CONSENT_VERSION = "1"
PURPOSE = (
    "You will look at medical images that a computer drew, and say of each whether it belongs in a training set. "
    "What readers accept trains other models; what they reject stays out. "
    "The work is worth as much as the verdicts are, so your reading is measured as well."
)
RECORDED = (
    (
        "What is recorded",
        "Every verdict with its reasons, the time it took, your account, and how you did on controls.",
    ),
    (
        "Why controls",
        "Real images and images with planted faults are mixed in, and some images come twice. Nothing on the screen "
        "tells them apart. How readers do on them shows how far verdicts can be trusted.",
    ),
    (
        "Who reads, and who sees it",
        "People with an account of this project read, each without seeing another's verdict. Its curators and "
        "administrators see your verdicts and your performance under your name. Other readers never see your "
        "performance; an adjudicator may see a verdict of yours, without your name.",
    ),
    (
        "How to withdraw",
        "On your account page, at any time, without giving a reason. From then on you can no longer read, and you "
        "leave performance and agreement statistics; verdicts given stay in the record and in outcomes.",
    ),
)
PROFESSIONS = {
    "radiologist": "Radiologist",
    "pathologist": "Pathologist",
    "physician": "Other physician",
    "technologist": "Radiographer",
    "researcher": "Researcher or engineer",
    "student": "Student",
    "other": "Other",
}


class Experience(FrozenRequest):
    """A reader's own statement of their experience."""

    model_config = ConfigDict(str_strip_whitespace=True)

    profession: Literal["radiologist", "pathologist", "physician", "technologist", "researcher", "student", "other"]
    years_reading: int = Field(ge=0, le=70, description="years of reading images of this kind")
    specialty: str = Field(default="", max_length=100)


class Steps(FrozenRequest):
    """A field of the display check: how many faint squares were shown, and how many the reader saw."""

    shown: int = Field(ge=1, le=6)
    seen: int = Field(ge=0, le=6)


class Display(FrozenRequest):
    """The result of the display check: faint squares near black and near white, and the screen's size."""

    dark: Steps
    light: Steps
    width: int = Field(ge=1, le=100_000, description="of the screen, in CSS pixels")
    height: int = Field(ge=1, le=100_000)
    pixel_ratio: float = Field(gt=0, le=16, allow_inf_nan=False)


def record_consent(
    session: Session, chain: Chain, now: datetime, reader_id: int, experience: Experience, display: Display
) -> Consent:
    """Record a reader's consent to the present text; a live one stays as it is."""
    live = find_live_consent(session, reader_id)
    if live is not None:
        return live
    consent = Consent(
        reader_id=reader_id,
        version=CONSENT_VERSION,
        experience=experience.model_dump(mode="json"),
        display=display.model_dump(mode="json"),
        agreed_at=now,
    )
    session.add(consent)
    chain.record_row(session, "consent.given", consent, {"reader": reader_id}, now)
    return consent


def withdraw_consent(session: Session, chain: Chain, now: datetime, reader_id: int) -> None:
    """Withdraw every consent of this reader, each with its event; raises Conflict when there is none."""
    live = select(Consent).where(Consent.reader_id == reader_id, Consent.withdrawn_at.is_(None))
    consents = session.scalars(live.order_by(Consent.id)).all()
    if not consents:
        raise Conflict("there is no consent of yours to withdraw.")
    for consent in consents:
        with chain.change(session, "consent.withdrawn", consent, {"reader": reader_id}, now):
            consent.withdrawn_at = now


def find_live_consent(session: Session, reader_id: int) -> Consent | None:
    """Find a reader's consent to the present text that was not withdrawn; None without one."""
    query = select(Consent).where(Consent.reader_id == reader_id, _is_live()).order_by(Consent.id).limit(1)
    return session.scalars(query).one_or_none()


def require_consent(session: Session, reader_id: int) -> None:
    """Raise NotAllowed unless this reader agreed to the present text, or is a proxy."""
    if find_live_consent(session, reader_id) is None and session.get_one(Reader, reader_id).kind is ReaderKind.HUMAN:
        raise NotAllowed("you have not agreed to how reading is recorded. Open /rounds/welcome, then read.")


def has_consent(reader_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """The condition that the reader in this column has a live consent."""
    return exists().where(Consent.reader_id == reader_id, _is_live())


def has_withdrawn(reader_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """The condition that the reader in this column withdrew and has not agreed again; no statistic counts them."""
    of_reader = Consent.reader_id == reader_id
    return and_(
        exists().where(of_reader, Consent.withdrawn_at.is_not(None)),
        ~exists().where(of_reader, Consent.withdrawn_at.is_(None)),
    )


def _is_live() -> ColumnElement[bool]:
    return and_(Consent.version == CONSENT_VERSION, Consent.withdrawn_at.is_(None))
