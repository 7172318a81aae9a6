"""A server on an event loop whose clock a test moves forward, so that timeouts take no time."""

import asyncio
import selectors
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import uvicorn
from starlette.types import ASGIApp

from gateway.server.http1_checks import ConnectionLimits
from gateway.server.protocol import LimitedHttpProtocol
from tests.support.raw_http import TIMEOUT_SECONDS, Wire, wire
from tests.support.serving import served

# Turns of the loop in which an application that waits for no other thread responds to a request.
TURNS = 10


class LoopClock(asyncio.SelectorEventLoop):
    """An event loop with a clock that can be moved forward."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self.ahead_seconds


class ClockedServer:
    """A server on such a loop. It counts the bytes of its clients, so that a test can wait until all are parsed."""

    def __init__(self) -> None:
        self.loop = LoopClock()
        self.url = ""
        self._clients: list[Wire] = []
        # Bytes received by the client's port, and the ports of the connections that have ended.
        self._received: Counter[int] = Counter()
        self._ended: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """Connect a client that `settle` waits for."""
        with wire(self.url) as client:
            self._clients.append(client)
            try:
                yield client
            finally:
                self._clients.remove(client)

    def settle(self) -> None:
        """Wait until the server has parsed all bytes that were sent.

        It never ends while a waiting pipelined request keeps the server from reading more.
        """
        with self._changed:
            assert self._changed.wait_for(self._has_all, TIMEOUT_SECONDS)
        self._turn_after(0)

    def advance(self, seconds: float) -> None:
        """Settle, move the clock, and let the timers run that are due by then."""
        self.settle()
        self._turn_after(seconds)

    def _turn_after(self, seconds: float) -> None:
        async def turn() -> None:
            self.loop.ahead_seconds += seconds
            for _ in range(TURNS):
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(turn(), self.loop).result(TIMEOUT_SECONDS)

    def _has_all(self) -> bool:
        ports = ((client.socket.getsockname()[1], client.sent_bytes) for client in self._clients)
        return all(port in self._ended or self._received.get(port) == sent for port, sent in ports)

    def protocol(self) -> type[LimitedHttpProtocol]:
        """Return the protocol class, with a count of what it has parsed."""
        server = self

        class CountingProtocol(LimitedHttpProtocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                self._count(0)

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                self._count(len(data))

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                with server._changed:
                    server._ended.add(self._port())
                    server._changed.notify_all()

            def _count(self, count: int) -> None:
                with server._changed:
                    server._received[self._port()] += count
                    server._changed.notify_all()

            def _port(self) -> int:
                assert self.client is not None
                return self.client[1]

        return CountingProtocol


@contextmanager
def served_on_clock(app: ASGIApp, limits: ConnectionLimits) -> Iterator[ClockedServer]:
    """Serve an application while the block runs."""
    server = ClockedServer()
    with ExitStack() as running:
        with (
            patch.object(uvicorn.Config, "get_loop_factory", lambda _config: lambda: server.loop),
            patch("gateway.server.run.LimitedHttpProtocol", server.protocol()),
        ):
            server.url = running.enter_context(served(app, limits))
        yield server


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when there is nothing else to do.

    It suits code that waits for timers only. The time that it shows is the sum of the waits.
    """

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing would ever happen on this loop"
        self._loop.now += timeout
        return super().select(0)
