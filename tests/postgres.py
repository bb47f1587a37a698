"""A PostgreSQL server on loopback for as long as it is needed, in a directory that goes away with it."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.memory import memory_root


@dataclass
class PostgresServer:
    """A server that can be stopped and started again on the same port."""

    url: str  # without a database
    control: list[str]
    options: str
    log: IO[str]

    def start(self) -> None:
        """Start it and wait until it answers."""
        subprocess.run([*self.control, "-o", self.options, "start"], check=True, **self._output)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; connections are ended."""
        subprocess.run([*self.control, "-m", mode, "stop"], check=True, **self._output)

    @property
    def _output(self) -> dict[str, Any]:
        return {"stdout": self.log, "stderr": self.log, "cwd": "/"}


@contextmanager
def running_postgres(binaries: Path, durable: bool = False) -> Iterator[str]:
    """Start a server with the programs in `binaries`; yields its URL without a database.

    Only a `durable` one waits for the disk at each commit.
    """
    with postgres_server(binaries, durable) as server:
        yield server.url


@contextmanager
def postgres_server(binaries: Path, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server like `running_postgres`; yields it, so that a test can stop and start it."""
    # A directory of its own: pytest takes its temporary root away from other accounts whenever a second run starts.
    with (
        tempfile.TemporaryDirectory(prefix="rounds-postgres-", dir=None if durable else memory_root()) as directory,
        (Path(directory) / "log").open("w") as log,
    ):
        # initdb refuses to run as root, so root hands the directory to the account that Debian's package made.
        account = "postgres" if os.geteuid() == 0 else getpass.getuser()
        as_account = ["runuser", "-u", account, "--"] if os.geteuid() == 0 else []
        if as_account:
            shutil.chown(directory, account)
        data, port = Path(directory) / "data", _free_port()
        initdb = [binaries / "initdb", "-D", data, "-U", "rounds", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run([*as_account, *map(str, initdb)], check=True, stdout=log, stderr=log, cwd="/")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c autovacuum=off"
        if not durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        control = [*as_account, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
        server = PostgresServer(f"postgresql+psycopg://rounds@127.0.0.1:{port}", control, options, log)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def create_database(server: str, name: str, template: str = "template1") -> str:
    """A new database on a server; returns its URL."""
    import psycopg  # only where PostgreSQL is installed

    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{server}/{name}"


def postgres_binaries() -> Path | None:
    """The folder of `initdb`, the newest version first; None where PostgreSQL is not installed."""
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (directory / "initdb").exists():
            return directory
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
