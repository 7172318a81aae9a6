"""The fair queue in front of the calls: each attempt waits for its place, and a 429 slows the rate."""

from collections.abc import Mapping
from math import inf
from time import monotonic

from gateway.errors import Throttled, UpstreamError
from gateway.shared_state.circuit_breaker import CircuitBreaker
from gateway.telemetry.metrics import set_rate_limit
from gateway.upstream.call import Call, Transport, UpstreamResponse
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.circuit_breaking_transport import reject_if_open
from gateway.upstream.resilience.fair_queue import FairQueue


class QueueingTransport:
    """Calls that are made when the fair queue admits them.

    Args:
        transport: Makes the calls.
        queue: Holds the calls in flight and those that wait.
        rate_limiter: Slows the queue after a 429.
        breakers: The circuit breaker of each operation. If it is open, a call does not enter the queue.
    """

    def __init__(
        self,
        transport: Transport,
        queue: FairQueue,
        rate_limiter: AdaptiveRateLimiter,
        breakers: Mapping[str, CircuitBreaker],
    ) -> None:
        self._transport = transport
        self._queue = queue
        self._rate_limiter = rate_limiter
        self._breakers = breakers
        self._shown_rate: float | None = None

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response to a call, which is made when the fair queue admits it.

        Raises:
            UpstreamError: If the call fails, if its operation's circuit is open, or if it would leave the queue too
                late.
        """
        operation = call.operation.name
        reject_if_open(self._breakers[operation], operation)
        if not self._queue.try_acquire(operation):
            try:
                await self._queue.acquire(operation, call.requester, call)
            except UpstreamError as error:
                error.was_sent = False
                raise
        started_at = monotonic()
        try:
            response = await self._transport.call(call)
        except Throttled:
            self._rate_limiter.on_throttled(started_at)
            self._queue.evict_late()
            self._show_rate()
            raise
        finally:
            self._queue.release(operation)
        if self._shown_rate is not None:
            self._show_rate()
        return response

    def _show_rate(self) -> None:
        self._shown_rate = self._rate_limiter.rate
        set_rate_limit(inf if self._shown_rate is None else self._shown_rate)
