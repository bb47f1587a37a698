"""`rounds review`: serve the review page."""

from pathlib import Path

import click

from cli.numbers import PORT
from cli.paths import LocalPath
from cli.terminal import pass_project, tell
from curation.project import Project

HIDDEN_BY_PROXY = (
    "Other machines reach this address through a proxy only, and none is named: all readers seem to come from one "
    "address, so a stranger's wrong passwords make readers wait on devices that never signed in. Name the proxy's "
    "address with --forwarded-allow-ips."
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=PORT, help="The port. Default: the first free one from 8630 on.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    help="Another host name under which browsers reach the page. Repeat it for several.",
)
@click.option("--certificate", type=LocalPath(exists=True, path_type=Path), help="TLS certificate file, with --key.")
@click.option("--key", type=LocalPath(exists=True, path_type=Path), help="TLS key file.")
@click.option(
    "--forwarded-allow-ips",
    default="",
    metavar="ADDRESSES",
    help="Addresses of proxies, separated by commas, whose X-Forwarded-For and -Proto are trusted. Default: none.",
)
@pass_project
def review(
    project: Project,
    host: str,
    port: int | None,
    allowed_hosts: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    forwarded_allow_ips: str,
) -> None:
    """Serve the review page. Ctrl-C stops it; nothing is lost.

    Readers sign in by the names and passwords of `rounds reader add`. Beyond loopback, put TLS in front of it.

    \b
    Example:
      rounds review --port 8630
    """
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    from review_ui.launch import serve
    from review_ui.security.guard import LOOPBACK_NAMES

    pair = (str(certificate), str(key)) if certificate and key else None

    def ready(address: str) -> None:
        click.echo(f"Review page: {address}\nCtrl-C stops it.")
        if host in LOOPBACK_NAMES and not forwarded_allow_ips and not LOOPBACK_NAMES.issuperset(allowed_hosts):
            tell(HIDDEN_BY_PROXY)

    serve(project, host, port, allowed_hosts, pair, forwarded_allow_ips, ready)
