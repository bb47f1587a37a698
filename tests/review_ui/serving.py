"""A review server in its own process, as `rounds review` starts it, that can be killed and restarted."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

START_S = 120.0
END_S = 30.0
VIEWS = Path(__file__).parents[2] / "review_ui" / "views"
# What the server imports takes 2.5 s of processor time: a process that did so once is copied for each server.
PRELOADED = [
    "cli.main",
    "review_ui.launch",
    *(f"review_ui.views.{path.stem}" for path in sorted(VIEWS.glob("[a-z]*.py"))),
]
multiprocessing.set_forkserver_preload(PRELOADED)


def run_server(words: list[str], log: Path, environment: dict[str, str]) -> None:
    """Run `rounds` with these words in a process of its own, which writes to `log`."""
    with log.open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rounds", *words]
    from cli.main import main

    main()


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ReviewServer:
    """`rounds --project ROOT review --port PORT`, polled until its health check answers.

    `anew` starts a new interpreter, as a person's shell does; otherwise what the server imports is there already.
    """

    root: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    anew: bool = False
    process: BaseProcess | None = None

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it serves."""
        words = ["--project", str(self.root), "review", "--port", str(self.port), *self.options]
        context = multiprocessing.get_context("spawn" if self.anew else "forkserver")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDS_")}
        arguments = (words, self.root / "server.log", environment)
        self.process = context.Process(target=run_server, args=arguments, daemon=True)
        self.process.start()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.is_alive():
            try:
                if httpx.get(f"{self.url}/rounds/health", trust_env=False).text == "ok":
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not start: {(self.root / 'server.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it without a chance to tidy up, as a crash or a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """End it as Ctrl-C does; returns its exit code."""
        return self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> int | None:
        if self.process is None:
            return None
        assert self.process.pid is not None
        if self.process.is_alive():
            os.kill(self.process.pid, how)
        self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(END_S)
        ended, self.process = self.process.exitcode, None
        return ended
