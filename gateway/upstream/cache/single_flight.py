"""Single flight: if identical calls are in flight at the same time, only one is made."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from gateway.upstream.call import HasDeadline

C = TypeVar("C", bound=HasDeadline)
T = TypeVar("T")


class SingleFlight(Generic[C, T]):
    """Identical calls in flight, which share one result or one error.

    Results are not cached. If a caller arrives after the result, it starts a new call.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[C, T]] = {}

    async def do(self, key: Hashable, work: Callable[[C], Coroutine[Any, Any, T]], call: C) -> T:
        """Return the result of `work(call)`, or of a call in flight with the same key.

        If a caller is cancelled or gives up, the others still get the result. The work is cancelled when its last
        caller has left.

        Args:
            key: Identifies identical calls.
            work: Makes the call. Its argument is the first caller's call.
            call: The caller's own call. Its deadline is in seconds of the event loop's clock.

        Raises:
            TimeoutError: If there is no result at the deadline of the caller's own call.
        """
        loop = asyncio.get_running_loop()
        deadline = call.deadline
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(call, loop.create_task(work(call)))
            flight.task.add_done_callback(partial(self._land, key, flight))
        elif deadline > flight.call.deadline:
            flight.call.deadline = deadline
        # The first caller may be cancelled while other callers still wait, so each waits for its own future. Since
        # Python 3.14, asyncio.shield logs the call's error if a caller was cancelled. asyncio.wait is slower.
        caller = loop.create_future()
        flight.callers.add(caller)
        timer = loop.call_at(deadline, _wake, caller)
        try:
            await caller
            if not flight.task.done():
                raise TimeoutError
            return flight.task.result()
        finally:
            timer.cancel()
            flight.callers.discard(caller)
            if not flight.callers and not flight.task.done():
                self._remove(key, flight)
                flight.task.cancel()

    def _land(self, key: Hashable, flight: "_Flight[C, T]", task: asyncio.Task[T]) -> None:
        """Wake the callers of a flight whose task is done."""
        if not task.cancelled():
            # Read the error. If all callers have left, asyncio would otherwise log it as never retrieved.
            task.exception()
        self._remove(key, flight)
        for caller in flight.callers:
            _wake(caller)

    def _remove(self, key: Hashable, flight: "_Flight[C, T]") -> None:
        # A cancelled flight may end after a new one with its key has started.
        if self._flights.get(key) is flight:
            del self._flights[key]


def _wake(caller: asyncio.Future[None]) -> None:
    if not caller.done():
        caller.set_result(None)


class _Flight(Generic[C, T]):
    """A call in flight, and a future for each caller that waits for it."""

    __slots__ = ("call", "callers", "task")

    def __init__(self, call: C, task: asyncio.Task[T]) -> None:
        self.call = call
        self.callers: set[asyncio.Future[None]] = set()
        self.task = task
