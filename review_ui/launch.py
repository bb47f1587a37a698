"""Start the review application: bind a socket, run uvicorn, and give the address to open."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from curation.audit import list_events
from curation.errors import BadInput, Conflict, plain_message
from curation.project import Project
from curation.store_errors import account
from review_ui.asgi import create_app
from review_ui.security.connections import TimelyProtocol
from review_ui.security.guard import LOOPBACK_NAMES, SIGN_IN_PATH

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8630
PORTS_TRIED = 20
SHUTDOWN_S = 3
KEEP_ALIVE_S = 10
HEADERS_BYTES = 32 * 1024
MESSAGE_BYTES = 1024 * 1024  # of a browser's message to Streamlit; widgets send far less


class PlainFormatter(logging.Formatter):
    """Writes a line of the server's log, tracebacks included, without passwords and a library's own links."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        return plain_message(f"{record.levelname}: {super().format(record)}")


LOG = {**LOGGING_CONFIG, "formatters": {**LOGGING_CONFIG["formatters"], "default": {"()": PlainFormatter}}}


def serve(
    project: Project,
    host: str = DEFAULT_HOST,
    port: int | None = None,
    allowed_hosts: Iterable[str] = (),
    certificate: tuple[str, str] | None = None,
    forwarded_allow_ips: str = "",
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve until interrupted; `on_ready` gets the sign-in address once the socket is bound.

    `port` None takes the first free one from 8630 on, 0 any free one. `allowed_hosts` are further names browsers may
    use for this server. `certificate` is (certificate file, key file) for https. `forwarded_allow_ips` are the
    comma-separated addresses of proxies whose scheme and client are trusted. Raises Conflict when no port is free,
    BadInput for a certificate that cannot be used.
    """
    project.database.check_revision()
    _ = project.chain  # without its key nothing can be recorded: better said here than at the first verdict
    with project.database.read() as session:
        list_events(session, limit=1)  # and so is a database without its tables
    listener = bind(host, port)
    bound_port = listener.getsockname()[1]
    scheme = "https" if certificate else "http"
    shown_host = f"[{host}]" if ":" in host else host
    app = create_app(project, LOOPBACK_NAMES | {host.lower()} | {name.lower() for name in allowed_hosts})
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        log_config=LOG,
        server_header=False,
        date_header=True,
        http=TimelyProtocol,
        h11_max_incomplete_event_size=HEADERS_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        proxy_headers=bool(forwarded_allow_ips),
        forwarded_allow_ips=forwarded_allow_ips,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=certificate[0] if certificate else None,
        ssl_keyfile=certificate[1] if certificate else None,
    )
    load_certificate(config, listener)
    on_ready(f"{scheme}://{shown_host}:{bound_port}{SIGN_IN_PATH}")
    # uvicorn ends in good order on Ctrl-C and then raises the interrupt once more for its caller.
    with listener, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def load_certificate(config: uvicorn.Config, listener: socket.socket) -> None:
    """Read the certificate and its key; raises BadInput, and gives the port back, where they cannot be used."""
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        listener.close()
        if config.ssl_certfile is None:
            raise
        raise BadInput(
            f"expected --certificate and --key to be a TLS certificate and its own key as PEM files, got "
            f"{config.ssl_certfile} and {config.ssl_keyfile}: {error.strerror or error}. Name others, or let account "
            f"{account()} read them."
        ) from error


def bind(host: str, port: int | None) -> socket.socket:
    """Bind a socket to `port`, or to the first free port from the default on; raises Conflict."""
    wanted = [port] if port is not None else list(range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in wanted:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it small answers wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        listener.set_inheritable(True)
        return listener
    raise Conflict(
        f"expected a free port on {host}, but {wanted[0]}{f' to {wanted[-1]}' if len(wanted) > 1 else ''} cannot be "
        "bound. Choose another with --port, or check the address given with --host."
    )
