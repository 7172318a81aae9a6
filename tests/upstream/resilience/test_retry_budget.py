"""The retry budget, tested by direct calls."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.resilience.retry_budget import CAPACITY, PER_SECOND, PER_SUCCESS, RetryBudget
from tests.support.clock import Clock


def spent(budget: RetryBudget, wanted: int) -> int:
    """Try to take this many retries, and return how many were taken."""
    return sum(budget.spend() for _ in range(wanted))


def test_a_full_budget_allows_twenty_retries() -> None:
    assert spent(RetryBudget(Clock()), 300) == 20


def test_ten_successful_calls_add_one_retry() -> None:
    budget = RetryBudget(Clock())
    spent(budget, 300)
    for _ in range(51):
        budget.on_success()
    assert spent(budget, 300) == 5


def test_time_refills_the_budget_up_to_its_capacity() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    spent(budget, 300)
    clock.moves(4)
    assert spent(budget, 300) == 6
    clock.moves(60)
    assert budget.left == CAPACITY
    assert spent(budget, 300) == 20


@given(st.lists(st.one_of(st.floats(0, 3), st.sampled_from(["retry", "success"])), max_size=400))
def test_no_sequence_allows_more_than_the_capacity_and_the_refill(events: list[float | str]) -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    retries, refill = 0, 0.0
    for event in events:
        if isinstance(event, float):
            clock.moves(event)
            refill += event * PER_SECOND
        elif event == "success":
            budget.on_success()
            refill += PER_SUCCESS
        else:
            retries += budget.spend()
        assert 0 <= budget.left <= CAPACITY
        assert retries <= CAPACITY + refill + 1e-6
