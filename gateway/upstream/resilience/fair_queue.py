"""Whose call is next: so many at once, at the pace that is allowed, and each request in its turn.

A call that may be made at once is; the way here costs it microseconds. Else it waits in its operation's line, in which
the requests that wait take turns, so that one with 300 calls does not keep one with a single call waiting for all.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from contextvars import Context
from itertools import zip_longest
from typing import Final, Protocol

from gateway.errors import Throttled, UpstreamTimeout
from gateway.telemetry.metrics import count_queue_rejection, observe_queue_wait
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.rate_quota import RateLimiter

# A sixteenth of the calls at once is each operation's own, so that three that hang leave some for the fourth.
OWN_SHARE: Final = 16
# Seconds before its deadline at which a call is not worth beginning: AWS answers no faster.
LEAST_SECONDS: Final = 0.05


class Wanted(Protocol):
    """Something that is waited for; the deadline, of the event loop's clock, grows when others join in."""

    deadline: float


class FairQueue:
    """The process's upstream calls under way, and those that wait.

    limit: calls at once. quota: permits that each call needs; None: it needs none.
    """

    def __init__(
        self, operations: Iterable[str], limit: int, pace: AdaptiveRateLimiter, quota: RateLimiter | None
    ) -> None:
        self._limit = limit
        self._pace = pace
        self._quota = quota
        self._own = limit // OWN_SHARE
        self._under_way = dict.fromkeys(operations, 0)
        self._lines: dict[str, _Line] = {operation: _Line() for operation in self._under_way}
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> int:
        """Calls that are being made."""
        return sum(self._under_way.values())

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return sum(len(queue) for line in self._lines.values() for queue in line.values())

    @property
    def rate(self) -> float | None:
        """Calls a second that may be made, None where there is no limit."""
        rate = self._pace.rate
        if self._quota is None:
            return rate
        return self._quota.rate if rate is None else min(rate, self._quota.rate)

    def wait(self, requester: Requester) -> float:
        """Return about how many seconds another call of a request would wait for its turn."""
        rate = self.rate
        return 0.0 if rate is None else self._ahead(requester) / rate + self._pace.wait

    def take_at_once(self, operation: str) -> bool:
        """Take a turn if nothing has to be waited for. Each turn that is taken is to be given back."""
        if (
            self._quota is not None
            or self._lines[operation]
            or self._pace.rate is not None
            or not self._has_room(operation)
        ):
            return False
        self._begin(operation)
        return True

    async def take(self, operation: str, requester: Requester, wanted: Wanted) -> None:
        """Wait for a turn.

        Raises: Throttled, at once where the turn would come after the deadline by all that is known, and else when it
        has not come; UpstreamTimeout where it has not come since too many calls hang.
        """
        loop, wait = asyncio.get_running_loop(), self.wait(requester)
        if loop.time() + wait > wanted.deadline:
            raise _too_late(operation, wait)
        waiter = _Waiter(operation, requester, wanted, loop.create_future())
        self._lines[operation].setdefault(waiter.requester, deque()).append(waiter)
        self._changed.set()
        if self._serving is None or self._serving.done():
            # It serves all requests and is part of none.
            self._serving = loop.create_task(self._serve(), context=Context())
        try:
            await self._come(waiter)
        except BaseException:
            if not waiter.turn.done():
                self._lines[operation].remove(waiter)
                self._changed.set()
            elif waiter.turn.exception() is None:
                self.give_back(operation)
            raise

    def give_back(self, operation: str) -> None:
        """A call has ended."""
        self._under_way[operation] -= 1
        self._changed.set()

    def slowed(self) -> None:
        """The pace is slower than it was: tell those at once whose turn will not come in time any more."""
        rate = self.rate
        if rate is None:
            return
        now = asyncio.get_running_loop().time()
        rounds = zip_longest(*(queue for line in self._lines.values() for queue in line.values()))
        in_turn = [waiter for each in rounds for waiter in each if waiter is not None]
        for ahead, waiter in enumerate(in_turn):
            if now + ahead / rate > waiter.wanted.deadline:
                self._lines[waiter.operation].remove(waiter)
                waiter.turn.set_exception(_too_late(waiter.operation, ahead / rate))

    async def _come(self, waiter: "_Waiter") -> None:
        """Wait for a turn until the deadline, which may move meanwhile."""
        while not waiter.turn.done():
            left = waiter.wanted.deadline - LEAST_SECONDS - asyncio.get_running_loop().time()
            if left > 0:
                await asyncio.wait((waiter.turn,), timeout=left)
            elif self.rate is None:
                raise UpstreamTimeout(waiter.operation, detail="too many calls hang for another to be made")
            else:
                raise _too_late(waiter.operation, self.wait(waiter.requester))
        waiter.turn.result()
        observe_queue_wait(asyncio.get_running_loop().time() - waiter.since)

    @property
    def _useful_permits(self) -> int:
        """Permits that would be used at once."""
        return min(self.waiting, self._limit - self.under_way) if self._pace.rate is None else 1

    def _has_room(self, operation: str) -> bool:
        taken = 0
        for each, count in self._under_way.items():
            taken += count if each == operation or count > self._own else self._own
        return taken < self._limit

    def _begin(self, operation: str) -> None:
        self._under_way[operation] += 1
        self._pace.begin()

    def _ahead(self, requester: Requester) -> int:
        """Calls that come before the next one of a request."""
        own = max((len(line[requester]) for line in self._lines.values() if requester in line), default=0)
        return sum(min(len(queue), own + 1) for line in self._lines.values() for queue in line.values())

    async def _serve(self) -> None:
        """Give turns for as long as somebody waits."""
        has_permit = False
        while any(self._lines.values()):
            self._changed.clear()
            if self._next() is None:
                await self._changed.wait()
                continue
            wait = self._pace.wait
            if wait == 0 and self._quota is not None and not has_permit:
                wait = await self._quota.permit(self._useful_permits)
                has_permit = wait == 0
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            # Whoever was next may have left meanwhile.
            operation = self._next()
            if operation is not None:
                # The operations take turns as well.
                line = self._lines[operation] = self._lines.pop(operation)
                self._begin(operation)
                line.next().turn.set_result(None)
                has_permit = False

    def _next(self) -> str | None:
        return next((each for each, line in self._lines.items() if line and self._has_room(each)), None)


def _too_late(operation: str, wait: float) -> Throttled:
    count_queue_rejection(operation)
    return Throttled(operation, retry_after=wait, detail="its turn would come after the deadline")


class _Waiter:
    __slots__ = ("operation", "requester", "since", "turn", "wanted")

    def __init__(self, operation: str, requester: Requester, wanted: Wanted, turn: asyncio.Future[None]) -> None:
        self.operation = operation
        self.requester = requester
        self.wanted = wanted
        self.turn = turn
        self.since = turn.get_loop().time()


class _Line(OrderedDict[Requester, deque[_Waiter]]):
    """The calls of one operation that wait, by their request; no queue is empty."""

    def next(self) -> _Waiter:
        """Take out whoever is next; its request is the last one then."""
        request, queue = self.popitem(last=False)
        waiter = queue.popleft()
        if queue:
            self[request] = queue
        return waiter

    def remove(self, waiter: _Waiter) -> None:
        """Take out one that waits no longer."""
        queue = self[waiter.requester]
        queue.remove(waiter)
        if not queue:
            del self[waiter.requester]
