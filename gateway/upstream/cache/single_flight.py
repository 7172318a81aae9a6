"""Identical calls that are under way at once are one call."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Let callers that ask the same thing at the same time share one answer, or one fault.

    Nothing is kept: a caller that comes after the answer starts a new call.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[T]] = {}

    async def do(self, key: Hashable, call: Callable[["Flight[T]"], Coroutine[Any, Any, T]], deadline: float) -> T:
        """The answer of `call`, or of one with the same key that is already under way.

        call: it is told of its flight, which it need not outlast.
        deadline: until when this caller waits, for the call to know; it is the caller that gives up.
        A caller may be cancelled without a loss to the others; the call itself ends with the last one that waits.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(call, deadline)
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        flight.deadline = max(flight.deadline, deadline)
        try:
            # The first caller may hang up; those who joined still want the page.
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _land(self, key: Hashable, flight: "Flight[T]") -> None:
        if flight.task.done() and not flight.task.cancelled():
            # Where all who waited have left, nobody else looks at a fault, and asyncio would log it as lost.
            flight.task.exception()
        # A cancelled flight ends after a new one with its key may have begun.
        if self._flights.get(key) is flight:
            del self._flights[key]


class Flight(Generic[T]):
    """A call under way for all who wait for it.

    deadline: the latest of theirs.
    """

    __slots__ = ("deadline", "task", "waiting")

    def __init__(self, call: Callable[["Flight[T]"], Coroutine[Any, Any, T]], deadline: float) -> None:
        self.deadline = deadline
        self.waiting = 0
        self.task = asyncio.create_task(call(self))
