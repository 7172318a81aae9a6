"""Notices that a client has left before its answer was made."""

import asyncio
from types import TracebackType
from typing import Final

from starlette.types import Receive

# Seconds that an answer may take before anyone looks whether its client still waits. Nearly all are out by then, and
# pay for a timer alone, not for a task of their own; a slow answer is given up soon enough to spare most of its calls.
UNWATCHED_SECONDS: Final = 0.5


class ClientDisconnected(Exception):
    """There is nobody to answer any more."""


class DisconnectWatcher:
    """Ends the block that an answer is made in once its client has left.

    Raises, at the block's end: ClientDisconnected.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._client_left = False
        self._answering: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._answering = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._start)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        # Cancelled from elsewhere, such as by a server that stops, it stays so.
        if self._client_left and self._answering is not None and self._answering.uncancel() == 0:
            raise ClientDisconnected

    def _start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        # A GET's body, which nobody has read, is told of first; after it there is only the client's leaving.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._client_left = True
        if self._answering is not None:
            self._answering.cancel()
