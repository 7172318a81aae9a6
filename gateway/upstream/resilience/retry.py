"""One call made as often as it takes and is worth: up to three attempts, and none that nobody could wait for.

Before each attempt stand the credentials, the operation's breaker and the process's turns; after one that failed, what
may still mend it, the retry budget, and the deadline.
"""

import asyncio
import random
from collections.abc import Mapping
from math import inf
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

from gateway.errors import (
    Throttled,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from gateway.telemetry.metrics import count_retry, count_retry_budget_exhausted, set_rate_limit
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.error_mapping import is_transient
from gateway.upstream.aws.instrumented_transport import InstrumentedTransport
from gateway.upstream.aws.sigv4 import Credentials
from gateway.upstream.aws.transport import Parameters
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.circuit_breaker import CircuitBreaker
from gateway.upstream.resilience.fair_queue import FairQueue, HasDeadline
from gateway.upstream.resilience.rate_quota import RateLimiter
from gateway.upstream.resilience.retry_budget import RetryBudget

# The SDKs' own count: one call and two retries ride out a passing fault without multiplying a storm by more than 3.
MAX_ATTEMPTS: Final = 3
# Full jitter: a wait of 0 to 100 ms before the second attempt and 0 to 200 ms before the third, as AWS's
# architecture blog advises for crowds of clients; both fit in any sensible deadline.
BACKOFF_SECONDS: Final = 0.1
# A call that is given up after this long, or after half of the time that a request has, counts as one that hangs; one
# that is given up earlier says nothing of AWS, which answers in well under a second.
HUNG_SECONDS: Final = 5.0
OPERATIONS: Final = ("ListPhoneNumbers", "ListPhoneNumberOrders", "GetPhoneNumber", "GetPhoneNumberOrder")

# What the breaker counts. Every other answer, a refusal, a 429 or one that cannot be read, comes from somebody who is
# there, and costs no wait that callers could be spared.
_FAILURES: Final = (UpstreamFailure, UpstreamUnavailable, UpstreamUnreachable, UpstreamTimeout)


class RetryingTransport:
    """The process's calls, with all that holds them back. The state is for metrics and readiness; read it alone.

    concurrency: calls at once. quota: calls a second that are granted; None: as many as AWS takes.
    request_seconds: what a request may take in all.
    """

    def __init__(
        self,
        calls: InstrumentedTransport,
        credentials: CredentialCache,
        *,
        concurrency: int,
        quota: RateLimiter | None,
        request_seconds: float,
    ) -> None:
        self.breakers: Mapping[str, CircuitBreaker] = MappingProxyType(
            {name: CircuitBreaker(name) for name in OPERATIONS}
        )
        self.pace = AdaptiveRateLimiter()
        limiters = (self.pace,) if quota is None else (self.pace, quota)
        self.turns = FairQueue(OPERATIONS, concurrency, limiters)
        self.retry_budget = RetryBudget()
        self._calls = calls
        self._credentials = credentials
        self._being_made = 0
        self._hung_seconds = min(HUNG_SECONDS, request_seconds / 2)
        self._shown_pace: float | None = None

    async def make(
        self, operation: str, parameters: Parameters, requester: Requester, wanted: HasDeadline
    ) -> dict[str, Any]:
        """Call until it is answered, refused, or tried MAX_ATTEMPTS times.

        wanted: those who wait; at its deadline they give up by themselves.
        Raises: UpstreamError. Where an attempt is not made, that is what the one before it ended in.
        """
        attempt, fault = 1, None
        self._being_made += 1
        try:
            while True:
                try:
                    credentials = await self._credentials.get(operation)
                    await self._admit(operation, requester, wanted)
                except UpstreamError as refusal:
                    raise fault or refusal from None
                # They may have been renewed while the call waited for its turn.
                credentials = self._credentials.at_hand() or credentials
                try:
                    answer = await self._call(operation, parameters, credentials, again=attempt > 1)
                except UpstreamError as error:
                    fault = error
                else:
                    self.retry_budget.on_success()
                    return answer
                wait = self._wait_before_another(operation, attempt, fault, wanted.deadline)
                if isinstance(fault, Throttled) and fault.retry_after is None:
                    fault.retry_after = self.turns.expected_wait(requester)
                if wait is None:
                    raise fault
                await asyncio.sleep(wait)
                attempt += 1
                count_retry(operation)
        finally:
            self._being_made -= 1

    def overdue(self, operation: str) -> UpstreamError:
        """Return the error of a call that was not answered by its deadline: what it waited for says which."""
        late = self._credentials.overdue(operation)
        if late is not None:
            return late
        detail = f"timeout: {self._calls.host} did not respond before the request's deadline"
        return UpstreamTimeout(operation, detail=detail)

    async def _admit(self, operation: str, requester: Requester, wanted: HasDeadline) -> None:
        """Take a turn.

        Raises: UpstreamUnavailable, Throttled, UpstreamTimeout.
        """
        breaker = self.breakers[operation]
        if breaker.retry_after == 0 and not self.turns.try_acquire(operation):
            await self.turns.acquire(operation, requester, wanted)
            # It may have opened meanwhile.
            if breaker.retry_after > 0:
                self.turns.release(operation)
        if breaker.retry_after > 0:
            raise UpstreamUnavailable(
                operation, retry_after=breaker.retry_after, detail="no call was made: it has failed lately"
            )

    async def _call(
        self, operation: str, parameters: Parameters, credentials: Credentials, *, again: bool
    ) -> dict[str, Any]:
        """Make one attempt, and give its turn back.

        again: one before it has failed.
        Raises: UpstreamError.
        """
        breaker, begun_at = self.breakers[operation], monotonic()
        generation = breaker.on_start()
        try:
            answer = await self._calls.call(operation, parameters, credentials)
        except UpstreamError as fault:
            if isinstance(fault, _FAILURES) and (fault.status or 500) >= 500:  # noqa: PLR2004  # A 4xx is no failure.
                breaker.on_failure(generation, is_retry=again)
            else:
                breaker.on_success(generation)
            if isinstance(fault, Throttled):
                self.pace.on_throttled(begun_at)
                self.turns.evict_late()
                self._show_pace()
            raise
        except asyncio.CancelledError:
            if monotonic() - begun_at < self._hung_seconds:
                breaker.on_cancel(generation)
            else:
                breaker.on_failure(generation, is_retry=again)
            raise
        finally:
            self.turns.release(operation)
        breaker.on_success(generation)
        if self._shown_pace is not None:
            self._show_pace()
        return answer

    def _show_pace(self) -> None:
        self._shown_pace = self.pace.rate
        set_rate_limit(inf if self._shown_pace is None else self._shown_pace)

    def _wait_before_another(self, operation: str, attempt: int, fault: UpstreamError, deadline: float) -> float | None:
        """Seconds until the next attempt, None where there is to be none."""
        if attempt == MAX_ATTEMPTS or not is_transient(fault):
            return None
        jitter = random.uniform(0, BACKOFF_SECONDS * 2 ** (attempt - 1))  # noqa: S311  # No secret.
        wait = (fault.retry_after or 0.0) + jitter
        if asyncio.get_running_loop().time() + wait >= deadline or self.breakers[operation].retry_after > 0:
            return None
        # A storm is many calls: one that is alone needs no budget, however much was spent before it.
        if self._being_made > 1 and not self.retry_budget.spend():
            count_retry_budget_exhausted(operation)
            return None
        return wait
