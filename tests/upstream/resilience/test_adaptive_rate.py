"""How fast the upstream is asked once it throttles, and by a quota, by plain calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.resilience.adaptive_rate import BETA, MIN_RATE, RECOVERY_SECONDS, AdaptiveRateLimiter
from gateway.upstream.resilience.rate_quota import LocalRateLimiter
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begin(pace: AdaptiveRateLimiter, clock: Clock, calls: int, seconds: float) -> None:
    """Make calls, evenly."""
    for _ in range(calls):
        pace.acquire()
        clock.moves(seconds / calls)


def test_there_is_no_limit_until_the_upstream_throttles(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    begin(pace, clock, 10_000, 1)
    assert (pace.rate, pace.wait) == (None, 0)


def test_it_slows_to_a_part_of_what_was_reached(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    begin(pace, clock, 300, 3)
    pace.on_throttled(clock.now)
    assert pace.rate == pytest.approx(BETA * 100, rel=0.05)


def test_of_all_that_were_under_way_only_the_first_throttled_call_slows_it(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    begin(pace, clock, 300, 3)
    begun_at = clock.now
    clock.moves(0.1)
    pace.on_throttled(begun_at)
    slowed = pace.rate
    for _ in range(63):
        pace.on_throttled(begun_at)
    assert pace.rate == slowed
    clock.moves(0.1)
    pace.on_throttled(clock.now)
    assert pace.rate is not None
    assert slowed is not None
    assert pace.rate < slowed


def test_however_much_is_throttled_two_to_three_calls_a_second_are_made(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    for _ in range(100):
        clock.moves(max(pace.wait, 0.01))
        pace.acquire()
        pace.on_throttled(clock.now)
    assert pace.rate == pytest.approx(MIN_RATE)
    before = clock.now
    for _ in range(20):
        clock.moves(pace.wait)
        pace.acquire()
        clock.moves(0.001)
        pace.on_throttled(clock.now)
    assert 20 / 3 <= clock.now - before <= 10.1


def test_a_single_querys_two_retries_need_not_wait(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    waits = []
    for _ in range(4):
        waits.append(pace.wait)
        pace.acquire()
        clock.moves(0.001)
        pace.on_throttled(clock.now)
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


def test_it_recovers_soon_to_what_was_reached_and_then_looks_for_more(clock: Clock) -> None:
    pace = AdaptiveRateLimiter(clock)
    begin(pace, clock, 300, 3)
    pace.on_throttled(clock.now)
    rates = []
    while pace.rate is not None:
        rates.append(pace.rate)
        clock.moves(0.5)
    assert rates == sorted(rates)
    seconds_to_the_former_rate = 0.5 * sum(rate < 99 for rate in rates)
    assert 2 < seconds_to_the_former_rate < 6
    assert 0.5 * len(rates) < RECOVERY_SECONDS + 6


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=200))
def test_whatever_happens_it_neither_stops_nor_leaves_a_call_waiting_for_more_than_half_a_second(
    events: list[tuple[float, bool]],
) -> None:
    clock = Clock()
    pace = AdaptiveRateLimiter(clock)
    for seconds, throttled in events:
        clock.moves(seconds)
        assert pace.wait <= 1 / MIN_RATE + 1e-6
        clock.moves(pace.wait)
        assert pace.wait == pytest.approx(0, abs=1e-6)
        pace.acquire()
        if throttled:
            clock.moves(1e-3)
            pace.on_throttled(clock.now)
        assert pace.rate is None or pace.rate >= MIN_RATE - 1e-6


@given(rate=st.floats(0.5, 500), late=st.lists(st.floats(0, 0.01), min_size=1, max_size=50))
def test_a_quota_is_kept_in_any_second_and_used_up_though_timers_are_late(rate: float, late: list[float]) -> None:
    clock = Clock()
    quota = LocalRateLimiter(rate, clock)
    taken: list[float] = []
    for index in range(int(3 * rate) + 3):
        while (wait := quota.wait) > 0:
            clock.moves(wait + late[index % len(late)])
        quota.acquire()
        taken.append(clock.now)
    for first, second in enumerate(taken):
        assert sum(second <= each < second + 1 for each in taken[first:]) <= rate * 1.05 + 1 + 1e-6
    lasted = taken[-1] - taken[0]
    assert len(taken) - 1 >= rate * (lasted - 0.06)
