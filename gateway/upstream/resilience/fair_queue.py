"""A fair queue for upstream calls: limited concurrency, rate limiters, and round-robin between requests.

A call that need not wait starts at once, at a cost of microseconds. Other calls wait in a queue for their operation.
There the requests take turns, so that a request with 300 calls does not delay one with a single call.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from contextvars import Context
from itertools import zip_longest
from typing import Final

from gateway.errors import Throttled, UpstreamTimeout
from gateway.telemetry.metrics import count_queue_rejection, observe_queue_wait
from gateway.upstream.call import HasDeadline
from gateway.upstream.resilience.rate_quota import RateLimiter

# A sixteenth of the concurrent calls is reserved for each operation. If three operations hang, the fourth still works.
RESERVED_SHARE: Final = 16
# Seconds before the deadline at which starting a call is pointless, because AWS does not respond faster.
MIN_CALL_SECONDS: Final = 0.05


class FairQueue:
    """The process's upstream calls: those in flight and those that wait.

    Each call starts with `try_acquire` or `acquire` and ends with `release`. A requester is any hashable object that
    is the same for all calls of one GraphQL request.

    Attributes:
        started: The number of calls that have started so far.
    """

    def __init__(self, operations: Iterable[str], limit: int, limiters: Sequence[RateLimiter] = ()) -> None:
        """Create an empty queue.

        Args:
            operations: The names of the AWS operations.
            limit: Number of calls in flight at the same time, at least 1.
            limiters: Rate limiters from each of which every call needs a permit.
        """
        self.started = 0
        self._limit = limit
        self._limiters = limiters
        self._reserved = limit // RESERVED_SHARE
        self._in_flight = dict.fromkeys(operations, 0)
        self._queues: dict[str, _Queue] = {operation: _Queue() for operation in self._in_flight}
        self._timer: asyncio.TimerHandle | None = None
        self._fetching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Return the counts of calls, the rate, and what the queue waits for."""
        cause = "permits" if self._fetching is not None else "time" if self._timer is not None else None
        return f"<FairQueue in_flight={self._in_flight} waiting={self.waiting} rate={self.rate} waits_for={cause}>"

    @property
    def in_flight(self) -> int:
        """Number of calls in flight."""
        return sum(self._in_flight.values())

    @property
    def waiting(self) -> int:
        """Number of calls that wait."""
        return sum(len(calls) for queue in self._queues.values() for calls in queue.values())

    @property
    def rate(self) -> float | None:
        """Calls a second that may start at most, or None if there is no limit now."""
        return min((rate for limiter in self._limiters if (rate := limiter.rate) is not None), default=None)

    def expected_wait(self, requester: object) -> float:
        """Return the seconds, as estimated from the rate, until another call of this requester could start."""
        rate = self.rate
        return 0.0 if rate is None else self._count_ahead(requester) / rate + self._limiters_wait()

    def try_acquire(self, operation: str) -> bool:
        """Start a call if it need not wait, and return whether it started."""
        # Calls that wait only for a timer or for permits are first.
        if not self._has_capacity(operation) or self._next_operation() is not None:
            return False
        for limiter in self._limiters:
            if limiter.wait != 0:
                return False
        self._start(operation)
        return True

    async def acquire(self, operation: str, requester: object, call: HasDeadline) -> None:
        """Wait until a call may start.

        Raises:
            Throttled: At once if the rate would let the call start only after its deadline, or at the deadline.
            UpstreamTimeout: At the deadline, if calls in flight hang and so no other call may start.
        """
        loop, wait = asyncio.get_running_loop(), self.expected_wait(requester)
        if loop.time() + wait > call.deadline:
            raise _too_late(operation, wait)
        waiter = _Waiter(operation, requester, call, loop.create_future())
        self._queues[operation].setdefault(requester, deque()).append(waiter)
        self._assign()
        try:
            await self._wait_for(waiter)
        except BaseException:
            if not waiter.started.done():
                self._queues[operation].remove(waiter)
            elif waiter.started.exception() is None:
                self.release(operation)
            raise

    def release(self, operation: str) -> None:
        """End a call that had started."""
        self._in_flight[operation] -= 1
        self._assign()

    def evict_late(self) -> None:
        """Fail the waiting calls that would start after their deadline. Call this when the rate has decreased."""
        rate = self.rate
        if rate is None:
            return
        now = asyncio.get_running_loop().time()
        rounds = zip_longest(*(calls for queue in self._queues.values() for calls in queue.values()))
        in_order = [waiter for each in rounds for waiter in each if waiter is not None]
        for ahead, waiter in enumerate(in_order):
            if now + ahead / rate > waiter.call.deadline:
                self._queues[waiter.operation].remove(waiter)
                waiter.started.set_exception(_too_late(waiter.operation, ahead / rate))

    def _assign(self) -> None:
        """Start as many waiting calls as possible.

        The loop ends in one of these cases:
        1. No waiting call has capacity in its operation. The next `acquire` or `release` calls this again.
        2. A limiter requires a wait. A timer is set that calls this again.
        3. A limiter has to fetch permits. A task is started that fetches them and calls this again.
        """
        while self._timer is None and self._fetching is None and (operation := self._next_operation()) is not None:
            loop = asyncio.get_running_loop()
            if (wait := self._limiters_wait()) > 0:
                self._timer = loop.call_later(wait, self._on_timer)
            elif (limiter := next((each for each in self._limiters if each.wait is None), None)) is not None:
                # The task serves all requests, so it runs in the context of none.
                self._fetching = loop.create_task(self._fetch(limiter), context=Context())
            else:
                # The operation goes to the end, so that the next call is one of another operation.
                queue = self._queues[operation] = self._queues.pop(operation)
                self._start(operation)
                queue.pop_next().started.set_result(None)

    def _on_timer(self) -> None:
        self._timer = None
        self._assign()

    async def _fetch(self, limiter: RateLimiter) -> None:
        """Fetch as many permits as calls could start at once."""
        others_limit = any(other.rate is not None for other in self._limiters if other is not limiter)
        useful = min(self.waiting, self._limit - self.in_flight)
        try:
            if useful > 0:
                await limiter.fetch(1 if others_limit else useful)
        finally:
            self._fetching = None
        self._assign()

    async def _wait_for(self, waiter: "_Waiter") -> None:
        """Wait until a call starts or its deadline, which may grow meanwhile, has come."""
        loop = asyncio.get_running_loop()
        while not waiter.started.done():
            remaining = waiter.call.deadline - MIN_CALL_SECONDS - loop.time()
            if remaining > 0:
                await asyncio.wait((waiter.started,), timeout=remaining)
            elif self.rate is None:
                raise UpstreamTimeout(waiter.operation, detail="too many calls hang, so this one could not start")
            else:
                raise _too_late(waiter.operation, self.expected_wait(waiter.requester))
        waiter.started.result()
        observe_queue_wait(loop.time() - waiter.since)

    def _has_capacity(self, operation: str) -> bool:
        used = 0
        for each, count in self._in_flight.items():
            used += count if each == operation or count > self._reserved else self._reserved
        return used < self._limit

    def _start(self, operation: str) -> None:
        self.started += 1
        self._in_flight[operation] += 1
        for limiter in self._limiters:
            limiter.acquire()

    def _limiters_wait(self) -> float:
        return max((limiter.wait or 0.0 for limiter in self._limiters), default=0.0)

    def _count_ahead(self, requester: object) -> int:
        """Return the number of calls that start before another call of this requester."""
        own = max((len(queue[requester]) for queue in self._queues.values() if requester in queue), default=0)
        return sum(min(len(calls), own + 1) for queue in self._queues.values() for calls in queue.values())

    def _next_operation(self) -> str | None:
        """Return the operation of the next call, or None if no waiting call has capacity."""
        for operation, queue in self._queues.items():
            if queue and self._has_capacity(operation):
                return operation
        return None


def _too_late(operation: str, wait: float) -> Throttled:
    count_queue_rejection(operation)
    return Throttled(operation, retry_after=wait, detail="the rate would let it start only after the deadline")


class _Waiter:
    """A call that waits. `started` is done when the call may start, or holds its error."""

    __slots__ = ("call", "operation", "requester", "since", "started")

    def __init__(self, operation: str, requester: object, call: HasDeadline, started: asyncio.Future[None]) -> None:
        self.operation = operation
        self.requester = requester
        self.call = call
        self.started = started
        self.since = started.get_loop().time()


class _Queue(OrderedDict[object, deque[_Waiter]]):
    """The waiting calls of one operation by requester, the next one first. No deque is empty."""

    def pop_next(self) -> _Waiter:
        """Remove and return the next call. Its requester goes to the end."""
        requester, calls = self.popitem(last=False)
        waiter = calls.popleft()
        if calls:
            self[requester] = calls
        return waiter

    def remove(self, waiter: _Waiter) -> None:
        """Remove a call that does not wait any more."""
        calls = self[waiter.requester]
        calls.remove(waiter)
        if not calls:
            del self[waiter.requester]
