"""`rounds agreement`, `rounds performance`, `rounds turing`: how well a worklist was read."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import click

from cli.numbers import SEED
from cli.paths import LocalPath
from cli.terminal import emit, json_option, pass_project
from curation.errors import BadInput
from curation.project import Project
from curation.reader_study.report import AGREEMENT_KEYS, COLUMNS, TURING_KEYS, Figure, ReaderStudy, reader_study
from curation.reading.worklist import find_worklist


def evidence_options(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and options that the three commands share."""
    written = click.option(
        "--csv", "csv_file", type=LocalPath(dir_okay=False, path_type=Path), help="Write the figures to this CSV file."
    )
    seed = click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the bootstrap.")
    return click.argument("worklist_name", metavar="WORKLIST")(written(seed(json_option(pass_project(command)))))


@click.command()
@evidence_options
def agreement(project: Project, worklist_name: str, csv_file: Path | None, seed: int, as_json: bool) -> None:
    """Measure how far the readers of WORKLIST agree: alpha, kappas and AC1 with intervals over images.

    \b
    Example:
      rounds agreement first --csv agreement.csv
    """
    _show(_study(project, worklist_name, seed), lambda line: line.key in AGREEMENT_KEYS, csv_file, as_json)


@click.command()
@evidence_options
def performance(project: Project, worklist_name: str, csv_file: Path | None, seed: int, as_json: bool) -> None:
    """Measure how each reader of WORKLIST did on controls, on repeats and over time, and who is excluded by which rule.

    \b
    Example:
      rounds performance first
    """
    study = _study(project, worklist_name, seed)
    _show(study, lambda line: line.key not in (*AGREEMENT_KEYS, *TURING_KEYS), csv_file, as_json)
    if not as_json:
        for line in study.judged:
            decision = {True: "excluded", False: "kept", None: f"not judged: {line.found.how}"}[line.excluded]
            click.echo(f"{line.reader}: {line.rule}: {decision}")


@click.command()
@evidence_options
def turing(project: Project, worklist_name: str, csv_file: Path | None, seed: int, as_json: bool) -> None:
    """Test whether the readers of a Turing WORKLIST can tell real from synthetic.

    \b
    Example:
      rounds worklist create test --turing --real-controls 50 --margin 0.6
      rounds turing test
    """
    study = _study(project, worklist_name, seed)
    if study.turing is None:
        raise BadInput(f"worklist {worklist_name!r} is no Turing test. Make one: rounds worklist create NAME --turing.")
    _show(study, lambda line: line.key in TURING_KEYS, csv_file, as_json)
    if not as_json:
        click.echo(study.turing.sentence)


def _study(project: Project, name: str, seed: int) -> ReaderStudy:
    with project.database.read() as session:
        return reader_study(session, find_worklist(session, name).id, seed)


def _show(study: ReaderStudy, keep: Callable[[Figure], bool], csv_file: Path | None, as_json: bool) -> None:
    lines = [line for line in study.figures() if keep(line)]
    if csv_file is not None:
        write_figures(lines, csv_file)
    if as_json:
        emit([line.as_row() for line in lines], as_json=True)
        return
    rows = []
    for line in lines:
        figure = f"{line.figure}, {line.group}" if line.group else line.figure
        rows.append({"figure": figure, "reader": line.reader, "value (95 % interval)": _value(line), "n": line.n})
    emit(rows, as_json=False, title=f"worklist {study.worklist}")
    readers = "1 reader" if len(study.readers) == 1 else f"{len(study.readers)} readers"
    click.echo(f"{study.readings} blind readings by {readers}; proxies, grids and {study.withdrawn} withdrawn left out")


def _value(line: Figure) -> str:
    if line.value is None:
        return line.note
    if line.low is None:
        return f"{line.value:.2f}" + (f" ({line.note})" if line.note else "")
    return f"{line.value:.2f} ({line.low:.2f} to {line.high:.2f})"


def write_figures(lines: list[Figure], path: Path) -> None:
    """One line per figure, comma-separated; raises BadInput where it cannot be written."""
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(line.as_row() for line in lines)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error
    click.echo(f"wrote {path}", file=sys.stderr)
