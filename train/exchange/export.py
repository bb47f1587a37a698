"""Export the sums of a run to a file for another site: as they are, or under noise. Torch-free.

Each export is an event; the private ones among them are the ledger from which ε is accounted over releases.
"""

import secrets
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, Conflict
from curation.project import Project
from curation.provenance.withdrawn import affected_note, refuse_affected
from curation.tables.operations import Event
from curation.tables.training import Run
from curation.tables.withdrawals import AffectedKind
from train.adaptation.records import find_run
from train.adaptation.summed_runs import read_summed_card
from train.exchange.request import PrivateRelease
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.privacy import Guarantee, check_budget, composed, epsilon_of, mu_of
from train.sums.private_sums import private_sums
from train.sums.site_file import SitePart, SiteSums, identity_of

EXPORTED = "sums.exported"


def export_sums(
    project: Project,
    name: str,
    out: Path,
    now: datetime,
    private: PrivateRelease | None = None,
    *,
    allow_affected: bool = False,
    generator: np.random.Generator | None = None,
) -> SiteSums:
    """Write the sums over the training images of the run `name` to the new file `out`.

    Raises BadInput where the run keeps no sums or the budget promises nothing, AffectedRefused when the run descends
    from a withdrawn subject and that is not allowed. A private export is recorded before it is written: what was
    drawn is spent.
    """
    if out.exists():
        raise Conflict(f"{out} exists already. Choose a new file; nothing is overwritten.")
    with project.database.read() as session:
        run = find_run(session, name)
        note = affected_note(session, AffectedKind.RUN, run.id)
        spent = private_exports(session)
    refuse_affected(f"run {name!r}", [note] if note else [], allow_affected)
    card = read_summed_card(project.root / run.directory)
    kept = KeptSums.read(project.root / run.directory / KEPT_SUMS)
    part, sums = SitePart("", name, str(card["digest"]), **card["summed"]), kept.train
    if private is not None:
        # Noise that anybody could draw again would hide nothing: the seed comes from the system and is kept nowhere.
        generator = generator or np.random.default_rng(secrets.randbits(256))
        guarantee = _guarantee(kept, private, spent)
        training = kept.rows.of_split("train")
        sums = private_sums(training, kept.validation, guarantee.mu, private.clip, generator)
        part = replace(part, images=None, subjects=None, guarantee=guarantee)
    part = replace(part, identity=identity_of(sums, part.run_digest))
    backbone = card["backbone"]
    site = SiteSums(sums, backbone["digest"], backbone["name"], (part,), tuple(filter(None, [card["notice"]])))
    with project.database.write() as session:
        project.chain.record(session, EXPORTED, _payload(run, part), now)
    site.write(out)
    return site


def private_exports(session: Session) -> list[Guarantee]:
    """List what was released privately from this project, the oldest first."""
    events = session.scalars(select(Event).where(Event.kind == EXPORTED).order_by(Event.sequence)).all()
    return [Guarantee(**event.payload["private"]) for event in events if event.payload["private"]]


def _guarantee(kept: KeptSums, private: PrivateRelease, spent: list[Guarantee]) -> Guarantee:
    """What this release promises, and what all releases of the project do together.

    All of them count, though a subject may be in some only: that is an upper bound for every subject.
    """
    if kept.validation.total <= 0:
        raise BadInput(
            "expected validation images, by which features are standardised before they are clipped, got none. Train "
            "on a snapshot with a validation split."
        )
    subjects = sum(1 for _ in kept.rows.of_split("train").units())
    check_budget(private.epsilon, private.delta, private.clip, subjects)
    mu = mu_of(private.epsilon, private.delta)
    together = composed([*(earlier.mu for earlier in spent), mu])
    return Guarantee(
        private.epsilon, private.delta, mu, private.clip, len(spent) + 1, epsilon_of(together, private.delta)
    )


def _payload(run: Run, part: SitePart) -> dict[str, object]:
    guarantee = part.guarantee
    figures = {field: getattr(guarantee, field) for field in Guarantee.__dataclass_fields__} if guarantee else None
    return {"run": run.id, "part": part.identity, "private": figures}
