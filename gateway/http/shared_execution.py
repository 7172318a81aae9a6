"""Executions in flight, which identical requests join instead of executing the same operation again."""

import asyncio
from collections.abc import Callable

from gateway.http.response_store import RequestKey, StoredResponse


class SharedExecution:
    """One execution in flight. The request that started it runs it, and others may wait for its response."""

    __slots__ = ("_cancel", "_waiting")

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[StoredResponse | None]] = set()
        self._cancel: Callable[[], object] | None = None

    async def response(self) -> StoredResponse | None:
        """Wait for the response. Return None if it cannot be shared, or if the execution was cancelled."""
        waiter: asyncio.Future[StoredResponse | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)
            if self._cancel is not None and not self._waiting:
                self._cancel()

    def leave(self, cancel: Callable[[], object]) -> None:
        """Go on for the requests that wait, although the client of the starting request has disconnected.

        Args:
            cancel: Cancels the execution. It is called when no request waits, which may be now.
        """
        if self._waiting:
            self._cancel = cancel
        else:
            cancel()

    def end(self, response: StoredResponse | None) -> None:
        """Give the response to all requests that wait, or None if there is no response to share."""
        self._cancel = None
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(response)


class SharedExecutions:
    """The executions in flight of one process, by their requests."""

    def __init__(self) -> None:
        self._executions: dict[RequestKey, SharedExecution] = {}

    def get(self, key: RequestKey) -> SharedExecution | None:
        """Return the execution that a request may join."""
        return self._executions.get(key)

    def start(self, key: RequestKey) -> SharedExecution:
        """Return a new execution for identical requests to join, unless they can join an earlier one."""
        execution = SharedExecution()
        self._executions.setdefault(key, execution)
        return execution

    def end(self, key: RequestKey, execution: SharedExecution, response: StoredResponse | None) -> None:
        """End an execution. Later requests do not join it."""
        if self._executions.get(key) is execution:
            del self._executions[key]
        execution.end(response)
