"""`rounds reader`: the people who read, and their accounts."""

import sys

import click
from sqlalchemy import select

from cli.terminal import emit, json_option, now, pass_project
from curation.models.people import Reader, Role
from curation.project import Project
from curation.readers import add_reader, reset_password


@click.group()
def reader() -> None:
    """Add and list readers.

    \b
    Example:
      rounds reader add alice
    """


@reader.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default="reader", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@click.option("--change-password", is_flag=True, help="The reader chooses another one at the first sign-in.")
@pass_project
def add(project: Project, name: str, role: str, password_stdin: bool, change_password: bool) -> None:
    """Add a person who reads; asks for a password of at least 10 characters.

    \b
    Example:
      rounds reader add alice --role curator
    """
    password = _password(password_stdin)
    with project.database.write() as session:
        add_reader(
            session,
            project.chain,
            now(),
            name,
            password,
            role=Role(role),
            must_change_password=change_password,
        )
    click.echo(f"reader {name} added; `rounds review` opens the page")


@reader.command("reset-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@pass_project
def reset_password_command(project: Project, name: str, password_stdin: bool) -> None:
    """Give a reader another password, which ends their sessions.

    \b
    Example:
      rounds reader reset-password alice
    """
    password = _password(password_stdin)
    with project.database.write() as session:
        reset_password(session, project.chain, now(), name, password)
    click.echo(f"reader {name}: password changed, sessions ended")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@reader.command("list")
@json_option
@pass_project
def list_readers_command(project: Project, as_json: bool) -> None:
    """List readers; proxies are models and marked as such.

    \b
    Example:
      rounds reader list
    """
    with project.database.read() as session:
        rows = [
            {"name": one.name, "kind": one.kind.value, "role": one.role.value, "active": one.active}
            for one in session.scalars(select(Reader).order_by(Reader.id))
        ]
    emit(rows, as_json, title="readers")
