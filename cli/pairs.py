"""`rounds pairs`: lists of suspected images beside real ones, for the privacy role to judge."""

from dataclasses import asdict
from typing import Any

import click

from cli.numbers import SEED
from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.estimates import Estimate
from curation.pairs.build import close_pair_list, create_pair_list, find_pair_list, list_pair_lists
from curation.pairs.recipe import PairRecipe
from curation.pairs.results import PairResults, compute_pair_results
from curation.project import Project
from curation.withdrawal.affected_results import withdrawn_subjects_note


@click.group()
def pairs() -> None:
    """Have the privacy role judge whether suspected images show a real subject.

    \b
    Example:
      rounds pairs create first --suspects 40
    """


@pairs.command()
@click.argument("name")
@click.option(
    "--suspects",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="How many suspected images at most.",
)
@click.option(
    "--same",
    type=click.IntRange(0, 500),
    default=20,
    show_default=True,
    help="How many pairs of one subject, as controls.",
)
@click.option(
    "--different",
    type=click.IntRange(0, 500),
    default=20,
    show_default=True,
    help="How many pairs of two subjects, as controls.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed for the choice and the order of pairs.")
@json_option
@pass_project
def create(project: Project, name: str, suspects: int, same: int, different: int, seed: int, as_json: bool) -> None:
    """Make a list of pairs NAME: each image that a privacy check blocked or flagged, beside the nearest training image.

    Pairs of known truth are mixed in. Where too few subjects have two images, a pair of one subject is an image and a
    moved copy of it. Judge them on the review page as the role privacy; no judgement unblocks an image.

    \b
    Example:
      rounds pairs create first --same 30 --different 30
    """
    recipe = PairRecipe.checked(name=name, suspects=suspects, same=same, different=different, seed=seed)
    with progress_bar("choosing pairs", quiet=True):
        made = create_pair_list(project, now(), recipe)
    with project.database.read() as session:
        results = compute_pair_results(session, find_pair_list(session, made.name))
    facts = {"pairs": results.name, "in all": results.total, "suspects": results.suspects, "said": results.caveat}
    emit(facts, as_json)


@pairs.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List the lists of pairs, with how many each judge has judged.

    \b
    Example:
      rounds pairs list
    """
    with project.database.read() as session:
        lists = [compute_pair_results(session, pair_list) for pair_list in list_pair_lists(session)]
    rows: list[dict[str, Any]] = [
        {
            "name": results.name,
            "pairs": results.total,
            "suspects": results.suspects,
            "judged by": ", ".join(f"{judge.reader} {judge.judged}" for judge in results.judges) or "nobody yet",
            "closed": results.closed,
            "withdrawals": withdrawn_subjects_note(results.withdrawn),
        }
        for results in lists
    ]
    emit(rows, as_json, title="pairs")


@pairs.command()
@click.argument("name")
@json_option
@pass_project
def results(project: Project, name: str, as_json: bool) -> None:
    """Show how each judge did on pairs of known truth, and which suspects were called the same subject.

    \b
    Example:
      rounds pairs results first
    """
    with project.database.read() as session:
        judged = compute_pair_results(session, find_pair_list(session, name))
    if as_json:
        emit(asdict(judged) | {"caveat": judged.caveat}, as_json)
        return
    emit(_rows(judged), as_json, title=f"pairs of {name} called the same subject")
    if judged.called_same:
        click.echo(f"suspects that a person called the same subject: images {', '.join(map(str, judged.called_same))}")
    click.echo(judged.caveat)


@pairs.command()
@click.argument("name")
@pass_project
def close(project: Project, name: str) -> None:
    """Close a list of pairs. Its judgements stay.

    \b
    Example:
      rounds pairs close first
    """
    with project.database.write() as session:
        close_pair_list(session, project.chain, now(), name)
    project.anchor()
    click.echo(f"{name}: closed")


def _rows(judged: PairResults) -> list[dict[str, Any]]:
    return [
        {
            "judge": judge.reader,
            "kind": judge.kind.value,
            "judged": judge.judged,
            "of one subject": _words(judge.same_found),
            "of two subjects": _words(judge.different_called_same),
            "suspects": _words(judge.suspects_called_same),
        }
        for judge in judged.judges
    ]


def _words(share: Estimate) -> str:
    if share.value is None:
        return share.how
    value, low, high = share.percent()
    return f"{value:.0f} % ({low:.0f} to {high:.0f}, n {share.n})"
