"""The adaptive rate limiter, tested by direct calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.resilience.adaptive_rate import BETA, MIN_RATE, RECOVERY_SECONDS, AdaptiveRateLimiter
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def start(limiter: AdaptiveRateLimiter, clock: Clock, calls: int, seconds: float) -> None:
    """Start calls, evenly spaced."""
    for _ in range(calls):
        limiter.acquire()
        clock.moves(seconds / calls)


def test_there_is_no_limit_until_aws_throttles(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    start(limiter, clock, 10_000, 1)
    assert (limiter.rate, limiter.wait) == (None, 0)


def test_the_rate_falls_to_a_part_of_the_measured_rate(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    start(limiter, clock, 300, 3)
    limiter.on_throttled(clock.now)
    assert limiter.rate == pytest.approx(BETA * 100, rel=0.05)


def test_of_the_calls_in_flight_only_the_first_throttled_one_decreases_the_rate(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    start(limiter, clock, 300, 3)
    started_at = clock.now
    clock.moves(0.1)
    limiter.on_throttled(started_at)
    decreased = limiter.rate
    for _ in range(63):
        limiter.on_throttled(started_at)
    assert limiter.rate == decreased
    clock.moves(0.1)
    limiter.on_throttled(clock.now)
    assert limiter.rate is not None
    assert decreased is not None
    assert limiter.rate < decreased


def test_the_rate_never_falls_below_two_calls_a_second(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    for _ in range(100):
        clock.moves(max(limiter.wait, 0.01))
        limiter.acquire()
        limiter.on_throttled(clock.now)
    assert limiter.rate == pytest.approx(MIN_RATE)
    before = clock.now
    for _ in range(20):
        clock.moves(limiter.wait)
        limiter.acquire()
        clock.moves(0.001)
        limiter.on_throttled(clock.now)
    assert 20 / 3 <= clock.now - before <= 10.1


def test_the_two_retries_of_a_single_query_need_not_wait(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    waits = []
    for _ in range(4):
        waits.append(limiter.wait)
        limiter.acquire()
        clock.moves(0.001)
        limiter.on_throttled(clock.now)
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


def test_the_rate_soon_recovers_and_then_grows_until_the_limit_ends(clock: Clock) -> None:
    limiter = AdaptiveRateLimiter(clock)
    start(limiter, clock, 300, 3)
    limiter.on_throttled(clock.now)
    rates = []
    while limiter.rate is not None:
        rates.append(limiter.rate)
        clock.moves(0.5)
    assert rates == sorted(rates)
    seconds_to_the_former_rate = 0.5 * sum(rate < 99 for rate in rates)
    assert 2 < seconds_to_the_former_rate < 6
    assert 0.5 * len(rates) < RECOVERY_SECONDS + 6


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=200))
def test_no_sequence_of_calls_makes_a_call_wait_for_more_than_half_a_second(
    events: list[tuple[float, bool]],
) -> None:
    clock = Clock()
    limiter = AdaptiveRateLimiter(clock)
    for seconds, throttled in events:
        clock.moves(seconds)
        assert limiter.wait <= 1 / MIN_RATE + 1e-6
        clock.moves(limiter.wait)
        assert limiter.wait == pytest.approx(0, abs=1e-6)
        limiter.acquire()
        if throttled:
            clock.moves(1e-3)
            limiter.on_throttled(clock.now)
        assert limiter.rate is None or limiter.rate >= MIN_RATE - 1e-6
