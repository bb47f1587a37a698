"""`rounds read`: have a proxy model read a worklist."""

import click

from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.project import Project
from curation.reading.worklist import find_worklist
from curation.worklists.admitted import count_screened, is_candidate_of


@click.command()
@click.argument("worklist_name", metavar="WORKLIST")
@click.option("--proxy", is_flag=True, required=True, help="Confirm that a model reads, not a person.")
@json_option
@pass_project
def read(project: Project, worklist_name: str, proxy: bool, as_json: bool) -> None:
    """Have a proxy read WORKLIST: a probe fitted on real training images. It takes no images away from people.

    Its readings are marked `proxy` everywhere, and no claim rests on them.

    \b
    Example:
      rounds read first --proxy
    """
    from screening.proxy import read_worklist_by_proxy

    use_torch_threads(project)
    with progress_bar("proxy reads", quiet=as_json) as report:
        facts = read_worklist_by_proxy(project, worklist_name, now(), report)
    with project.database.read() as session:
        worklist = find_worklist(session, worklist_name)
        screened = count_screened(session, is_candidate_of(worklist))
    facts |= {"screening of its candidates": screened.record() if as_json else screened.lines()}
    emit(facts, as_json, title=f"worklist {worklist_name}, read by a proxy")
