"""Request a batch: save the request and queue its job. Torch-free, so that the page can do it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput
from curation.jobs import enqueue
from curation.provenance.leaks import check_generator_allowed
from curation.provenance.withdrawn import affected_note, inherit, refuse_affected
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus
from curation.tables.operations import Job
from curation.tables.withdrawals import AffectedKind
from generate.registry import find_generator
from generate.request import GenerationRequest


def request_batch(
    session: Session, chain: Chain, now: datetime, request: GenerationRequest, *, allow_affected: bool = False
) -> tuple[Batch, Job]:
    """Save a request and queue its job; the same request again is the same batch.

    Raises NotFound for an unknown generator, BadInput for a label it does not know, LeakRefused when it saw held-out
    subjects of this project, AffectedRefused when it saw a withdrawn one and that is not allowed.
    """
    generator = find_generator(session, request.generator)
    check_generator_allowed(session, generator)
    note = affected_note(session, AffectedKind.GENERATOR, generator.id)
    refuse_affected(f"generator {generator.name!r}", [note] if note else [], allow_affected)
    classes = generator.card["classes"]
    unknown = sorted(set(request.counts) - set(classes))
    if unknown:
        raise BadInput(
            f"generator {generator.name!r}: expected classes among {', '.join(classes)}, got {', '.join(unknown)}. "
            "Ask for its classes."
        )
    # Of two identical requests at once the second waits here and then finds the batch of the first.
    session.refresh(generator, with_for_update=True)
    batch = session.scalars(select(Batch).where(Batch.request_digest == request.digest())).one_or_none()
    is_new = batch is None
    if batch is None:
        batch = Batch(
            generator_id=generator.id,
            request=request.model_dump(mode="json"),
            request_digest=request.digest(),
            size=len(request.plan()),
            status=BuildStatus.BUILDING,
            created_at=now,
        )
        session.add(batch)
        session.flush()
        inherit(session, AffectedKind.BATCH, batch.id, AffectedKind.GENERATOR, generator.id)
    job = enqueue(session, now, "generate", {"batch": batch.id}, dedupe_key=f"generate:{batch.id}")
    if is_new:
        chain.record_row(session, "batch.requested", batch, {"request": batch.request_digest}, now)
    return batch, job
