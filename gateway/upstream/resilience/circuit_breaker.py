"""A circuit breaker: while an AWS operation is down, its calls fail at once and AWS gets none of them."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from gateway.telemetry.metrics import set_circuit_breaker_state

logger = logging.getLogger("gateway")

# Failed calls in a row, each counted once however often it was retried. A few single errors are no outage.
# Envoy opens after five error responses, and counts each retry.
FAILURES_TO_OPEN: Final = 10
# Seconds that the breaker stays open before one call may probe. Most failures pass soon, so the first time is short,
# and each failed probe doubles it. If a probe hangs until a deadline of 10 s, the longest time still ends within 30 s
# of AWS's recovery.
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
    """The circuit breaker of one AWS operation.

    It opens after FAILURES_TO_OPEN failed calls in a row. After its open time it is half open: one call at a time may
    probe. A successful probe closes it, a failed one opens it again for twice as long.

    Start each call with `on_start`, and end it with one of `on_success`, `on_failure` and `on_cancel`, to which you
    pass the generation that `on_start` returned. Each opening begins a new generation. Results of an older generation
    are ignored, because they say nothing about AWS's present state.
    """

    def __init__(self, operation: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a closed breaker. `clock` returns seconds from any start."""
        self.generation = 0
        self._operation = operation
        self._clock = clock
        self._failures = 0
        # Both are None while the breaker is closed. A failed probe moves the second only.
        self._open_since: float | None = None
        self._open_until: float | None = None
        self._open_seconds = FIRST_OPEN_SECONDS
        self._is_probing = False

    def __repr__(self) -> str:
        """Return the operation, the state and the numbers that decide the next state."""
        return (
            f"<CircuitBreaker {self._operation} {self.state} failures={self._failures} generation={self.generation} "
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
            set_circuit_breaker_state(self._operation, State.HALF_OPEN.value)
        return self.generation

    def on_success(self, generation: int) -> None:
        """Note that AWS responded. Rejected and throttled calls count as well, since AWS is there."""
        if generation != self.generation:
            return
        self._failures = 0
        if self._open_until is not None:
            self._open_since, self._open_until = None, None
            self._open_seconds, self._is_probing = FIRST_OPEN_SECONDS, False
            set_circuit_breaker_state(self._operation, State.CLOSED.value)
            logger.warning("%s responds again", self._operation)

    def on_failure(self, generation: int, *, is_retry: bool = False) -> None:
        """Note that AWS failed, could not be reached, or did not respond for a long time.

        Args:
            generation: The value that `on_start` returned for this call.
            is_retry: True if an earlier attempt of the same call has failed. It is not counted a second time.
        """
        if generation != self.generation:
            return
        self._failures += not is_retry
        if self._is_probing or self._failures >= FAILURES_TO_OPEN:
            self._open()

    def on_cancel(self, generation: int) -> None:
        """Note that the caller stopped waiting for the response. If the call was a probe, another call may probe."""
        if generation == self.generation:
            self._is_probing = False

    def _open(self) -> None:
        logger.warning(
            "%s: %d calls in a row failed. No call is sent for %g s.",
            self._operation,
            self._failures,
            self._open_seconds,
        )
        set_circuit_breaker_state(self._operation, State.OPEN.value)
        self.generation += 1
        now = self._clock()
        self._open_since = now if self._open_since is None else self._open_since
        self._open_until, self._is_probing = now + self._open_seconds, False
        self._open_seconds = min(2 * self._open_seconds, MAX_OPEN_SECONDS)
