"""The order in which upstream calls start, tested by direct calls of the fair queue."""

import asyncio
from collections import Counter

import pytest

from gateway.errors import Throttled, UpstreamTimeout
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.rate_quota import LocalRateLimiter, RateLimiter
from tests.support.clock import Clock

OPERATIONS = ("A", "B", "C", "D")


class Deadline:
    """A deadline this many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds


class Account:
    """An AWS account whose calls end when a test ends them.

    Attributes:
        started: The names of the calls, in the order in which they started.
    """

    def __init__(self, *limiters: RateLimiter, limit: int) -> None:
        self.queue = FairQueue(OPERATIONS, limit, limiters)
        self.started: list[str] = []
        self._ends: list[asyncio.Event] = []

    def request(self, *names: str, operations: str = "A", seconds: float = 60) -> list[asyncio.Task[None]]:
        """Make calls of one requester, of each operation in turn."""
        requester = object()
        return [
            asyncio.create_task(self._call(name, operations[index % len(operations)], seconds, requester))
            for index, name in enumerate(names)
        ]

    async def end_next(self) -> None:
        """End the call in flight that started first, and let every task run that can."""
        next(end for end in self._ends if not end.is_set()).set()
        await settled()

    async def end_all(self) -> None:
        while not all(end.is_set() for end in self._ends):
            await self.end_next()

    async def _call(self, name: str, operation: str, seconds: float, requester: object) -> None:
        if not self.queue.try_acquire(operation):
            await self.queue.acquire(operation, requester, Deadline(seconds))
        self.started.append(name)
        self._ends.append(asyncio.Event())
        try:
            await self._ends[-1].wait()
        finally:
            self.queue.release(operation)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def cancel_all(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture
def pace_clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(pace_clock: Clock) -> AdaptiveRateLimiter:
    return AdaptiveRateLimiter(pace_clock)


@pytest.fixture
async def loop_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of the test's event loop."""
    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
    return clock


async def test_calls_start_at_once_below_the_limit() -> None:
    queue = FairQueue(OPERATIONS, 2)
    assert [queue.try_acquire("A") for _ in range(3)] == [True, True, False]
    queue.release("A")
    assert queue.try_acquire("B")
    assert (queue.in_flight, queue.waiting) == (2, 0)


async def test_a_request_with_one_call_waits_for_one_call_of_a_request_with_three_hundred() -> None:
    account = Account(limit=1)
    crowd = account.request(*(f"many {index}" for index in range(300)))
    await settled()
    [single] = account.request("single")
    [other] = account.request("other")
    await settled()
    assert account.queue.waiting == 301
    for _ in range(3):
        await account.end_next()
    assert account.started == ["many 0", "many 1", "single", "other"]
    await account.end_all()
    await asyncio.gather(*crowd, single, other)
    assert account.started[4:] == [f"many {index}" for index in range(2, 300)]
    assert (account.queue.in_flight, account.queue.waiting) == (0, 0)


async def test_requests_with_many_calls_alternate() -> None:
    account = Account(limit=3)
    tasks = [task for name in "xyz" for task in account.request(*[name] * 30, operations="ABC")]
    await settled()
    await account.end_all()
    await asyncio.gather(*tasks)
    for upto in range(12, 90, 9):
        served = Counter(account.started[3:upto])
        assert max(served.values()) - min(served.values()) <= 3


async def test_hung_operations_leave_capacity_to_the_others() -> None:
    account = Account(limit=64)
    hung = [task for name in "ABC" for _ in range(200) for task in account.request(name, operations=name)]
    await settled()
    assert Counter(account.started) == {"A": 52, "B": 4, "C": 4}
    light = account.request(*["light"] * 4, operations="D")
    await settled()
    assert account.started.count("light") == 4
    assert account.queue.in_flight == 64
    await cancel_all([*hung, *light])
    assert (account.queue.in_flight, account.queue.waiting) == (0, 0)


async def test_a_call_cancelled_while_it_waits_never_starts() -> None:
    account = Account(limit=1)
    first, leaver, stayer = account.request("first", "leaver", "stayer")
    await settled()
    leaver.cancel()
    await settled()
    assert account.queue.waiting == 1
    await account.end_all()
    await asyncio.gather(first, stayer)
    assert account.started == ["first", "stayer"]


async def test_capacity_given_to_a_call_that_is_cancelled_at_that_moment_goes_to_the_next() -> None:
    account = Account(limit=1)
    first, *waiting = account.request("0", "1", "2", "3")
    await settled()
    # Each is cancelled some steps of the loop after the call before it has ended: one of them at the very moment.
    for steps, leaver in enumerate(waiting[:2]):
        first.cancel()
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        leaver.cancel()
    await settled()
    assert account.started[-1] == "3"
    assert (account.queue.in_flight, account.queue.waiting) == (1, 0)
    waiting[2].cancel()
    await settled()
    assert account.queue.in_flight == 0


async def test_a_call_that_cannot_start_before_its_deadline_because_others_hang_times_out(loop_clock: Clock) -> None:
    account = Account(limit=1)
    [hung] = account.request("hung")
    await settled()
    [late] = account.request("late", seconds=0.1)
    await settled()
    loop_clock.moves(0.1)
    with pytest.raises(UpstreamTimeout):
        await late
    assert account.queue.waiting == 0
    hung.cancel()


async def test_a_deadline_that_grows_keeps_a_call_in_the_queue(loop_clock: Clock) -> None:
    account = Account(limit=1)
    [hung] = account.request("hung")
    await settled()
    deadline = Deadline(0.15)
    acquiring = asyncio.create_task(account.queue.acquire("A", object(), deadline))
    await settled()
    deadline.deadline += 60
    loop_clock.moves(0.2)
    await settled()
    assert not acquiring.done()
    hung.cancel()
    await acquiring
    assert account.queue.in_flight == 1


async def test_a_call_that_would_start_after_its_deadline_is_rejected_at_once(
    pace: AdaptiveRateLimiter, pace_clock: Clock
) -> None:
    """At two calls a second, twenty fit into ten seconds. The error of the others says how long to wait."""
    account = Account(pace, limit=64)
    pace.acquire()
    pace.on_throttled(pace_clock.now + 1)
    tasks = [task for index in range(60) for task in account.request(str(index), seconds=10)]
    await settled()
    rejected = [task for task in tasks if task.done()]
    assert 35 <= len(rejected) <= 41
    for task in rejected:
        error = task.exception()
        assert isinstance(error, Throttled)
        assert error.retry_after is not None
        assert error.retry_after > 10 - 1
    await cancel_all(tasks)


async def test_waiting_calls_are_rejected_when_the_rate_becomes_too_low_for_their_deadlines(
    pace: AdaptiveRateLimiter, pace_clock: Clock
) -> None:
    account = Account(pace, limit=64)
    tasks = [task for index in range(100) for task in account.request(str(index), seconds=10)]
    await settled()
    assert (account.queue.in_flight, account.queue.waiting) == (52, 48)
    for _ in range(20):
        pace_clock.moves(0.01)
        pace.on_throttled(pace_clock.now)
    account.queue.evict_late()
    await settled()
    assert account.queue.waiting == pytest.approx(20, abs=1)
    rejected = [task.exception() for task in tasks if task.done()]
    assert len(rejected) == pytest.approx(28, abs=1)
    assert all(isinstance(error, Throttled) for error in rejected)
    await cancel_all(tasks)


async def test_a_rate_limit_is_shared_fairly_between_requests(pace: AdaptiveRateLimiter) -> None:
    quota = LocalRateLimiter(100)
    while quota.wait == 0:
        quota.acquire()
    account = Account(pace, quota, limit=64)
    tasks = account.request(*["many"] * 30)
    [single] = account.request("single")
    while len(account.started) < 31:
        await asyncio.sleep(0.01)
        assert account.queue.rate == 100
    assert account.started.index("single") <= 6
    await cancel_all([*tasks, single])
    assert account.queue.in_flight == 0


async def test_a_call_does_not_overtake_calls_that_wait_for_a_rate_limiter() -> None:
    clock = Clock()
    account = Account(LocalRateLimiter(1, clock), limit=64)
    tasks = account.request("first", "second")
    await settled()
    assert account.started == ["first"]
    # The second call's permit is there, but the timer that starts it has not fired yet.
    clock.moves(1)
    assert not account.queue.try_acquire("B")
    await cancel_all(tasks)


async def test_the_representation_shows_what_the_queue_waits_for() -> None:
    account = Account(LocalRateLimiter(1, Clock()), limit=64)
    tasks = account.request("first", "second")
    await settled()
    assert repr(account.queue) == (
        "<FairQueue in_flight={'A': 1, 'B': 0, 'C': 0, 'D': 0} waiting=1 rate=1 waits_for=time>"
    )
    await cancel_all(tasks)
