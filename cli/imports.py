"""`rounds import`: real images from pictures, DICOM, NIfTI, tables, `datasets` folders, MedMNIST or the cohort."""

import os
from pathlib import Path
from typing import Any

import click

from cli.import_options import file_options, request_from
from cli.import_printing import print_report
from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.errors import BadInput, NotFound
from curation.ingest.import_report import ImportReport
from curation.progress import OnProgress
from curation.project import Project

COHORT = "virtual-brains"
COHORT_SIZE = 400
_SUBJECTS_PER_WORKER = 100
_LABELLING = ("label", "manifest", "label_from", "subject_pattern", "covariate")
_OF_FILES = (*_LABELLING, "size", "window", "gray", "volume", "slices", "mask")


@click.command("import")
@click.argument("source")
@click.option("--name", help="What the source is called in the project; without it, like its file or directory.")
@click.option("--seed", default=0, show_default=True, help="Draws the splits of subjects that have none.")
@click.option("--dry-run", is_flag=True, help="Read and report everything, store nothing.")
@file_options
@click.option("--workers", type=click.IntRange(1), help="For virtual-brains: processes that draw.")
@json_option
@pass_project
def import_source(
    project: Project,
    /,
    source: str,
    name: str | None,
    seed: int,
    dry_run: bool,
    workers: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Import real images and split their subjects.

    SOURCE is one of

    \b
      DIRECTORY            one folder per class (or train/CLASS, val/CLASS) with PNG, JPEG, TIFF, DICOM or NIfTI
                           files, and metadata.csv, .parquet or .jsonl where there is one
      FILE                 one DICOM, NIfTI or picture file
      TABLE                .csv, .parquet or .jsonl that names the files
      DATASET              a Hugging Face directory: save_to_disk, or Parquet files with pictures in them
      FILE.npz             a file in MedMNIST's layout
      medmnist:NAME        a MedMNIST data set, downloaded once and checked
      virtual-brains[:N]   N subjects of the simulated cohort (400 without N)

    Subjects come from PatientID, a column or a pattern, and are kept as keyed pseudonyms; names of files, and whatever
    identifies in a DICOM header, are not kept. Subjects without a split are drawn 60/15/15/10 into train, validation,
    test and reserve. The same source again adds nothing. What cannot be used is left out and listed with its reason.

    \b
    Example:
      rounds import cells/ --subject-pattern '(BloodImage_\\d+)_'
      rounds import ct/ --label-from keyword:BodyPartExamined --window 40:400 --size 256 --dry-run
      rounds import volumes/ --slices 40:120:4 --mask 'lesion=masks/{stem}.nii.gz' --label-from mask
      rounds import chest.csv --label-column effusion --label-column nodule --subject-column patient_id
    """
    with progress_bar("importing", quiet=as_json) as report:
        found = _import(project, source, name, seed, dry_run, workers, options, report)
    if as_json:
        emit(found.record(), as_json)
    else:
        print_report(found, dry_run)
    if not found.added and not found.already:
        raise BadInput(f"nothing in {source} could be imported; the reasons are listed above.")


def _import(
    project: Project,
    source: str,
    name: str | None,
    seed: int,
    dry_run: bool,
    workers: int | None,
    options: dict[str, Any],
    report: OnProgress,
) -> ImportReport:
    kind, _, argument = source.partition(":")
    path = Path(source)
    if kind == COHORT or kind == "medmnist" or source.endswith(".npz"):
        _refuse_file_options(source, options)
    if kind == COHORT:
        from curation.ingest.virtual_brains.cohort import import_virtual_brains

        count = _count(argument)
        workers = workers or min(os.cpu_count() or 1, 1 + count // _SUBJECTS_PER_WORKER)
        return import_virtual_brains(project, now(), count, workers=workers, on_progress=report, dry_run=dry_run)
    if kind == "medmnist" or source.endswith(".npz"):
        from curation.ingest.sources.medmnist import import_medmnist

        data_set = argument if kind == "medmnist" else path
        return import_medmnist(project, now(), data_set, name=name, on_progress=report, dry_run=dry_run)
    if not path.exists():
        raise NotFound(
            f"expected virtual-brains[:N], medmnist:NAME, an .npz file, a directory, a table or a file; got {source!r}."
        )
    request, manifest = request_from(options)
    from curation.ingest.sources.hugging_face import import_hugging_face, is_hugging_face

    if is_hugging_face(path):
        return import_hugging_face(
            project, now(), path, name=name, request=request, seed=seed, dry_run=dry_run, on_progress=report
        )
    from curation.ingest.sources.image_folder import import_image_folder

    return import_image_folder(
        project,
        now(),
        path,
        name=name,
        request=request,
        manifest=manifest,
        seed=seed,
        dry_run=dry_run,
        on_progress=report,
    )


def _refuse_file_options(source: str, options: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name in _OF_FILES if _is_given(options[name])]
    if given:
        raise BadInput(f"{', '.join(given)} is for a directory of images, and {source} is none. Leave it out.")


def _is_given(value: Any) -> bool:
    return value is not None and value is not False and value != ()


def _count(argument: str) -> int:
    if not argument:
        return COHORT_SIZE
    if not argument.isdecimal():
        raise BadInput(f"expected a number of subjects after {COHORT}:, got {argument!r}.")
    return int(argument)
