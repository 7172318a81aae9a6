"""Single flight: if identical calls are in flight at the same time, only one is made."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, Protocol, TypeVar


class Joinable(Protocol):
    """A call with a deadline, which grows if others join it."""

    deadline: float


C = TypeVar("C", bound=Joinable)
T = TypeVar("T")


class SingleFlight(Generic[C, T]):
    """Identical calls in flight, which share one result or one error.

    Results are not cached. If a caller arrives after the result, it starts a new call.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[C, T]] = {}

    async def do(self, key: Hashable, work: Callable[[C], Coroutine[Any, Any, T]], call: C) -> T:
        """Return the result of `work(call)`, or of a call in flight with the same key.

        If a caller is cancelled, the others still get the result. The work is cancelled when its last caller has left.

        Args:
            key: Identifies identical calls.
            work: Makes the call. Its argument is the first caller's call.
            call: The caller's own call. Its deadline tells the work how long this caller waits. This method does not
                enforce the deadline, so the caller must give up itself.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(call, asyncio.create_task(work(call)))
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.callers += 1
        flight.call.deadline = max(flight.call.deadline, call.deadline)
        try:
            # The first caller may be cancelled while other callers still wait. asyncio.shield would allow that, too.
            # But since Python 3.14 it logs the call's error if a caller was cancelled.
            await asyncio.wait((flight.task,))
            return flight.task.result()
        finally:
            flight.callers -= 1
            if flight.callers == 0 and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _land(self, key: Hashable, flight: "_Flight[C, T]") -> None:
        if flight.task.done() and not flight.task.cancelled():
            # Read the error. If all callers have left, asyncio would otherwise log it as never retrieved.
            flight.task.exception()
        # A cancelled flight may end after a new one with its key has started.
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[C, T]):
    """A call in flight, and how many callers wait for it."""

    __slots__ = ("call", "callers", "task")

    def __init__(self, call: C, task: asyncio.Task[T]) -> None:
        self.call = call
        self.callers = 0
        self.task = task
