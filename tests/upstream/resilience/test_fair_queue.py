"""Whose upstream call is next, by plain calls."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from gateway.errors import Throttled, UpstreamTimeout
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.rate_quota import LocalRateLimiter
from tests.support.clock import Clock

OPERATIONS = ("A", "B", "C", "D")
ALONE = Requester(deadline=0)
# The request whose calls a task makes.
REQUESTER: ContextVar[Requester] = ContextVar("requester", default=ALONE)


class Until:
    """A deadline so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds


class Account:
    """Calls that are made when it is their turn, and end when a test says so.

    begun: their names, in order.
    """

    def __init__(self, turns: FairQueue) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._ends: list[asyncio.Event] = []
        self._operations: dict[str, str] = {}

    async def call(self, name: str, operation: str = "A", seconds: float = 60) -> None:
        self._operations[name] = operation
        if not self.turns.take_at_once(operation):
            await self.turns.take(operation, REQUESTER.get(), Until(seconds))
        self.begun.append(name)
        self._ends.append(asyncio.Event())
        try:
            await self._ends[-1].wait()
        finally:
            self.turns.give_back(operation)

    async def end_next(self) -> None:
        """End the call that began first of those under way, and let everything that can run, run."""
        next(end for end in self._ends if not end.is_set()).set()
        await settled()

    async def end_all(self) -> None:
        while not all(end.is_set() for end in self._ends):
            await self.end_next()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def of_a_request(*calls: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Begin calls as those of one request."""
    context = copy_context()
    context.run(REQUESTER.set, Requester(deadline=0))
    return [asyncio.create_task(call, context=context) for call in calls]


@pytest.fixture
def pace_clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(pace_clock: Clock) -> AdaptiveRateLimiter:
    return AdaptiveRateLimiter(pace_clock)


def account_of(pace: AdaptiveRateLimiter, limit: int, quota: LocalRateLimiter | None = None) -> Account:
    return Account(FairQueue(OPERATIONS, limit, pace, quota))


async def test_what_need_not_wait_does_not(pace: AdaptiveRateLimiter) -> None:
    turns = FairQueue(OPERATIONS, 2, pace, None)
    assert [turns.take_at_once("A") for _ in range(3)] == [True, True, False]
    turns.give_back("A")
    assert turns.take_at_once("B")
    assert (turns.under_way, turns.waiting) == (2, 0)


async def test_a_request_with_a_single_call_waits_for_one_of_another_with_three_hundred(
    pace: AdaptiveRateLimiter,
) -> None:
    account = account_of(pace, limit=1)
    crowd = of_a_request(*(account.call(f"many {index}") for index in range(300)))
    await settled()
    [single] = of_a_request(account.call("single"))
    [other] = of_a_request(account.call("other"))
    await settled()
    assert account.turns.waiting == 301
    for _ in range(3):
        await account.end_next()
    assert account.begun == ["many 0", "many 1", "single", "other"]
    await account.end_all()
    await asyncio.gather(*crowd, single, other)
    assert account.begun[4:] == [f"many {index}" for index in range(2, 300)]
    assert (account.turns.under_way, account.turns.waiting) == (0, 0)


async def test_requests_with_many_calls_each_take_turns(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=3)
    tasks = [
        task
        for request in "xyz"
        for task in of_a_request(*(account.call(request, "ABC"[index % 3]) for index in range(30)))
    ]
    await settled()
    await account.end_all()
    await asyncio.gather(*tasks)
    for upto in range(12, 90, 9):
        served = Counter(account.begun[3:upto])
        assert max(served.values()) - min(served.values()) <= 3


async def test_operations_that_hang_leave_some_calls_to_the_others(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=64)
    hung = [task for name in "ABC" for task in of_a_request(*(account.call(name, name) for _ in range(200)))]
    await settled()
    assert Counter(account.begun) == {"A": 52, "B": 4, "C": 4}
    light = of_a_request(*(account.call("light", "D") for _ in range(4)))
    await settled()
    assert account.begun.count("light") == 4
    assert account.turns.under_way == 64
    for task in (*hung, *light):
        task.cancel()
    await asyncio.wait((*hung, *light))
    assert (account.turns.under_way, account.turns.waiting) == (0, 0)


async def test_a_call_that_is_given_up_while_it_waits_takes_no_turn(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=1)
    first, leaver, stayer = of_a_request(*(account.call(name) for name in ("first", "leaver", "stayer")))
    await settled()
    leaver.cancel()
    await settled()
    assert account.turns.waiting == 1
    await account.end_all()
    await asyncio.gather(first, stayer)
    assert account.begun == ["first", "stayer"]


async def test_a_turn_that_is_given_to_one_who_leaves_at_that_moment_goes_on_to_the_next(
    pace: AdaptiveRateLimiter,
) -> None:
    account = account_of(pace, limit=1)
    first, *waiting = of_a_request(*(account.call(str(index)) for index in range(4)))
    await settled()
    # Each is cancelled some steps of the loop after the turn before it has ended: one of them at the very moment.
    for steps, leaver in enumerate(waiting[:2]):
        first.cancel()
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        leaver.cancel()
    await settled()
    assert account.begun[-1] == "3"
    assert (account.turns.under_way, account.turns.waiting) == (1, 0)
    waiting[2].cancel()
    await settled()
    assert account.turns.under_way == 0


async def test_a_turn_that_does_not_come_in_time_is_a_time_out_where_calls_hang(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=1)
    [hung] = of_a_request(account.call("hung"))
    await settled()
    with pytest.raises(UpstreamTimeout):
        await account.call("late", seconds=0.1)
    assert account.turns.waiting == 0
    hung.cancel()


async def test_whoever_joins_later_keeps_a_waiting_call_in_its_line(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=1)
    [hung] = of_a_request(account.call("hung"))
    await settled()
    wanted = Until(0.15)
    taking = asyncio.create_task(account.turns.take("A", Requester(deadline=0), wanted))
    await settled()
    wanted.deadline += 60
    await asyncio.sleep(0.2)
    assert not taking.done()
    hung.cancel()
    await taking
    assert account.turns.under_way == 1


async def test_a_turn_that_would_come_too_late_is_refused_at_once(pace: AdaptiveRateLimiter, pace_clock: Clock) -> None:
    """At two calls a second, twenty fit into ten seconds; whoever is refused is told how long to wait."""
    account = account_of(pace, limit=64)
    pace.begin()
    pace.throttled(pace_clock.now + 1)
    tasks = [task for index in range(60) for task in of_a_request(account.call(str(index), seconds=10))]
    await settled()
    refused = [task for task in tasks if task.done()]
    assert 35 <= len(refused) <= 41
    for task in refused:
        error = task.exception()
        assert isinstance(error, Throttled)
        assert error.retry_after is not None
        assert error.retry_after > 10 - 1
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_those_who_wait_are_told_when_the_pace_becomes_too_slow_for_them(
    pace: AdaptiveRateLimiter, pace_clock: Clock
) -> None:
    account = account_of(pace, limit=64)
    tasks = [task for index in range(100) for task in of_a_request(account.call(str(index), seconds=10))]
    await settled()
    assert (account.turns.under_way, account.turns.waiting) == (52, 48)
    for _ in range(20):
        pace_clock.moves(0.01)
        pace.throttled(pace_clock.now)
    account.turns.slowed()
    await settled()
    assert account.turns.waiting == pytest.approx(20, abs=1)
    told = [task.exception() for task in tasks if task.done()]
    assert len(told) == pytest.approx(28, abs=1)
    assert all(isinstance(error, Throttled) for error in told)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_quota_is_drawn_on_by_each_call_in_turn(pace: AdaptiveRateLimiter) -> None:
    account = account_of(pace, limit=64, quota=LocalRateLimiter(100))
    tasks = of_a_request(*(account.call("many") for _ in range(30)))
    [single] = of_a_request(account.call("single"))
    while len(account.begun) < 31:
        await asyncio.sleep(0.01)
        assert account.turns.rate == 100
    assert account.begun.index("single") <= 6
    single.cancel()
    for task in tasks:
        task.cancel()
    await asyncio.wait((*tasks, single))
    assert account.turns.under_way == 0
