"""The batch plan, simulated with plain calls and run by whole batches over in-memory lists."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lookup_calls import RANDOM, WRITTEN_TO, measure, tables
from gateway.errors import PageLimitExceeded, Throttled
from gateway.loaders.batch import DENIAL_SECONDS, GetAccess
from gateway.loaders.batch_plan import should_fetch_page
from tests.loaders.page_source import Pages

KEYS = [f"k{index}" for index in range(40)]


def calls_made(requested: int, pages: Iterator[int]) -> int:
    """Return the calls for `requested` keys if each page resolves so many. The remaining keys are fetched by get."""
    left, resolved = requested, list[int]()
    while should_fetch_page(requested, left, resolved):
        resolved.append(min(left, next(pages, 0)))
        left -= resolved[-1]
    return len(resolved) + left


@given(requested=st.integers(0, 1_000), pages=st.lists(st.integers(0, 100), max_size=300))
def test_k_keys_need_at_most_k_plus_two_calls_on_any_pages(requested: int, pages: list[int]) -> None:
    assert calls_made(requested, iter(pages)) <= requested + 2


@given(
    requested=st.integers(3, 1_000),
    pages=st.lists(st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3]), min_size=50, max_size=2_000),
)
def test_k_keys_need_at_most_k_plus_two_calls_if_pages_just_about_pay(requested: int, pages: list[int]) -> None:
    assert calls_made(requested, iter(pages)) <= requested + 2


@pytest.mark.parametrize("requested", range(11))
def test_few_keys_cost_at_most_two_extra_calls_on_every_sequence_of_pages(requested: int) -> None:
    """Try every sequence that the plan can meet."""

    @cache
    def worst(left: int, resolved: tuple[int, ...]) -> int:
        if not should_fetch_page(requested, left, resolved):
            return len(resolved) + left
        return max(worst(left - found, (*resolved, found)) for found in range(left + 1))

    assert worst(requested, ()) <= requested + 2


@pytest.mark.parametrize("requested", [0, 1, 2])
def test_one_or_two_keys_are_fetched_by_get_without_a_page(requested: int) -> None:
    assert not should_fetch_page(requested, requested, [])


@pytest.mark.parametrize("requested", [3, 4, 5, 100, 1_000])
def test_three_or_more_keys_start_with_a_list_page(requested: int) -> None:
    assert should_fetch_page(requested, requested, [])


@pytest.mark.parametrize(
    ("left", "resolved"), [(0, [10]), (1, [9]), (1, [3, 3, 3]), (10, [0, 0]), (3, [7, 0, 0, 0]), (3, [0, 7, 0, 0, 0])]
)
def test_keys_left_after_few_or_empty_pages_are_fetched_by_get(left: int, resolved: list[int]) -> None:
    assert not should_fetch_page(10, left, resolved)


def test_walk_stops_after_at_most_four_pages_without_a_key() -> None:
    resolved = [90]
    while should_fetch_page(100, 10, resolved):
        resolved.append(0)
    assert resolved == [90, 0, 0, 0, 0]


def test_walk_continues_while_each_page_resolves_a_key() -> None:
    assert calls_made(50, iter([1] * 50)) == 50


async def test_complete_walk_proves_that_unlisted_keys_are_missing() -> None:
    """Three of the ten keys are missing. The whole list has three pages, and no get follows."""
    upstream = Pages([["k0", "k1", "k2"], ["k3", "k4"], ["k5", "k6"]], held=KEYS[:7])
    outcomes = await upstream.find(KEYS[:10])
    assert outcomes == {key: (key if key in KEYS[:7] else None) for key in KEYS[:10]}
    assert (upstream.list_calls, upstream.get_calls) == (3, 0)


async def test_empty_list_proves_with_one_call_that_all_keys_are_missing() -> None:
    upstream = Pages([[]], held=())
    assert await upstream.find(KEYS) == dict.fromkeys(KEYS)
    assert upstream.calls == 1


async def test_complete_filtered_walk_does_not_prove_that_unlisted_keys_are_missing() -> None:
    """The filter is guessed from the orders. A number may have moved to another product type since."""
    keys = ["VoiceConnector1", "VoiceConnector2", "BusinessCalling3", "BusinessCalling4", "VoiceConnector5"]
    upstream = Pages([keys[:4]], held=keys[:4])
    assert await upstream.find(keys, "VoiceConnector") == {**{key: key for key in keys[:4]}, keys[4]: None}
    # The list of that product type, then the unfiltered list, whose end proves that the rest is missing.
    assert (upstream.list_calls, upstream.get_calls) == (2, 0)


@st.composite
def upstreams(draw: st.DrawFn) -> tuple[Pages, list[str]]:
    """Draw keys on pages and the keys to request. Some keys are missing and some list pages fail."""
    held = draw(st.lists(st.sampled_from(KEYS), unique=True))
    pages: list[Sequence[str]] = []
    start = 0
    for size in draw(st.lists(st.integers(0, 6), max_size=20)):
        pages.append(held[start : start + size])
        start += size
    pages.append(held[start:])
    requested = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
    return Pages(pages, held, failing_pages=draw(st.sets(st.integers(0, 10), max_size=2))), requested


@given(upstreams(), st.sampled_from([None, "k", "k1", "none"]))
def test_every_key_gets_its_record_or_none_at_no_more_than_two_extra_calls(
    given_upstream: tuple[Pages, list[str]], product_type: str | None
) -> None:
    """Lists may have short, empty and failing pages. The guessed product type may be wrong."""
    upstream, requested = given_upstream
    outcomes = asyncio.run(upstream.find(requested, product_type))
    assert outcomes == {key: (key if key in upstream.held else None) for key in requested}
    assert upstream.calls <= len(requested) + 2


@given(upstreams(), st.sets(st.sampled_from(KEYS)))
def test_key_fails_only_if_its_own_get_fails(given_upstream: tuple[Pages, list[str]], failing_gets: set[str]) -> None:
    upstream, requested = given_upstream
    upstream.failing_gets = failing_gets
    outcomes = asyncio.run(upstream.find(requested))
    assert outcomes.keys() == set(requested)
    for key, outcome in outcomes.items():
        if isinstance(outcome, Throttled):
            assert key in failing_gets
        else:
            assert outcome == (key if key in upstream.held else None)


@given(upstreams())
def test_every_key_is_found_by_walking_if_gets_are_denied(given_upstream: tuple[Pages, list[str]]) -> None:
    upstream, requested = given_upstream
    upstream.failing_pages = ()

    async def find() -> dict[str, object]:
        upstream.get_access.deny()
        return {**await upstream.find(requested)}

    outcomes = asyncio.run(find())
    assert upstream.get_calls == 0
    assert upstream.list_calls <= min(20, len(upstream.pages))
    for key, outcome in outcomes.items():
        if isinstance(outcome, PageLimitExceeded):
            assert len(upstream.pages) > 20
        else:
            assert outcome == (key if key in upstream.held else None)


class ClockAhead(asyncio.SelectorEventLoop):
    """An event loop whose clock a test can advance."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_denied_get_is_retried_after_the_denial_expires() -> None:
    loop = ClockAhead()

    async def granted_over_time() -> list[bool]:
        access = GetAccess()
        granted = [access.is_allowed()]
        access.deny()
        for ahead in (0.0, DENIAL_SECONDS - 1, DENIAL_SECONDS + 1):
            loop.ahead = ahead
            granted.append(access.is_allowed())
        return granted

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(granted_over_time()) == [True, False, False, True]


def test_median_cost_of_random_keys_is_at_most_twice_the_optimum() -> None:
    rows = list(measure(RANDOM, inventories=(10, 100, 250, 1_000, 10_000), draws=15))
    assert len(rows) == 37
    assert [(row.k, row.inventory, row.median_ratio) for row in rows if row.median_ratio > 2] == []


@pytest.mark.slow
def test_documented_table_of_calls_matches_the_code() -> None:
    """Run `python -m benchmarks.lookup_calls` to update the table."""
    assert WRITTEN_TO.read_text().splitlines() == list(tables())
