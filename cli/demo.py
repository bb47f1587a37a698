"""`rounds demo`: run the whole loop on the simulated cohort.

It ends at the review page or, with --auto, at the report of a study. Every step continues from what an earlier run did.
"""

import os
import secrets
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select

from cli.terminal import now, progress_bar, use_torch_threads
from cli.worker import draw_and_screen
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import CLASSES, NOTICE
from curation.project import Project, open_or_make_project
from curation.readers.accounts import add_reader, reset_password
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.worklist import find_worklist
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.people import Reader, Role
from curation.tables.training import Study
from curation.worklists.create import create_worklist
from curation.worklists.plant import plant_for_worklist
from curation.worklists.summaries import list_worklists

READER = "demo"
WORKLIST = "demo"
GENERATOR = "virtual-brains-flow"
SEED = 7
CONTROLS = 8  # of each kind: enough to see how they work, too few for any statistic


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"))
@click.option("--auto", is_flag=True, help="Run without a person: a proxy reads, and a study ends it.")
@click.option(
    "--subjects", type=click.IntRange(200), default=600, show_default=True, help="How many virtual subjects to import."
)
@click.option(
    "--per-class",
    type=click.IntRange(4),
    default=40,
    show_default=True,
    help="How many candidates of each class to generate.",
)
@click.option("--port", type=int, help="The port of the review page. Default: the first free one from 8630 on.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser, where there is a screen.")
def demo(directory: Path, auto: bool, subjects: int, per_class: int, port: int | None, browser: bool) -> None:
    """Run the loop on a simulated cohort in DIRECTORY: import, generate, screen, read. Then go on by hand.

    \b
    Example:
      rounds demo demo
    """
    started = time.monotonic()
    project, _ = open_or_make_project(directory.resolve())
    use_torch_threads(project.settings.torch_threads)
    click.secho(NOTICE, fg="yellow")
    step("1  Real images", f"{subjects} virtual subjects, split by subject")
    with progress_bar("importing") as report:
        import_virtual_brains(project, now(), subjects, workers=os.cpu_count() or 1, on_progress=report)
    step("2  Candidates", f"{per_class} of each class, drawn by the shipped diffusion generator")
    draw(project, per_class)
    step("3  Worklist", "what screening let through, in random order")
    make_worklist(project)
    if auto:
        finish_by_proxy(project)
        click.echo(f"\n{(time.monotonic() - started) / 60:.1f} minutes in all")
    else:
        read_in_browser(project, port, browser)


def step(title: str, detail: str) -> None:
    """A heading on the terminal."""
    click.echo()
    click.secho(title, bold=True, nl=False)
    click.echo(f"  {detail}")


def draw(project: Project, per_class: int) -> None:
    """Add the shipped generator, draw the batch, and let the job it queues screen it."""
    from generate.batch_request import request_batch
    from generate.registry import add_generator
    from generate.request import GenerationRequest

    add_generator(project, now(), "shipped")
    request = GenerationRequest(generator=GENERATOR, counts=dict.fromkeys(CLASSES, per_class), seed=SEED)
    with project.database.write() as session:
        batch, job = request_batch(session, project.chain, now(), request)
    draw_and_screen(project, batch.id, job.id, quiet=False)


def make_worklist(project: Project) -> None:
    """One worklist with a few controls mixed in; an earlier run's is kept."""
    recipe = WorklistRecipe(
        name=WORKLIST,
        vocabulary="brain_mr",
        modality="mr",
        real_controls=CONTROLS,
        defect_controls=CONTROLS,
        seed=SEED,
    )
    with project.database.read() as session:
        made = any(row.name == WORKLIST for row in list_worklists(session))
    if not made:
        with progress_bar("planting defects") as report:
            plant_for_worklist(project.database, project.store, now(), recipe, report)
        with project.database.write() as session:
            create_worklist(session, project.chain, now(), recipe)
    with project.database.read() as session:
        click.echo(f"{find_worklist(session, WORKLIST).size} images to read")


def read_in_browser(project: Project, port: int | None, browser: bool) -> None:
    """Serve the review page with a worker beside it until Ctrl-C, then say how to go on."""
    from review_ui.launch import serve

    password = one_time_password(project)

    def ready(address: str) -> None:
        step("4  Read", "A accept, X reject, S unsure, U undo; ? shows every key")
        click.secho(f"\n    {address}", bold=True)
        click.echo(f"    reader    {READER}")
        click.echo(
            f"    password  {password or 'the one you chose; `rounds reader reset-password demo` gives another'}"
        )
        click.echo("\nCtrl-C stops the page and loses nothing; the same command goes on from here.")
        if browser and has_screen():
            webbrowser.open(address)

    with worker_beside(project):
        serve(project, port=port, on_ready=ready)
    with project.database.write() as session:
        counts = recompute_outcomes(session, find_worklist(session, WORKLIST).id)
    click.echo(f"\nRead so far: {', '.join(f'{n} {verdict}' for verdict, n in counts.items()) or 'nothing'}.")
    click.echo(
        "Go on with what was approved:\n"
        f"  cd {project.root} && source {Path(sys.executable).parent / 'activate'}\n"
        "  rounds snapshot build first --synthetic approved\n"
        "  rounds train --snapshot first --adaptation lora && rounds evaluate first-lora-s0\n"
        "  rounds study run first --real-per-class 20"
    )


def one_time_password(project: Project) -> str | None:
    """A fresh password that must be changed at the first sign-in, or None once the reader has chosen their own."""
    password = secrets.token_urlsafe(12)
    with project.database.write() as session:
        reader = session.scalars(select(Reader).where(Reader.name == READER)).one_or_none()
        if reader is None:
            add_reader(session, project.chain, now(), READER, password, role=Role.CURATOR, must_change_password=True)
            return password
        if reader.must_change_password:
            reset_password(session, project.chain, now(), READER, password)
            return password
    return None


@contextmanager
def worker_beside(project: Project) -> Iterator[None]:
    """A worker process for as long as the block runs."""
    command = [sys.executable, "-m", "cli.main", "--project", str(project.root), "worker", "--quiet"]
    with (project.root / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parent.parent)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def has_screen() -> bool:
    """Whether a browser would show anything here."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def finish_by_proxy(project: Project) -> None:
    """Let the proxy read, adapt a backbone to the mix, and run the study to its report."""
    from screening.proxy import read_worklist_by_proxy
    from train.adaptation.config import AdaptationConfig
    from train.adaptation.run_job import train_run
    from train.adaptation.run_request import RunRequest
    from train.study.conduct import conduct_study
    from train.study.plan import StudyPlan
    from train.study.request import StudyRequest

    step("4  Read", "by a proxy, a model: no claim rests on its readings")
    with progress_bar("reading") as report:
        facts = read_worklist_by_proxy(project, WORKLIST, now(), report)
    click.echo(f"{facts['reader']}: outcomes {', '.join(f'{n} {verdict}' for verdict, n in facts['outcomes'].items())}")
    base = MixRecipe(real_per_class=20, seed=SEED)
    step("5  Snapshot and adaptation", "20 real images of each class, and what was approved")
    with progress_bar("building") as report:
        build_snapshot(project, "demo", base, now(), report)
    config = AdaptationConfig.checked(adaptation="lora", epochs=10, batch_size=32)
    with progress_bar("LoRA") as report:
        run = train_run(project, RunRequest(snapshot="demo", name="demo-lora", config=config), report, now)
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in run.metrics.items() if name != "step")
    click.echo(f"validation: {metrics}")
    step("6  Study", "the same adaptation on five arms and five seeds")
    plan = StudyPlan(name="demo", adaptation=AdaptationConfig(steps=400), seeds=tuple(range(5)))
    with project.database.read() as session:
        finished = session.scalars(select(Study.result).where(Study.name == "demo", Study.status == "ready")).first()
    if finished is None:
        with progress_bar("study") as report:
            conduct_study(project, StudyRequest(plan=plan, base=base), report, now, f"rounds {' '.join(sys.argv[1:])}")
    click.echo((project.root / "studies" / "demo" / "report.md").read_text())
