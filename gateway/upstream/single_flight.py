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
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def do(self, key: Hashable, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of `call`, or of one with the same key that is already under way.

        A caller may be cancelled without a loss to the others; the call itself ends with the last one that waits.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(call()))
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        try:
            # The first caller may hang up; those who joined still want the page.
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _land(self, key: Hashable, flight: "_Flight[T]") -> None:
        if flight.task.done() and not flight.task.cancelled():
            # Where all who waited have left, nobody else looks at a fault, and asyncio would log it as lost.
            flight.task.exception()
        # A cancelled flight ends after a new one with its key may have begun.
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[T]):
    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
