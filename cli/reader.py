"""`rounds reader`: the people who read, and their accounts."""

import sys
from typing import Any

import click

from cli.terminal import emit, json_option, now, pass_project
from curation.errors import BadInput
from curation.project import Project
from curation.readers.accounts import (
    activate_reader,
    add_reader,
    deactivate_reader,
    link_provider,
    list_readers,
    reset_password,
    set_role,
    sign_out_everywhere,
    unlock_reader,
)
from curation.readers.sign_ins import is_slowed
from curation.tables.people import Role


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
@click.option("--change-password", is_flag=True, help="The reader must choose another password at the first sign-in.")
@click.option(
    "--oidc", metavar="SUBJECT", help="Sign in with this account of the identity provider, instead of a password."
)
@pass_project
def add(project: Project, name: str, role: str, password_stdin: bool, change_password: bool, oidc: str | None) -> None:
    """Add a person who reads. Asks for a password of at least 10 characters, unless --oidc is set.

    \b
    Example:
      rounds reader add alice --role curator
    """
    if oidc is not None and (password_stdin or change_password):
        raise click.UsageError("--oidc is instead of a password; `rounds reader reset-password` can add one later")
    password, subject = (_password(password_stdin), None) if oidc is None else (None, _subject(project, oidc))
    account: dict[str, Any] = {"role": Role(role), "oidc_subject": subject, "must_change_password": change_password}
    with project.database.write() as session:
        add_reader(session, project.chain, now(), name, password, **account)
    click.echo(f"reader {name} added; `rounds review` opens the page")


@reader.command("reset-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@pass_project
def reset_password_command(project: Project, name: str, password_stdin: bool) -> None:
    """Set another password for a reader. Their sessions end.

    \b
    Example:
      rounds reader reset-password alice
    """
    password = _password(password_stdin)
    with project.database.write() as session:
        reset_password(session, project.chain, now(), name, password)
    click.echo(f"reader {name}: password changed, sessions ended")


@reader.command()
@click.argument("name")
@click.option("--oidc", metavar="SUBJECT", required=True, help="The account, as the identity provider names it.")
@pass_project
def link(project: Project, name: str, oidc: str) -> None:
    """Let this account of the identity provider sign in as the reader. It replaces an earlier one.

    \b
    Example:
      rounds reader link alice --oidc 248289761001
    """
    with project.database.write() as session:
        link_provider(session, project.chain, now(), name, _subject(project, oidc))
    click.echo(f"reader {name}: linked, sessions ended")


@reader.command()
@click.argument("name")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@pass_project
def role(project: Project, name: str, role: str) -> None:
    """Change the role of a reader, from their next request on.

    \b
    Example:
      rounds reader role alice adjudicator
    """
    with project.database.write() as session:
        set_role(session, project.chain, now(), name, Role(role))
    click.echo(f"reader {name} is {role} now")


@reader.command()
@click.argument("name")
@pass_project
def deactivate(project: Project, name: str) -> None:
    """Close an account and end its sessions. Its readings stay.

    \b
    Example:
      rounds reader deactivate alice
    """
    with project.database.write() as session:
        deactivate_reader(session, project.chain, now(), name)
    click.echo(f"reader {name}: deactivated, sessions ended")


@reader.command()
@click.argument("name")
@pass_project
def activate(project: Project, name: str) -> None:
    """Open a closed account again.

    \b
    Example:
      rounds reader activate alice
    """
    with project.database.write() as session:
        activate_reader(session, project.chain, now(), name)
    click.echo(f"reader {name}: active")


@reader.command("unlock")
@click.argument("name")
@pass_project
def unlock_command(project: Project, name: str) -> None:
    """Forgive the wrong passwords under a reader's name: nobody waits before the next try.

    A reader on a device that signed in before never waits for the wrong passwords of others.

    \b
    Example:
      rounds reader unlock alice
    """
    with project.database.write() as session:
        unlock_reader(session, project.chain, now(), name)
    click.echo(f"reader {name}: may try again")


@reader.command("sign-out")
@click.argument("name")
@pass_project
def sign_out_command(project: Project, name: str) -> None:
    """End every session of a reader, on all their machines.

    \b
    Example:
      rounds reader sign-out alice
    """
    with project.database.write() as session:
        ended = sign_out_everywhere(session, project.chain, now(), name)
    click.echo(f"reader {name}: {ended} sessions ended")


def _subject(project: Project, account: str) -> str:
    """ "ISSUER SUBJECT": as given, or with the issuer of rounds.toml before it."""
    if " " in account:
        return account
    if project.settings.oidc is None:
        raise BadInput('expected "ISSUER SUBJECT", or [oidc] with an issuer in rounds.toml; got a subject alone.')
    return f"{project.settings.oidc.issuer} {account}"


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@reader.command("list")
@json_option
@pass_project
def list_readers_command(project: Project, as_json: bool) -> None:
    """List readers. Proxies are models, and marked.

    Wrong passwords are those since the last sign-in; while some device or address must wait before it may try again,
    `slowed_until` says until when. Others, and devices that signed in before, need not wait.

    \b
    Example:
      rounds reader list
    """
    with project.database.read() as session:
        rows = [
            {
                **{"name": row.name, "kind": row.kind.value, "role": row.role.value, "active": row.active},
                "wrong_passwords": row.failed_sign_ins,
                "slowed_until": row.locked_until if is_slowed(row, now()) else None,
            }
            for row in list_readers(session)
        ]
    emit(rows, as_json, title="readers")
