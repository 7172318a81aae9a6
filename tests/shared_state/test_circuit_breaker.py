"""The circuit breaker's states, tested by direct calls."""

import pytest

from gateway.shared_state.circuit_breaker import FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS, CircuitBreaker, State
from tests.support.clock import Clock

FAILURES_TO_OPEN = 10


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("ListPhoneNumbers", FAILURES_TO_OPEN, clock=clock)


def fail(breaker: CircuitBreaker, times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        breaker.on_failure(breaker.on_start())


def test_it_opens_after_ten_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert (breaker.state, breaker.retry_after) == ("closed", 0)
    fail(breaker, 1)
    assert (breaker.state, breaker.retry_after) == ("open", FIRST_OPEN_SECONDS)


def test_one_success_among_the_failures_keeps_it_closed(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        fail(breaker, FAILURES_TO_OPEN - 1)
        breaker.on_success(breaker.on_start())
    assert breaker.state == "closed"


def test_a_call_counts_once_however_often_it_is_retried(breaker: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker, 1)
        breaker.on_failure(breaker.on_start(), is_retry=True)
        breaker.on_failure(breaker.on_start(), is_retry=True)
    assert breaker.retry_after == 0
    fail(breaker, 1)
    assert breaker.state == "open"


def test_a_failed_probe_opens_it_again_even_if_the_probe_is_a_retry(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.on_failure(breaker.on_start(), is_retry=True)
    assert (breaker.state, breaker.retry_after) == ("open", 2 * FIRST_OPEN_SECONDS)


def test_one_call_at_a_time_may_probe_after_the_open_time(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert breaker.retry_after == FIRST_OPEN_SECONDS / 2
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert (breaker.state, breaker.retry_after) == ("half_open", 0)
    generation = breaker.on_start()
    assert breaker.retry_after > 0
    breaker.on_success(generation)
    assert (breaker.state, breaker.retry_after) == ("closed", 0)


def test_a_cancelled_probe_lets_another_call_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.on_cancel(breaker.on_start())
    assert (breaker.state, breaker.retry_after) == ("half_open", 0)


def test_the_open_time_doubles_up_to_a_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    opened = [breaker.retry_after]
    for _ in range(5):
        clock.moves(breaker.retry_after)
        fail(breaker, 1)
        opened.append(breaker.retry_after)
    assert opened == [2, 4, 8, 15, 15, 15]
    # A recovery is found within 35 s, even if a probe has just hung for the default deadline of 10 s.
    assert MAX_OPEN_SECONDS + 10 < 35


def test_a_successful_probe_resets_failures_and_open_time(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    for _ in range(3):
        clock.moves(breaker.retry_after)
        fail(breaker, 1)
    clock.moves(breaker.retry_after)
    breaker.on_success(breaker.on_start())
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.retry_after == FIRST_OPEN_SECONDS


def test_results_of_an_older_generation_are_ignored(breaker: CircuitBreaker, clock: Clock) -> None:
    """With 52 calls in flight, the last ones end long after the tenth failure."""
    generations = [breaker.on_start() for _ in range(52)]
    for generation in generations[:40]:
        breaker.on_failure(generation)
    assert breaker.retry_after == FIRST_OPEN_SECONDS
    breaker.on_success(generations[40])
    assert breaker.retry_after == FIRST_OPEN_SECONDS
    clock.moves(FIRST_OPEN_SECONDS)
    probe = breaker.on_start()
    breaker.on_failure(generations[41])
    breaker.on_cancel(generations[42])
    assert breaker.retry_after > 0
    breaker.on_success(probe)
    for generation in generations[43:]:
        breaker.on_failure(generation)
    assert breaker.state == "closed"


def test_cancelled_calls_never_open_it(breaker: CircuitBreaker) -> None:
    for _ in range(10 * FAILURES_TO_OPEN):
        breaker.on_cancel(breaker.on_start())
    assert breaker.state == "closed"


def test_each_change_is_reported(clock: Clock) -> None:
    reports: list[tuple[State, float]] = []
    breaker = CircuitBreaker("Redis", 1, lambda breaker, state: reports.append((state, breaker.retry_after)), clock)
    fail(breaker, 1)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.on_success(breaker.on_start())
    assert reports == [(State.OPEN, FIRST_OPEN_SECONDS), (State.HALF_OPEN, 1), (State.CLOSED, 0)]


def test_the_representation_shows_the_state(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    assert repr(breaker) == "<CircuitBreaker ListPhoneNumbers open failures=10 generation=1 retry_after=2>"
    clock.moves(FIRST_OPEN_SECONDS)
    assert repr(breaker) == "<CircuitBreaker ListPhoneNumbers half_open failures=10 generation=1 retry_after=0>"
