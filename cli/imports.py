"""`rounds import`: import real images from files, tables, data sets or the simulated cohort."""

from typing import Any

import click

from cli.import_options import file_options, request_from
from cli.import_printing import print_report
from cli.numbers import PROCESSES, SEED
from cli.terminal import emit, emit_queued, json_option, now, pass_project, progress_bar, queue_option
from curation.errors import BadInput
from curation.project import Project


@click.command("import")
@click.argument("source")
@click.option("--name", help="The name of the source in the project. Default: the name of its file or directory.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed for the split of subjects that have none.")
@click.option("--dry-run", is_flag=True, help="Read and report everything, but store nothing.")
@file_options
@click.option("--workers", type=PROCESSES, help="For virtual-brains: how many processes render the images.")
@queue_option("importing")
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
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Import real images and split their subjects.

    SOURCE is one of

    \b
      DIRECTORY            one folder per class (or train/CLASS, val/CLASS) with PNG, JPEG, TIFF, DICOM or NIfTI
                           files, and metadata.csv, .parquet or .jsonl where there is one
      FILE                 one DICOM, NIfTI, PNG, JPEG or TIFF file
      TABLE                .csv, .tsv, .parquet or .jsonl that names the files
      DATASET              a Hugging Face directory: save_to_disk, or Parquet files with images in them
      FILE.npz             a file in MedMNIST's layout
      medmnist:NAME        a MedMNIST data set, downloaded once and checked
      virtual-brains[:N]   N subjects of the simulated cohort (400 without N)

    Subjects come from PatientID, a column or a pattern, and are kept as keyed pseudonyms; names of files, and whatever
    identifies in a DICOM header, are not kept. Subjects without a split are assigned at random to train, validation,
    test and reserve, 60/15/15/10. A table that was to give subjects, labels or splits and misses images stops the
    import. Importing the same source again adds nothing. Files that cannot be used are left out and listed with the
    reason.

    \b
    Example:
      rounds import cells/ --subject-pattern '(BloodImage_\\d+)_'
      rounds import ct/ --label-from keyword:BodyPartExamined --window 40:400 --size 256 --dry-run
      rounds import volumes/ --slices 40:120:4 --mask 'lesion=masks/{stem}.nii.gz' --label-from mask
      rounds import chest.csv --label-column effusion --label-column nodule --subject-column patient_id
    """
    from curation.ingest.import_job import SourceRequest, import_requested, queue_import

    table, import_options = options["manifest"], request_from(**options)
    request = SourceRequest(
        source=source, name=name, seed=seed, manifest=table, options=import_options, processes=workers
    )
    if queue:
        if dry_run:
            raise click.UsageError("--queue goes without --dry-run: a worker prints no report")
        emit_queued(queue_import(project, request, now()), {"import": source}, as_json)
        return
    with progress_bar("importing", quiet=as_json) as report:
        done = import_requested(project, request, report, now, dry_run=dry_run)
    if as_json:
        emit(done.record(), as_json)
    else:
        print_report(done, dry_run)
    if not done.added and not done.already:
        raise BadInput(f"nothing in {source} could be imported; the reasons are listed above.")
