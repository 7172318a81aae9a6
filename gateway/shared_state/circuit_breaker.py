"""A circuit breaker: while a service is down, calls to it fail at once and the service gets none of them."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

# Seconds that the breaker stays open before one call may probe. Most failures pass soon, so the first time is short,
# and each failed probe doubles it. If a probe hangs until a deadline of 10 s, the longest time still ends within 30 s
# of the recovery.
FIRST_OPEN_SECONDS: Final = 2.0
MAX_OPEN_SECONDS: Final = 15.0
# The retry-after of calls that arrive during a probe, whose length is unknown.
PROBING_SECONDS: Final = 1.0


class State(StrEnum):
    """The states of a circuit breaker, by their usual names."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """The circuit breaker of one service, such as an AWS operation or Redis.

    It opens after some failed calls in a row. After its open time it is half open: one call at a time may probe. A
    successful probe closes it, a failed one opens it again for twice as long.

    Start each call with `on_start`, and end it with one of `on_success`, `on_failure` and `on_cancel`, to which you
    pass the generation that `on_start` returned. Each opening begins a new generation. Results of an older generation
    are ignored, because they say nothing about the service's present state.

    Attributes:
        name: The name of the service.
        generation: The number of openings so far.
        failures: Failed calls in a row.
    """

    def __init__(
        self,
        name: str,
        failures_to_open: int,
        report: Callable[["CircuitBreaker", State], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a closed breaker.

        Args:
            name: The name of the service.
            failures_to_open: Failed calls in a row that open it.
            report: Called after each change, with the breaker and its new state.
            clock: Returns seconds from any start.
        """
        self.name = name
        self.generation = 0
        self.failures = 0
        self._failures_to_open = failures_to_open
        self._report = report
        self._clock = clock
        # Both are None while the breaker is closed. A failed probe moves the second only.
        self._open_since: float | None = None
        self._open_until: float | None = None
        self._open_seconds = FIRST_OPEN_SECONDS
        self._is_probing = False

    def __repr__(self) -> str:
        """Return the name, the state and the numbers that decide the next state."""
        return (
            f"<CircuitBreaker {self.name} {self.state} failures={self.failures} generation={self.generation} "
            f"retry_after={self.retry_after:g}>"
        )

    @property
    def state(self) -> State:
        """The state now. HALF_OPEN means that a probe may start or is in flight."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    @property
    def open_since(self) -> float | None:
        """The time, by the breaker's clock, at which it left the closed state. None if it is closed."""
        return self._open_since

    @property
    def retry_after(self) -> float:
        """Seconds until a call may start, or 0 if it may start now."""
        if self._open_until is None:
            return 0.0
        return PROBING_SECONDS if self._is_probing else max(0.0, self._open_until - self._clock())

    def on_start(self) -> int:
        """Note that a call starts, which it may only do if `retry_after` is 0, and return the generation."""
        if self._open_until is not None:
            self._is_probing = True
            self._change(State.HALF_OPEN)
        return self.generation

    def on_success(self, generation: int) -> None:
        """Note that the service responded. Rejected and throttled calls count as well, since the service is there."""
        if generation != self.generation:
            return
        self.failures = 0
        if self._open_until is not None:
            self._open_since, self._open_until = None, None
            self._open_seconds, self._is_probing = FIRST_OPEN_SECONDS, False
            self._change(State.CLOSED)

    def on_failure(self, generation: int, *, is_retry: bool = False) -> None:
        """Note that the service failed, could not be reached, or did not respond for a long time.

        Args:
            generation: The value that `on_start` returned for this call.
            is_retry: True if an earlier attempt of the same call has failed. It is not counted a second time.
        """
        if generation != self.generation:
            return
        self.failures += not is_retry
        if self._is_probing or self.failures >= self._failures_to_open:
            self._open()

    def on_cancel(self, generation: int) -> None:
        """Note that the caller stopped waiting for the response. If the call was a probe, another call may probe."""
        if generation == self.generation:
            self._is_probing = False

    def _open(self) -> None:
        self.generation += 1
        now = self._clock()
        self._open_since = now if self._open_since is None else self._open_since
        self._open_until, self._is_probing = now + self._open_seconds, False
        self._open_seconds = min(2 * self._open_seconds, MAX_OPEN_SECONDS)
        self._change(State.OPEN)

    def _change(self, state: State) -> None:
        if self._report is not None:
            self._report(self, state)
