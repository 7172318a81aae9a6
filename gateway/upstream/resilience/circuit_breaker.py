"""Spares callers the wait for an operation that is down, and the operation the calls."""

import logging
import time
from collections.abc import Callable
from typing import Final, Literal

from gateway.telemetry.metrics import set_circuit_breaker_state

logger = logging.getLogger("gateway")

# Calls that fail without one answer between them, each counted once, whatever its retries: a few odd faults one after
# the other are no outage. Envoy takes five answers, before retries.
FAILURES_TO_OPEN: Final = 10
# Seconds that it stays open before one call may try: short at first, as most failures pass, then twice as long each
# time. With a probe that hangs until a deadline of 10 s the longest still ends within 30 s of healing.
FIRST_OPEN_SECONDS: Final = 2.0
MAX_OPEN_SECONDS: Final = 15.0
# What callers are told to wait while a probe is under way; nobody knows how long it takes.
PROBING_SECONDS: Final = 1.0


class CircuitBreaker:
    """The breaker of one operation: closed, open after FAILURES_TO_OPEN failed calls in a row, half-open for one probe.

    Each call that is made is begun, and ends in one of answered, failed and abandoned, with what `begin` gave. What was
    begun before the breaker last opened says nothing of what is now, and is passed over.
    clock: seconds from any start.
    """

    def __init__(self, operation: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._operation = operation
        self._clock = clock
        self._failures = 0
        # When it opened first since it was last closed; both None: closed.
        self._open_since: float | None = None
        self._open_until: float | None = None
        self._open_seconds = FIRST_OPEN_SECONDS
        self._probing = False
        # Counts how often it has opened.
        self._era = 0

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        """Half-open: a probe may be made, or is under way."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    @property
    def open_since(self) -> float | None:
        """When it opened, by its clock, however often a probe has failed since; None where it is closed."""
        return self._open_since

    @property
    def wait(self) -> float:
        """Seconds until a call may be tried, 0 where it may be now."""
        if self._open_until is None:
            return 0.0
        return PROBING_SECONDS if self._probing else max(0.0, self._open_until - self._clock())

    def begin(self) -> int:
        """A call is made; only where `wait` is 0."""
        if self._open_until is not None:
            self._probing = True
            set_circuit_breaker_state(self._operation, "half-open")
        return self._era

    def answered(self, era: int) -> None:
        """The upstream is there, whatever it said."""
        if era != self._era:
            return
        self._failures = 0
        if self._open_until is not None:
            self._open_since, self._open_until = None, None
            self._open_seconds, self._probing = FIRST_OPEN_SECONDS, False
            set_circuit_breaker_state(self._operation, "closed")
            logger.warning("%s answers again", self._operation)

    def failed(self, era: int, *, again: bool = False) -> None:
        """The upstream failed, or could not be reached, or did not answer for long.

        again: the call is another attempt at one that had failed before.
        """
        if era != self._era:
            return
        self._failures += not again
        if not self._probing and self._failures < FAILURES_TO_OPEN:
            return
        logger.warning(
            "%s: %d calls in a row failed; none is made for %g s", self._operation, self._failures, self._open_seconds
        )
        set_circuit_breaker_state(self._operation, "open")
        self._era += 1
        now = self._clock()
        self._open_since = now if self._open_since is None else self._open_since
        self._open_until, self._probing = now + self._open_seconds, False
        self._open_seconds = min(2 * self._open_seconds, MAX_OPEN_SECONDS)

    def abandoned(self, era: int) -> None:
        """Nobody waited for the answer any more: another call may probe."""
        if era == self._era:
            self._probing = False
