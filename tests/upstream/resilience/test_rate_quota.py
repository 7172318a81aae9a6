"""The rate limiter of a single process, tested by direct calls."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.resilience.rate_quota import LocalRateLimiter
from tests.support.clock import Clock


@given(rate=st.floats(0.5, 500), late=st.lists(st.floats(0, 0.01), min_size=1, max_size=50))
def test_the_rate_is_kept_in_every_second_and_used_up_even_if_timers_are_late(rate: float, late: list[float]) -> None:
    clock = Clock()
    limiter = LocalRateLimiter(rate, clock)
    taken: list[float] = []
    for index in range(int(3 * rate) + 3):
        while (wait := limiter.wait) > 0:
            clock.moves(wait + late[index % len(late)])
        limiter.acquire()
        taken.append(clock.now)
    for first, second in enumerate(taken):
        assert sum(second <= each < second + 1 for each in taken[first:]) <= rate * 1.05 + 1 + 1e-6
    seconds = taken[-1] - taken[0]
    assert len(taken) - 1 >= rate * (seconds - 0.06)
