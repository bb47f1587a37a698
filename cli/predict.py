"""`rounds predict`: predict the classes of pictures that stay outside the project."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.import_options import asked_on_top, preparing_options
from cli.paths import LocalPath
from cli.terminal import emit, json_option, pass_project, progress_bar, tell, use_torch_threads
from curation.ingest.sources.new_pictures import LIKE_TRAINING
from curation.project import Project

if TYPE_CHECKING:
    from train.prediction.of_run import PredictedPictures, RunOfProject

EXIT_SOME_LEFT_OUT = 1
SAYS_NOTHING = "look like a training image, so their predictions say nothing of new pictures"


@click.command()
@click.argument("run_name", metavar="RUN")
@click.argument("path", type=LocalPath(path_type=Path))
@preparing_options
@click.option(
    "--out",
    type=LocalPath(dir_okay=False, path_type=Path),
    help="Write a row for each picture to this new .parquet or .csv file.",
)
@json_option
@pass_project
def predict(project: Project, /, run_name: str, path: Path, out: Path | None, as_json: bool, **options: Any) -> None:
    """Predict the classes of the pictures at PATH, a file or a folder, with RUN. Not for diagnosis.

    Every kind of file that `rounds import` reads is read, and prepared as the training images of the run were prepared
    when they were imported; an option says otherwise. Nothing of the pictures is stored in the project. A picture of
    another shape, scale or kind than the training images is left out by name. If some are left out, the exit status
    is 1.

    \b
    Example:
      rounds predict first-lora-s0 ward/scan.dcm
      rounds predict first-lora-s0 ward/ --out predictions.parquet
    """
    from train.prediction.files import check_new_table, write_table
    from train.prediction.of_run import RunOfProject, predict_path
    from train.prediction.predict import NOT_FOR_DIAGNOSIS

    if out is not None:
        check_new_table(out)
    run = RunOfProject.find(project, run_name)
    request = asked_on_top(run.prepared, options)
    use_torch_threads(project)
    with progress_bar(f"predicting with {run_name}", quiet=True) as report:
        predicted = predict_path(run, path, request, report)
    facts = _facts(run, NOT_FOR_DIAGNOSIS)
    if out is not None:
        write_table(out, predicted.rows(), facts)
    if as_json:
        left_out = [{"file": item.source_file, "reason": item.reason} for item in predicted.left_out]
        emit({**facts, "pictures": predicted.rows(), "left_out": left_out}, as_json)
    else:
        _print(predicted, facts, out)
    for item in predicted.left_out:
        tell(f"left out: {item}")
    if predicted.left_out:
        tell(f"{len(predicted.left_out)} left out, {len(predicted.predictions)} predicted")
        if any(LIKE_TRAINING in item.reason for item in predicted.left_out) and "size" not in request.options():
            height, width, *_ = run.card["shape"]
            tell(f"--size {height}x{width} brings pictures of another size to that of the training images")
        click.get_current_context().exit(EXIT_SOME_LEFT_OUT)


def _facts(run: "RunOfProject", banner: str) -> dict[str, Any]:
    """What stands beside the predictions, in JSON and in the metadata of Parquet."""
    facts: dict[str, Any] = {"notice": banner, "run": run.name, "digest": run.card["digest"]}
    facts["classes"] = run.card["classes"]
    if run.card["notice"]:
        facts["training_notice"] = run.card["notice"]
    if run.affected:
        facts["withdrawals"] = run.affected
    return facts


def _print(predicted: "PredictedPictures", facts: dict[str, Any], out: Path | None) -> None:
    """The banner first; then every picture, or with --out how many there are of each class."""
    click.secho(facts["notice"], fg="yellow")
    for name in ("training_notice", "withdrawals"):
        if name in facts:
            click.echo(f"{name}: {facts[name]}")
    if out is None:
        rows: list[dict[str, Any]] = [
            {"file": item.file, "predicted": item.predicted, **item.probabilities} for item in predicted.predictions
        ]
        if predicted.like_training.any():
            for row, alike in zip(rows, predicted.like_training, strict=True):
                row["like a training image"] = "yes" if alike else ""
        emit(rows, False, title=f"run {facts['run']}")
    else:
        counts = Counter(item.predicted for item in predicted.predictions)
        emit({"written": str(out), "pictures": len(predicted.predictions), "predicted": dict(counts)}, False)
    if alike := int(predicted.like_training.sum()):
        click.secho(f"{alike} of {len(predicted.predictions)} pictures {SAYS_NOTHING}", fg="yellow")
