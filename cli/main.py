"""The `rounds` command. It loads each command on use, so that `rounds --help` never imports torch."""

import importlib
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from cli.paths import LocalPath
from curation.errors import RoundsError, plain_message

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT  # what a shell reports of a program that Ctrl-C ended


COMMANDS = {  # the place of each command, and its line in `rounds --help`
    "init": ("cli.project:init", "Make a project, or bring its database up to date."),
    "status": ("cli.project:status", "Show what the project holds and what is under way."),
    "lineage": ("cli.lineage:lineage", "Show what something descends from, and what descends from it."),
    "withdraw": ("cli.withdraw:withdraw", "Remove a subject, and plan what to rebuild."),
    "verify": ("cli.project:verify", "Check every image, snapshot and event against its digest."),
    "backup": ("cli.backup:backup", "Copy the project elsewhere while people read."),
    "restore": ("cli.backup:restore_backup", "Restore a backup into a new directory."),
    "audit": ("cli.audit:audit", "List the recorded events, and verify their chain."),
    "import": ("cli.imports:import_source", "Import real images and split their subjects."),
    "near-copies": (
        "cli.near_copies:near_copies",
        "Find held-out images that look like training images, and bind such subjects.",
    ),
    "pseudonym": ("cli.pseudonym:pseudonym", "Look up the subject key of a patient."),
    "snapshot": ("cli.snapshot:snapshot", "Build, list, verify, export and remove immutable dataset versions."),
    "sums": ("cli.sums:sums", "Exchange the sums of runs between sites, and solve what was merged."),
    "export": ("cli.export:export", "Write a snapshot as imagefolder, Parquet, Croissant, DICOM, NIfTI or a release."),
    "generator": ("cli.generator:generator", "Fit, add, list, show and remove diffusion generators."),
    "generate": ("cli.generate:generate", "Generate a batch of synthetic candidates."),
    "batch": ("cli.batch:batch", "List batches of generated images, and remove them."),
    "screen": ("cli.screening:screen", "Run the automatic checks over a batch."),
    "privacy": ("cli.privacy:privacy", "Measure how well the privacy gate catches copies of training images."),
    "screening": ("cli.screening:screening", "Measure how often the checks are wrong, and write the screening report."),
    "worker": ("cli.worker:worker", "Run queued jobs until stopped."),
    "jobs": ("cli.jobs:jobs", "List and cancel jobs."),
    "worklist": ("cli.worklist:worklist", "Make, run and list worklists."),
    "pairs": ("cli.pairs:pairs", "Have the privacy role judge suspected copies of real images."),
    "vocabulary": ("cli.vocabulary:vocabulary", "List and add the reasons for rejecting an image."),
    "reader": ("cli.reader:reader", "Add and list readers."),
    "read": ("cli.read:read", "Have a proxy model read a worklist; its readings are marked."),
    "measure": ("cli.measure:measure", "Measure sets of images against real ones."),
    "agreement": ("cli.reader_study:agreement", "Measure how far readers agree."),
    "performance": (
        "cli.reader_study:performance",
        "Measure how each reader did on controls, on repeats and over time.",
    ),
    "turing": ("cli.reader_study:turing", "Test whether readers can tell real from synthetic images."),
    "review": ("cli.review:review", "Open the review page."),
    "backbone": ("cli.backbone:backbone", "List, add, show, remove, pretrain, distil or align backbones."),
    "search": ("cli.image_text:search", "Find images by words."),
    "adaptations": ("cli.adaptations:adaptations", "List every way to adapt a backbone."),
    "train": ("cli.train:train", "Adapt a backbone to a snapshot."),
    "bakeoff": ("cli.bakeoff:bakeoff", "Compare every way to adapt on one snapshot."),
    "run": ("cli.run:run", "List, show, export and remove runs."),
    "predict": ("cli.predict:predict", "Predict the classes of pictures that stay outside the project."),
    "evaluate": ("cli.evaluate:evaluate", "Measure a run on held-out subjects."),
    "study": ("cli.study:study", "Compare training on real images with training on added synthetic ones."),
    "shipped": ("cli.shipped:shipped", "Rebuild the data that the shipped weights were fitted on."),
    "demo": ("cli.demo:demo", "Run the whole loop on the simulated cohort."),
}


@contextmanager
def _without_passwords() -> Iterator[None]:
    """Hide the passwords in what click says of an argument, as our own errors do."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = plain_message(error.message)  # click calls it final
        raise


class LazyGroup(click.Group):
    """A group whose commands are imported on use; their summaries stand in the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the loop."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command on its first use."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Read what stands before the command; an error repeats no password."""
        with _without_passwords():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error about its arguments repeats no password, and Ctrl-C ends in one line."""
        try:
            with _without_passwords():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nrounds: stopped. Nothing half-made counts; the same command again goes on.", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands for `--help`."""
        with formatter.section("Commands, in the order of the loop"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--project",
    "project_directory",
    type=LocalPath(file_okay=False, path_type=Path),
    help="The directory of the project. Default: the nearest directory with a rounds.toml, from here upwards.",
)
@click.version_option(package_name="rounds")
@click.pass_context
def rounds(ctx: click.Context, project_directory: Path | None) -> None:
    """Make synthetic medical images usable: generate, screen, read, curate, adapt, measure.

    \b
    Example:
      rounds init
      rounds import virtual-brains:400 && rounds generator add shipped
      rounds generate --generator virtual-brains-flow --count normal=40,ring_lesion=40 --seed 7 --wait
    """
    ctx.obj = project_directory


def main() -> None:
    """Run the command; an error meant for the user becomes one line and exit code 2."""
    try:
        rounds(standalone_mode=True)
    except RoundsError as error:
        click.echo(f"rounds: {error}", err=True)
        sys.exit(EXIT_USER_ERROR)
    except Exception as error:
        from curation.store_errors import describe_disk_error  # slow to import, and rarely needed

        if (fault := describe_disk_error(error)) is None:
            _end_with_traceback()
        click.echo(f"rounds: {fault}", err=True)
        sys.exit(EXIT_USER_ERROR)


def _end_with_traceback() -> NoReturn:
    """Show where the program failed, without the passwords and links in a library's message."""
    click.echo(plain_message(traceback.format_exc()), err=True, nl=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
