"""The graceful shutdown of the HTTP server. Callers' requests finish first, and the admin port responds until then."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn

from gateway.http.admin import DRAINING
from gateway.server.exchange import Exchange
from gateway.server.protocol import LimitedHttpProtocol

# Seconds between two looks at the connections that are still open.
POLL_SECONDS: Final = 0.05
# Seconds in which the responses of the admin port, and the error responses to unfinished requests, may be sent. A probe
# of `/readyz` takes up to 4 s, 2 for credentials and 2 for its call (gateway/upstream/readiness.py).
CLOSING_SECONDS: Final = 4


class DrainingServer(uvicorn.Server):
    """A server that keeps its other sockets open until the requests on the first one are finished.

    The first socket is the callers'. The second one, if there is one, is the admin port's.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._settings = config

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests in flight, cancel those that take too long, and log both.

        Order: `/readyz` says that the process is shutting down. The callers' socket is closed, and so are their idle
        connections. When their last connection is closed, or after the shutdown timeout, the admin port is closed too.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        timeout = self._settings.timeout_graceful_shutdown or 0
        self._settings.timeout_graceful_shutdown = CLOSING_SECONDS
        # The protocol copies this state into each request that begins from now on.
        self.lifespan.state[DRAINING] = True
        listeners = sockets or []
        admin_ports = {each.getsockname()[1] for each in listeners[1:]}
        self.servers[0].close()
        for callers in listeners[:1]:
            callers.close()
        for connection in [*self._connections(admin_ports, admin=False)]:
            connection.shutdown()
        in_flight = self._unfinished(admin_ports)
        _log("shutdown begins", requests_in_flight=len(in_flight))
        while (
            any(self._connections(admin_ports, admin=False)) and loop.time() < began + timeout and not self.force_exit
        ):
            await asyncio.sleep(POLL_SECONDS)
            in_flight |= self._unfinished(admin_ports)
        cut_off = self._unfinished(admin_ports)
        finished = sum(each.is_complete for each in in_flight)
        if cut_off:
            await self._cancel_requests(admin_ports)
        await super().shutdown(sockets)
        _log("shutdown ended", finished=finished, cut_off=len(cut_off), seconds=round(loop.time() - began, 1))

    async def _cancel_requests(self, admin_ports: set[int]) -> None:
        """Cancel all requests, when the admin port has none, so that a scrape in flight completes."""
        for _ in range(round(CLOSING_SECONDS / POLL_SECONDS)):
            if not any(each.unfinished for each in self._connections(admin_ports, admin=True)):
                break
            await asyncio.sleep(POLL_SECONDS)
        # Otherwise each pipelined request would begin when the one before it is cancelled.
        for connection in self._connections(admin_ports, admin=False):
            connection.drop_waiting()
        for task in self.server_state.tasks:
            task.cancel()

    def _unfinished(self, admin_ports: set[int]) -> set[Exchange]:
        return {each for connection in self._connections(admin_ports, admin=False) for each in connection.unfinished}

    def _connections(self, admin_ports: set[int], *, admin: bool) -> Iterator[LimitedHttpProtocol]:
        for each in self.server_state.connections:
            if not isinstance(each, LimitedHttpProtocol) or each.server is None:
                continue
            _, port = each.server
            if (port in admin_ports) is admin:
                yield each


def _log(event: str, **facts: float) -> None:
    # The emulator has no log.
    if structlog.is_configured():
        structlog.get_logger().info(event, **facts)
