"""`rounds generate`: generate candidates."""

from typing import TYPE_CHECKING, Any

import click

from cli.numbers import Real
from cli.terminal import confirm, emit, json_option, now, pass_project, tell, use_torch_threads
from cli.worker import draw_and_screen
from curation.errors import BadInput
from curation.progress import duration_words
from curation.project import Project
from curation.provenance.withdrawn import affected_note
from curation.tables.images import Image
from curation.tables.withdrawals import AffectedKind
from curation.worklists.admitted import count_screened

if TYPE_CHECKING:
    from generate.request import GenerationRequest

ASKED_ABOVE = 10_000


@click.command()
@click.option(
    "--generator",
    "generator_name",
    required=True,
    help="The name of the generator; `rounds generator list` shows them.",
)
@click.option("--count", required=True, help="How many images of each class: normal=40,ring_lesion=40")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**53 - 1))
@click.option("--steps", default=12, show_default=True, type=click.IntRange(1, 1000), help="Sampler steps.")
@click.option("--guidance", type=Real(0, 20), default=2.0, show_default=True, help="Classifier-free guidance scale.")
@click.option("--sampler", type=click.Choice(["unipc", "dpmpp", "euler"]), default="unipc", show_default=True)
@click.option("--allow-affected", is_flag=True, help="Use a generator that saw a withdrawn subject.")
@click.option("--yes", is_flag=True, help=f"Do not ask, also for more than {ASKED_ABOVE:,} images.")
@click.option("--wait", is_flag=True, help="Generate and screen now, instead of leaving it to `rounds worker`.")
@json_option
@pass_project
def generate(
    project: Project,
    generator_name: str,
    count: str,
    seed: int,
    steps: int,
    guidance: float,
    sampler: str,
    allow_affected: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Generate a batch of candidates. The same request gives the same images. If interrupted, it continues with the
    missing ones.

    How long it takes on this machine is measured and said before it begins with --wait, and before more than 10,000
    images are asked for: then it asks, or refuses where nobody can be asked and --yes is not given.

    \b
    Example:
      rounds generate --generator virtual-brains-flow --count normal=40,ring_lesion=40 --seed 7 --wait
    """
    from generate.batch_request import request_batch
    from generate.request import GenerationRequest

    request = GenerationRequest.checked(
        generator=generator_name,
        counts=parse_counts(count),
        seed=seed,
        num_inference_steps=steps,
        guidance_scale=guidance,
        sampler=sampler,
    )
    _announce(project, request, allow_affected, wait, yes)
    with project.database.write() as session:
        batch, job = request_batch(session, project.chain, now(), request, allow_affected=allow_affected)
        note = affected_note(session, AffectedKind.BATCH, batch.id)
    if wait:
        draw_and_screen(project, batch.id, job.id, quiet=as_json)
    facts: dict[str, Any] = {"batch": batch.id, "images": batch.size, "job": job.id, "request": batch.request_digest}
    facts |= {"withdrawals": note} if note else {}
    if wait:
        with project.database.read() as session:
            screened = count_screened(session, Image.batch_id == batch.id)
        facts |= screened.record() if as_json else screened.lines()
    emit(facts, as_json, title=f"batch {batch.id}")
    if not wait and not as_json:
        click.echo("queued: `rounds worker` generates it")


def _announce(project: Project, request: "GenerationRequest", allow_affected: bool, wait: bool, yes: bool) -> None:
    """Say how long the images that are missing take, and ask before very many."""
    from generate.batch_request import check_request, count_missing
    from generate.registry import resolve_directory

    with project.database.read() as session:
        generator = check_request(session, request, allow_affected=allow_affected)
        missing, directory = count_missing(session, request), resolve_directory(project, generator)
    is_many = missing > ASKED_ABOVE
    if not missing or not (wait or is_many):
        return
    from generate.estimate import estimate_generation

    use_torch_threads(project)
    seconds = estimate_generation(directory, request, missing)
    tell(f"{missing:,} images take about {duration_words(seconds)} on this machine, as measured now, before screening")
    if is_many:
        confirm(f"Generate {missing:,} images?", yes)


def parse_counts(text: str) -> dict[str, int]:
    """`normal=40,ring_lesion=40` as counts; raises BadInput."""
    counts: dict[str, int] = {}
    for part in text.split(","):
        label, _, number = part.strip().partition("=")
        if not label or not number.isdecimal():
            raise BadInput(f"--count: expected CLASS=NUMBER,..., got {part.strip()!r}.")
        counts[label] = counts.get(label, 0) + int(number)
    return counts
