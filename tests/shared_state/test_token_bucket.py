"""The token bucket of one process, tested by direct calls. Its users' tests cover the bucket in Redis."""

from gateway.shared_state.token_bucket import SECOND, TokenBucket
from tests.support.clock import Clock


def test_a_full_bucket_holds_its_burst_and_then_refills_evenly() -> None:
    clock = Clock()
    bucket = TokenBucket(3 * SECOND, clock)
    assert [bucket.acquire(SECOND) for _ in range(4)] == [True, True, True, False]
    assert (bucket.wait(SECOND), bucket.wait(2 * SECOND), bucket.backlog) == (SECOND, 2 * SECOND, 3 * SECOND)
    clock.moves(1)
    assert [bucket.acquire(SECOND) for _ in range(2)] == [True, False]


def test_a_rejected_cost_takes_no_tokens() -> None:
    bucket = TokenBucket(3 * SECOND, Clock())
    assert not bucket.acquire(3 * SECOND + 1)
    assert (bucket.backlog, bucket.acquire(3 * SECOND)) == (0, True)


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(2 * SECOND, clock)
    bucket.refund(10 * SECOND)
    clock.moves(100)
    assert [bucket.acquire(SECOND) for _ in range(3)] == [True, True, False]


def test_a_refund_ends_a_wait_early() -> None:
    bucket = TokenBucket(2 * SECOND, Clock())
    bucket.acquire(2 * SECOND)
    bucket.refund(SECOND // 2)
    assert bucket.wait(SECOND) == SECOND // 2
