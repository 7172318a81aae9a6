"""Detection of clients that disconnect before the response is complete."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive

# Seconds before a request is watched. Most responses are complete by then, so that they only pay for a timer and not
# for a task. A slow request is cancelled soon enough to save most of its upstream calls.
UNWATCHED_SECONDS: Final = 0.5


class ClientDisconnected(Exception):
    """The client has closed the connection, so no response can be sent."""


class DisconnectWatcher:
    """A context manager that cancels its block when the client disconnects.

    The block must run in one task, and nothing else may call `receive` meanwhile.

    Attributes:
        on_disconnect: If it is set, it gets the function that cancels the block, instead of the block being cancelled.

    Raises:
        ClientDisconnected: At the end of the block, if the client has disconnected.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.on_disconnect: Callable[[Callable[[], None]], None] | None = None
        self._disconnected = self._cancelled = False
        self._request_task: asyncio.Task[None] | None = None
        self._watch_task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._request_task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watch_task is not None:
            self._watch_task.cancel()
        if not self._disconnected or self._request_task is None:
            return
        # If something else cancelled the task as well, such as a server that shuts down, the task stays cancelled.
        stays_cancelled = self._request_task.uncancel() > 0 if self._cancelled else kind is asyncio.CancelledError
        if not stays_cancelled:
            raise ClientDisconnected

    def _start(self) -> None:
        self._watch_task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        # The body of a GET has not been read, so its messages arrive first. After the body, the only message left is
        # the disconnect.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._disconnected = True
        if self.on_disconnect is None:
            self._cancel()
        else:
            self.on_disconnect(self._cancel)

    def _cancel(self) -> None:
        if self._request_task is not None:
            self._cancelled = True
            self._request_task.cancel()
