"""How many retries a process makes, by plain calls."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.resilience.retry_budget import CAPACITY, PER_SECOND, PER_SUCCESS, RetryBudget
from tests.support.clock import Clock


def spent(budget: RetryBudget, wanted: int) -> int:
    """How many of the retries that are wanted may be made."""
    return sum(budget.spend() for _ in range(wanted))


def test_a_storm_of_failures_has_twenty_retries() -> None:
    assert spent(RetryBudget(Clock()), 300) == 20


def test_good_answers_earn_a_retry_for_each_ten() -> None:
    budget = RetryBudget(Clock())
    spent(budget, 300)
    for _ in range(51):
        budget.on_success()
    assert spent(budget, 300) == 5


def test_a_quiet_minute_fills_it_and_no_more() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    spent(budget, 300)
    clock.moves(4)
    assert spent(budget, 300) == 6
    clock.moves(60)
    assert budget.left == CAPACITY
    assert spent(budget, 300) == 20


@given(st.lists(st.one_of(st.floats(0, 3), st.sampled_from(["retry", "success"])), max_size=400))
def test_no_order_of_things_gives_more_than_the_bucket_and_what_flowed_in(events: list[float | str]) -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    retries, flowed_in = 0, 0.0
    for event in events:
        if isinstance(event, float):
            clock.moves(event)
            flowed_in += event * PER_SECOND
        elif event == "success":
            budget.on_success()
            flowed_in += PER_SUCCESS
        else:
            retries += budget.spend()
        assert 0 <= budget.left <= CAPACITY
        assert retries <= CAPACITY + flowed_in + 1e-6
