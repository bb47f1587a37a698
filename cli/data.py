"""`rounds import`: real images from the simulated cohort, a MedMNIST file or a class-per-folder directory."""

import os
from pathlib import Path
from typing import Any

import click

from cli.project import print_some
from cli.terminal import Report, emit, json_option, now, pass_project, progress_bar
from curation.errors import BadInput, NotFound
from curation.ingest.incoming import Duplicate, DuplicateKind, ImportReport
from curation.models.images import Split
from curation.project import Project

COHORT = "virtual-brains"
COHORT_SIZE = 400
_SUBJECTS_PER_WORKER = 100


@click.command("import")
@click.argument("source")
@click.option("--name", help="What the source is called in the project; without it, like its file or directory.")
@click.option(
    "--subject-pattern",
    metavar="REGEX",
    help="For a directory: takes the subject from each file's path by the pattern's one group.",
)
@click.option("--seed", default=0, show_default=True, help="For a directory: draws the splits of its subjects.")
@click.option("--workers", type=click.IntRange(1), help="For virtual-brains: processes that draw.")
@json_option
@pass_project
def import_source(
    project: Project,
    source: str,
    name: str | None,
    subject_pattern: str | None,
    seed: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Import real images and split their subjects.

    SOURCE is one of

    \b
      virtual-brains[:N]   N subjects of the simulated cohort (400 without N)
      medmnist:NAME        a MedMNIST data set, downloaded once and checked
      FILE.npz             a file in MedMNIST's layout
      DIRECTORY            one folder per class, with an optional metadata.csv (file, label, subject, split)

    Subjects without a split are drawn 60/15/15/10 into train, validation, test and reserve. The same source again adds
    nothing. What cannot be used is left out and listed with its reason.

    \b
    Example:
      rounds import cells/ --subject-pattern '(BloodImage_\\d+)_'
    """
    if subject_pattern is not None and not Path(source).is_dir():
        raise BadInput(f"--subject-pattern is for a directory of images, and {source} is none. Leave it out.")
    with progress_bar("importing", quiet=as_json) as report:
        found = _import(project, source, name, subject_pattern, seed, workers, report)
    if as_json:
        emit(found.record(), as_json)
    else:
        _print_report(found)
    if not found.added and not found.already:
        raise BadInput(f"nothing in {source} could be imported; the reasons are listed above.")


def _import(
    project: Project,
    source: str,
    name: str | None,
    subject_pattern: str | None,
    seed: int,
    workers: int | None,
    report: Report,
) -> ImportReport:
    kind, _, argument = source.partition(":")
    if kind == COHORT:
        from curation.ingest.cohort import import_virtual_brains

        count = _count(argument)
        workers = workers or min(os.cpu_count() or 1, 1 + count // _SUBJECTS_PER_WORKER)
        return import_virtual_brains(project, now(), count, workers=workers, on_progress=report)
    if kind == "medmnist" or source.endswith(".npz"):
        from curation.ingest.medmnist import import_medmnist

        data_set = argument if kind == "medmnist" else Path(source)
        return import_medmnist(project, now(), data_set, name=name, on_progress=report)
    if Path(source).is_dir():
        from curation.ingest.image_folder import import_image_folder

        return import_image_folder(
            project, now(), Path(source), name=name, subject_pattern=subject_pattern, seed=seed, on_progress=report
        )
    raise NotFound(f"expected virtual-brains[:N], medmnist:NAME, an .npz file or a directory, got {source!r}.")


def _count(argument: str) -> int:
    if not argument:
        return COHORT_SIZE
    if not argument.isdecimal():
        raise BadInput(f"expected a number of subjects after {COHORT}:, got {argument!r}.")
    return int(argument)


def _print_report(found: ImportReport) -> None:
    if found.repeated:
        click.echo(f"{found.source} was imported before: nothing was added. It brought then:")
    else:
        here = f", {found.already} were here already" if found.already else ""
        click.echo(f"{found.source}: {found.added} images added{here}")
    if found.counts:
        emit(_rows(found), as_json=False)
    if found.notice:
        click.echo(found.notice)
    across_splits = found.found(DuplicateKind.ACROSS_SPLITS)
    same_subject = found.found(DuplicateKind.SAME_SUBJECT)
    across_subjects = found.found(DuplicateKind.ACROSS_SUBJECTS)
    _print_list("left out: the very same picture stands in another split", [_line(one) for one in across_splits])
    _print_list("left out: the same picture of the same subject again", [_line(one) for one in same_subject])
    _print_list(
        "kept, but the same picture comes under two subjects of one split", [_line(one) for one in across_subjects]
    )
    _print_list("left out", [f"{one.source_file}: {one.reason}" for one in found.rejected])
    for note in found.notes:
        click.echo(f"note: {note}")


def _rows(found: ImportReport) -> list[dict[str, Any]]:
    labels = sorted({label for counts in found.counts.values() for label in counts})
    splits = [split.value for split in Split if split.value in found.counts]
    rows: list[dict[str, Any]] = []
    for split in splits:
        counts = {label: found.counts[split].get(label, 0) for label in labels}
        rows.append({"split": split, **counts, "subjects": found.subjects[split]})
    return rows


def _line(one: Duplicate) -> str:
    differ = f"; labels differ: {one.label}, {one.of_label}" if one.labels_differ else ""
    return f"{one.source_file} ({one.split}) = {one.of_file} ({one.of_split}){differ}"


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{len(lines)} {title}:")
        print_some(lines)
