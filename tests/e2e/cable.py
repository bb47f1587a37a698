"""A network cable that can be pulled: a TCP proxy that resets what goes through it."""

import asyncio
import random
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 65_536


class Cable:
    """Forwards one loopback port to another; cut, it resets every connection and refuses new ones."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.port = 0
        self._swallowing = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The address that browsers are given."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pull()

    async def plug(self) -> None:
        """Connect, on the same port as before."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Reset every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def cut(self, seconds: float, swallow_s: float = 0.0) -> None:
        """Pull for a while; before that, for `swallow_s`, requests arrive but answers are lost."""
        self._swallowing = swallow_s > 0
        await asyncio.sleep(swallow_s)
        await self.pull()
        self._swallowing = False
        await asyncio.sleep(seconds)
        await self.plug()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(upstream)
        await asyncio.gather(self._copy(reader, upstream, False), self._copy(upstream_reader, writer, True))
        self._writers -= {writer, upstream}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if not (is_answer and self._swallowing):
                    writer.write(data)
                    await writer.drain()
        with suppress(OSError):
            writer.close()


def random_cut(rng: random.Random) -> tuple[float, float]:
    """Seconds without a cable, and seconds before them in which answers are lost; half of the cuts have such."""
    return rng.uniform(0.3, 3.0), rng.choice([0.0, rng.uniform(0.2, 1.5)])
