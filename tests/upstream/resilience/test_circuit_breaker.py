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
        breaker.failed(breaker.begin())


def test_it_opens_after_failures_in_a_row_and_not_before(breaker: CircuitBreaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert (breaker.state, breaker.wait) == ("closed", 0)
    fail(breaker, 1)
    assert (breaker.state, breaker.wait) == ("open", FIRST_OPEN_SECONDS)


def test_one_answer_among_the_failures_keeps_it_closed(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        fail(breaker, FAILURES_TO_OPEN - 1)
        breaker.answered(breaker.begin())
    assert breaker.state == "closed"


def test_a_call_counts_once_however_often_it_was_tried(breaker: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker, 1)
        breaker.failed(breaker.begin(), again=True)
        breaker.failed(breaker.begin(), again=True)
    assert breaker.wait == 0
    fail(breaker, 1)
    assert breaker.state == "open"


def test_a_probe_that_fails_opens_it_again_also_where_its_call_had_failed_before(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.failed(breaker.begin(), again=True)
    assert (breaker.state, breaker.wait) == ("open", 2 * FIRST_OPEN_SECONDS)


def test_after_its_time_one_call_at_a_time_may_try(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert breaker.wait == FIRST_OPEN_SECONDS / 2
    clock.moves(FIRST_OPEN_SECONDS / 2)
    assert (breaker.state, breaker.wait) == ("half-open", 0)
    era = breaker.begin()
    assert breaker.wait > 0
    breaker.answered(era)
    assert (breaker.state, breaker.wait) == ("closed", 0)


def test_a_probe_that_nobody_waits_for_any_more_makes_room_for_another(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    clock.moves(FIRST_OPEN_SECONDS)
    breaker.abandoned(breaker.begin())
    assert (breaker.state, breaker.wait) == ("half-open", 0)


def test_it_stays_open_longer_each_time_and_never_longer_than_healing_may_wait(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    opened = [breaker.wait]
    for _ in range(5):
        clock.moves(breaker.wait)
        fail(breaker, 1)
        opened.append(breaker.wait)
    assert opened == [2, 4, 8, 15, 15, 15]
    # With a probe that has hung for the default deadline of 10 s just before.
    assert MAX_OPEN_SECONDS + 10 < 35


def test_after_healing_it_is_as_patient_as_at_first(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    for _ in range(3):
        clock.moves(breaker.wait)
        fail(breaker, 1)
    clock.moves(breaker.wait)
    breaker.answered(breaker.begin())
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.wait == FIRST_OPEN_SECONDS


def test_calls_of_before_it_opened_neither_close_it_nor_keep_it_open(breaker: CircuitBreaker, clock: Clock) -> None:
    """With 52 under way, the last ones end long after the tenth failure."""
    eras = [breaker.begin() for _ in range(52)]
    for era in eras[:40]:
        breaker.failed(era)
    assert breaker.wait == FIRST_OPEN_SECONDS
    breaker.answered(eras[40])
    assert breaker.wait == FIRST_OPEN_SECONDS
    clock.moves(FIRST_OPEN_SECONDS)
    probe = breaker.begin()
    breaker.failed(eras[41])
    breaker.abandoned(eras[42])
    assert breaker.wait > 0
    breaker.answered(probe)
    for era in eras[43:]:
        breaker.failed(era)
    assert breaker.state == "closed"


def test_calls_that_are_given_up_early_never_open_it(breaker: CircuitBreaker) -> None:
    for _ in range(10 * FAILURES_TO_OPEN):
        breaker.abandoned(breaker.begin())
    assert breaker.state == "closed"


def test_the_log_says_when_it_opens_and_closes(
    breaker: CircuitBreaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(breaker)
    clock.moves(60)
    breaker.answered(breaker.begin())
    assert [record.getMessage() for record in caplog.records] == [
        "ListPhoneNumbers: 10 calls in a row failed; none is made for 2 s",
        "ListPhoneNumbers answers again",
    ]
