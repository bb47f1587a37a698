"""End connections that are slow to say what they want: a few sockets must not keep a server's places.

uvicorn ends a connection that idles between two requests (`timeout_keep_alive`), but waits for ever for the first byte,
for the rest of the headers and for the rest of a body.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

RECEIVE_S = 20.0  # from the connection, or a request's first byte, to its last; a body has at most 256 KiB


class TimelyProtocol(H11Protocol):
    """HTTP/1.1 where a request must have come whole within 20 seconds."""

    receive_s = RECEIVE_S
    ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for the rest if there is one."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request; part of it may have come."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop_watching()

    def _watch(self) -> None:
        """Start the clock when a request begins to come, and stop it when all of it is there."""
        if not self._is_coming():
            self._stop_watching()
        elif self.ending is None:
            self.ending = self.loop.call_later(self.receive_s, self.transport.close)

    def _is_coming(self) -> bool:
        if self.transport.is_closing():
            return False
        state = self.conn.their_state
        is_first = self.cycle is None
        return state is h11.SEND_BODY or (state is h11.IDLE and (is_first or bool(self.conn.trailing_data[0])))

    def _stop_watching(self) -> None:
        if self.ending is not None:
            self.ending.cancel()
            self.ending = None
