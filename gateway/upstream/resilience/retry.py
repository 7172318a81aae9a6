"""Retries: a failed call is retried if that may help, up to three attempts and within the retry budget."""

import asyncio
import random
from collections.abc import Mapping
from itertools import count
from typing import Final

from gateway.errors import Throttled, UpstreamError
from gateway.shared_state.circuit_breaker import CircuitBreaker
from gateway.telemetry.metrics import count_retry, count_retry_budget_exhausted
from gateway.upstream.aws.error_mapping import is_transient
from gateway.upstream.call import Call, Transport, UpstreamResponse
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.retry_budget import RetryBudget

# The AWS SDKs' own count. One call and two retries outlast a short error, and multiply an outage's calls by at most 3.
MAX_ATTEMPTS: Final = 3
# Full jitter: 0 to 100 ms before the second attempt and 0 to 200 ms before the third. AWS's architecture blog advises
# it if there are many clients. Both fit in any sensible deadline.
BACKOFF_SECONDS: Final = 0.1


class RetryingTransport:
    """Calls with up to MAX_ATTEMPTS attempts.

    A call that is not sent (no credentials, an open circuit, no place in the queue) is not retried.

    Args:
        transport: Makes one attempt.
        breakers: The circuit breaker of each operation. If it is open, a retry could not be sent.
        queue: Estimates when a throttled call could be made again.
    """

    def __init__(self, transport: Transport, breakers: Mapping[str, CircuitBreaker], queue: FairQueue) -> None:
        self._transport = transport
        self._breakers = breakers
        self._queue = queue
        self._budget = RetryBudget()
        self._in_flight = 0

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response of the first attempt that succeeds.

        Raises:
            UpstreamError: The error of the last attempt that was sent.
        """
        error: UpstreamError | None = None
        self._in_flight += 1
        try:
            for call.attempt in count(1):
                try:
                    response = await self._transport.call(call)
                except UpstreamError as raised:
                    if not raised.was_sent:
                        raise error or raised from None
                    error = raised
                else:
                    self._budget.on_success()
                    return response
                wait = self._wait_before_retry(call, error)
                # The error may still be changed, because other requests get it only when the call has ended.
                if isinstance(error, Throttled) and error.retry_after is None:
                    error.retry_after = self._queue.expected_wait(call.requester)
                if wait is None:
                    raise error
                await asyncio.sleep(wait)
                count_retry(call.operation.name)
        finally:
            self._in_flight -= 1
        raise AssertionError  # The loop above ends only by return or raise.

    def _wait_before_retry(self, call: Call, error: UpstreamError) -> float | None:
        """Return the seconds until the next attempt, or None if the call must not be retried."""
        if call.attempt == MAX_ATTEMPTS or not is_transient(error):
            return None
        jitter = random.uniform(0, BACKOFF_SECONDS * 2 ** (call.attempt - 1))  # noqa: S311  # No secret.
        wait = (error.retry_after or 0.0) + jitter
        operation = call.operation.name
        if asyncio.get_running_loop().time() + wait >= call.deadline or self._breakers[operation].retry_after > 0:
            return None
        # Only many calls make a retry storm. If this call is alone, it needs no budget, even if the budget is spent.
        if self._in_flight > 1 and not self._budget.spend():
            count_retry_budget_exhausted(operation)
            return None
        return wait
