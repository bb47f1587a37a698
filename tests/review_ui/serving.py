"""A review server in its own process, as `rounds review` starts it, that can be killed and restarted."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

START_S = 120.0
END_S = 30.0


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ReviewServer:
    """`rounds --project ROOT review --port PORT`, polled until its health check answers."""

    root: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it serves."""
        command = [sys.executable, "-c", "from cli.main import main; main()", "--project", str(self.root)]
        log = (self.root / "server.log").open("ab")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDS_")}
        self.process = subprocess.Popen(
            [*command, "review", "--port", str(self.port), *self.options], stdout=log, stderr=log, env=environment
        )
        log.close()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
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
        self.process.send_signal(how)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(END_S)
        ended, self.process = self.process.returncode, None
        return ended
