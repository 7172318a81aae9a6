"""Circuit breakers in front of the calls: if an operation keeps failing, it is not called for a while."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from gateway.errors import UpstreamError, UpstreamFailure, UpstreamTimeout, UpstreamUnavailable, UpstreamUnreachable
from gateway.shared_state.circuit_breaker import CircuitBreaker, State
from gateway.telemetry.metrics import set_circuit_breaker_state
from gateway.upstream.call import Call, Transport, UpstreamResponse

logger = logging.getLogger("gateway")

# Failed calls in a row, each counted once however often it was retried. A few single errors are no outage.
# Envoy opens after five error responses, and counts each retry.
FAILURES_TO_OPEN: Final = 10
# Seconds after which a cancelled call counts as one that hangs, or half of a request's time if that is less. If a call
# is cancelled earlier, that is no sign of a failure. AWS responds in well under a second.
HUNG_SECONDS: Final = 5.0

# The errors that the breaker counts. Any other error (a rejection, a 429, an unreadable response) comes from a server
# that responds, so an open circuit would save callers no time.
_FAILURES: Final = (UpstreamFailure, UpstreamUnavailable, UpstreamUnreachable, UpstreamTimeout)
_FIRST_SERVER_ERROR: Final = 500


class CircuitBreakingTransport:
    """Calls whose outcomes open and close the circuit of their operation.

    Args:
        transport: Makes the calls.
        breakers: The circuit breaker of each operation.
        request_seconds: Seconds that a request may take in all.
    """

    def __init__(self, transport: Transport, breakers: Mapping[str, CircuitBreaker], request_seconds: float) -> None:
        self._transport = transport
        self._breakers = breakers
        self._hung_seconds = min(HUNG_SECONDS, request_seconds / 2)

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response to a call.

        Raises:
            UpstreamError: If the call fails.
            UpstreamUnavailable: If the circuit is open. The call is then not sent.
        """
        breaker, started_at = self._breakers[call.operation.name], monotonic()
        # The circuit may have opened while the call was in the queue.
        reject_if_open(breaker, call.operation.name)
        generation, is_retry = breaker.on_start(), call.attempt > 1
        try:
            response = await self._transport.call(call)
        except UpstreamError as error:
            # If the status is a 408 or another 4xx, the error is no failure.
            if isinstance(error, _FAILURES) and (error.status or _FIRST_SERVER_ERROR) >= _FIRST_SERVER_ERROR:
                breaker.on_failure(generation, is_retry=is_retry)
            else:
                breaker.on_success(generation)
            raise
        except asyncio.CancelledError:
            if monotonic() - started_at < self._hung_seconds:
                breaker.on_cancel(generation)
            else:
                breaker.on_failure(generation, is_retry=is_retry)
            raise
        breaker.on_success(generation)
        return response


def operation_breaker(operation: str, clock: Callable[[], float] = monotonic) -> CircuitBreaker:
    """Return the circuit breaker of one AWS operation, with its state in the log and in the metrics."""
    return CircuitBreaker(operation, FAILURES_TO_OPEN, _report, clock)


def _report(breaker: CircuitBreaker, state: State) -> None:
    set_circuit_breaker_state(breaker.name, state.value)
    if state is State.OPEN:
        logger.warning(
            "%s: %d calls in a row failed. No call is sent for %.0f s.",
            breaker.name,
            breaker.failures,
            breaker.retry_after,
        )
    elif state is State.CLOSED:
        logger.warning("%s responds again.", breaker.name)


def reject_if_open(breaker: CircuitBreaker, operation: str) -> None:
    """Raise UpstreamUnavailable if a circuit is open."""
    if breaker.retry_after > 0:
        detail = "no call was made, because the circuit breaker is open"
        error = UpstreamUnavailable(operation, retry_after=breaker.retry_after, detail=detail)
        error.was_sent = False
        raise error
