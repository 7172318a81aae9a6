"""When an operation is left alone, and when it is tried again, by plain calls."""

import pytest

from gateway.upstream.resilience.circuit_breaker import (
    FAILURES_TO_OPEN,
    FIRST_OPEN_SECONDS,
    MAX_OPEN_SECONDS,
    CircuitBreaker,
)
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("ListPhoneNumbers", clock)


def fail(breaker: CircuitBreaker, times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        breaker.on_failure(breaker.on_start())


def test_it_opens_after_failures_in_a_row_and_not_before(breaker: CircuitBreaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert (breaker.state, breaker.retry_after) == ("closed", 0)
    fail(breaker, 1)
    assert (breaker.state, breaker.retry_after) == ("open", FIRST_OPEN_SECONDS)


def test_one_answer_among_the_failures_keeps_it_closed(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        fail(breaker, FAILURES_TO_OPEN - 1)
        breaker.on_success(breaker.on_start())
    assert breaker.state == "closed"


def test_a_call_counts_once_however_often_it_was_tried(breaker: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker, 1)
        breaker.on_failure(breaker.on_start(), is_retry=True)
        breaker.on_failure(breaker.on_start(), is_retry=True)
    assert breaker.retry_after == 0
    fail(breaker, 1)
    assert breaker.state == "open"


def test_a_probe_that_fails_opens_it_again_also_where_its_call_had_failed_before(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.on_failure(breaker.on_start(), is_retry=True)
    assert (breaker.state, breaker.retry_after) == ("open", 2 * FIRST_OPEN_SECONDS)


def test_after_its_time_one_call_at_a_time_may_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert breaker.retry_after == FIRST_OPEN_SECONDS / 2
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert (breaker.state, breaker.retry_after) == ("half_open", 0)
    generation = breaker.on_start()
    assert breaker.retry_after > 0
    breaker.on_success(generation)
    assert (breaker.state, breaker.retry_after) == ("closed", 0)


def test_a_probe_that_nobody_waits_for_any_more_makes_room_for_another(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.on_cancel(breaker.on_start())
    assert (breaker.state, breaker.retry_after) == ("half_open", 0)


def test_it_stays_open_longer_each_time_and_never_longer_than_healing_may_wait(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    opened = [breaker.retry_after]
    for _ in range(5):
        clock.moves(breaker.retry_after)
        fail(breaker, 1)
        opened.append(breaker.retry_after)
    assert opened == [2, 4, 8, 15, 15, 15]
    # With a probe that has hung for the default deadline of 10 s just before.
    assert MAX_OPEN_SECONDS + 10 < 35


def test_after_healing_it_is_as_patient_as_at_first(breaker: CircuitBreaker, clock: Clock) -> None:
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


def test_calls_of_before_it_opened_neither_close_it_nor_keep_it_open(breaker: CircuitBreaker, clock: Clock) -> None:
    """With 52 under way, the last ones end long after the tenth failure."""
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


def test_calls_that_are_given_up_early_never_open_it(breaker: CircuitBreaker) -> None:
    for _ in range(10 * FAILURES_TO_OPEN):
        breaker.on_cancel(breaker.on_start())
    assert breaker.state == "closed"


def test_the_log_says_when_it_opens_and_closes(
    breaker: CircuitBreaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(breaker)
    clock.moves(60)
    breaker.on_success(breaker.on_start())
    assert [record.getMessage() for record in caplog.records] == [
        "ListPhoneNumbers: 10 calls in a row failed. No call is sent for 2 s.",
        "ListPhoneNumbers responds again",
    ]
