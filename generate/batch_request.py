"""Request a batch: save the request and queue its job. Torch-free, so that the page can do it."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput
from curation.jobs import enqueue
from curation.provenance.leaks import check_generator_allowed
from curation.provenance.withdrawn import affected_note, inherit, refuse_affected
from curation.queries import unused_number
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image
from curation.tables.operations import Job
from curation.tables.withdrawals import AffectedKind
from generate.registry import find_generator
from generate.request import GenerationRequest


def request_batch(
    session: Session, chain: Chain, now: datetime, request: GenerationRequest, *, allow_affected: bool = False
) -> tuple[Batch, Job]:
    """Save a request and queue its job; the same request again is the same batch.

    Raises what `check_request` raises.
    """
    generator = check_request(session, request, allow_affected=allow_affected)
    # Of two identical requests at once the second waits here and then finds the batch of the first.
    session.refresh(generator, with_for_update=True)
    batch = find_batch(session, request)
    is_new = batch is None
    if batch is None:
        batch = Batch(
            id=unused_number(session, Batch, "batch"),
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


def check_request(session: Session, request: GenerationRequest, *, allow_affected: bool = False) -> Generator:
    """Find the generator of a request and check that it can be drawn.

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
    return generator


def find_batch(session: Session, request: GenerationRequest) -> Batch | None:
    """Find the batch of a request that was made before."""
    return session.scalars(select(Batch).where(Batch.request_digest == request.digest())).one_or_none()


def count_missing(session: Session, request: GenerationRequest) -> int:
    """Count the images of a request that are not drawn yet."""
    batch, wanted = find_batch(session, request), sum(request.counts.values())
    if batch is None:
        return wanted
    return wanted - (session.scalar(select(func.count(Image.id)).where(Image.batch_id == batch.id)) or 0)
