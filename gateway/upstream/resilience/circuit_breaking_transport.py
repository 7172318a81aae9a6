"""Calls behind circuit breakers: an operation that keeps failing is not called for a while."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final

from gateway.errors import UpstreamError, UpstreamFailure, UpstreamTimeout, UpstreamUnavailable, UpstreamUnreachable
from gateway.upstream.call import Call, Transport, UpstreamResponse
from gateway.upstream.resilience.circuit_breaker import CircuitBreaker

# A call that is cancelled after this long, or after half of a request's time, counts as one that hangs. One that is
# cancelled earlier says nothing about AWS, which responds in well under a second.
HUNG_SECONDS: Final = 5.0

# The errors that the breaker counts. Any other one (a rejection, a 429, an unreadable response) comes from a server
# that is there, so an open circuit would save callers no wait.
_FAILURES: Final = (UpstreamFailure, UpstreamUnavailable, UpstreamUnreachable, UpstreamTimeout)
_FIRST_SERVER_ERROR: Final = 500


class CircuitBreakingTransport:
    """Calls whose outcomes open and close the circuit of their operation.

    Args:
        transport: Makes the calls.
        breakers: The circuit breaker of each operation.
        request_seconds: The time that a request may take in all.
    """

    def __init__(self, transport: Transport, breakers: Mapping[str, CircuitBreaker], request_seconds: float) -> None:
        self._transport = transport
        self._breakers = breakers
        self._hung_seconds = min(HUNG_SECONDS, request_seconds / 2)

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response to a call.

        Raises:
            UpstreamError: If the call fails.
            UpstreamUnavailable: If the circuit is open. The call is not sent then.
        """
        breaker, started_at = self._breakers[call.operation.name], monotonic()
        # It may have opened while the call was in the queue.
        reject_if_open(breaker, call.operation.name)
        generation, is_retry = breaker.on_start(), call.attempt > 1
        try:
            response = await self._transport.call(call)
        except UpstreamError as error:
            # A 408 or another 4xx is no failure.
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


def reject_if_open(breaker: CircuitBreaker, operation: str) -> None:
    """Raise UpstreamUnavailable if a circuit is open."""
    if breaker.retry_after > 0:
        detail = "no call was made: it has failed lately"
        error = UpstreamUnavailable(operation, retry_after=breaker.retry_after, detail=detail)
        error.was_sent = False
        raise error
