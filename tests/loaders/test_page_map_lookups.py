"""Lookups with the page map, counted in calls and waits on a virtual clock and compared with the inventory."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lookup_waits import MODES, WRITTEN_TO, rows, tables
from gateway.loaders.batch_plan import KEYS_PER_UNPROVEN_PAGE, MAX_DEFICIT
from tests.support.aws import e164
from tests.support.timed_account import PAGE_SIZE, Measured, TimedAccount, run_timed


class Cost(NamedTuple):
    """Calls and waits of one lookup."""

    calls: int
    waits: int


async def cost_of(account: TimedAccount, places: Sequence[int]) -> Cost:
    """Look up the numbers at these places of the first inventory, and compare each record with the present one."""
    numbers = [e164(place) for place in places]
    account.version += 1
    with Measured(account) as measured:
        found = await account.find(numbers)
    assert found == account.expected(numbers)
    return Cost(measured.calls, measured.waits)


def timed(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop whose clock jumps."""

    def run() -> None:
        run_timed(test)

    return run


def most_calls(keys: int) -> int:
    """Return the most calls for so many keys, whatever happened to the pages since they were read."""
    return keys + MAX_DEFICIT + keys // KEYS_PER_UNPROVEN_PAGE


SPREAD = random.Random(1).sample(range(990), 100)


@timed
async def test_known_pages_are_read_at_the_same_time() -> None:
    account = TimedAccount(range(990))
    await account.read_whole_list()
    assert await cost_of(account, SPREAD) == Cost(calls=10, waits=1)


@pytest.mark.parametrize("unstable_tokens", [False, True])
def test_lookups_alone_learn_all_pages_within_seven_requests(*, unstable_tokens: bool) -> None:
    async def main() -> None:
        account = TimedAccount(range(990), unstable_tokens=unstable_tokens)
        costs = [await cost_of(account, SPREAD) for _ in range(7)]
        assert costs[-1] == Cost(calls=10, waits=1)
        assert max(cost.waits for cost in costs) <= 5

    run_timed(main)


@timed
async def test_unknown_number_is_fetched_together_with_known_pages() -> None:
    account = TimedAccount(range(2_000))
    await account.read_whole_list()
    account.rows.append(e164(5_000))
    assert await cost_of(account, [1, 2, 3, 5_000]) == Cost(calls=2, waits=1)


@timed
async def test_number_that_moved_costs_one_more_get_and_wait() -> None:
    account = TimedAccount(range(2_000))
    await account.read_whole_list()
    account.rows.append(account.rows.pop(5))
    assert await cost_of(account, [2, 3, 5, 7]) == Cost(calls=2, waits=2)


@timed
async def test_missing_numbers_cost_no_get_if_the_whole_list_is_read() -> None:
    account = TimedAccount(range(250))
    await account.read_whole_list()
    assert await cost_of(account, [*range(0, 250, 5), *range(900, 910)]) == Cost(calls=3, waits=1)


@timed
async def test_number_that_moves_while_the_whole_list_is_read_is_found() -> None:
    """Five calls run at the same time. The number leaves a page that is read later for one that was read before."""
    account = TimedAccount(range(990), concurrency=5)
    await account.read_whole_list()
    wanted = [e164(place) for place in SPREAD]
    finding = asyncio.ensure_future(account.find(wanted))
    await asyncio.sleep(0.5)
    for number in wanted[:50]:
        account.rows.remove(number)
        account.rows.insert(0, number)
    assert await finding == account.expected(wanted)


@timed
async def test_number_added_after_the_pages_were_read_is_found() -> None:
    """The list has one page more than the map knows, so its known pages do not prove that a number is missing."""
    account = TimedAccount(range(99))
    await account.read_whole_list()
    account.rows.extend(e164(row) for row in range(99, 110))
    assert (await cost_of(account, [*range(20), *range(100, 110)])).waits <= 2


@timed
async def test_hundred_numbers_on_ten_unknown_pages_take_at_most_five_waits() -> None:
    for seed in range(20):
        cost = await cost_of(TimedAccount(range(990)), random.Random(seed).sample(range(990), 100))
        assert cost.waits <= 5
        assert cost.calls <= 102


@timed
async def test_fewest_calls_come_first_if_a_quota_is_set() -> None:
    assert await cost_of(TimedAccount(range(990), quota=True), SPREAD) == Cost(calls=10, waits=10)


@timed
async def test_fewest_calls_come_first_if_aws_has_throttled_lately() -> None:
    account = TimedAccount(range(990))
    account.throttle()
    assert (await cost_of(account, SPREAD)).calls == 10


@pytest.mark.parametrize("quota", [False, True])
def test_hundred_numbers_of_250_cost_three_calls(*, quota: bool) -> None:
    async def main() -> None:
        for seed in range(20):
            places = random.Random(seed).sample(range(250), 100)
            assert (await cost_of(TimedAccount(range(250), quota=quota), places)).calls == 3

    run_timed(main)


@timed
async def test_rejected_tokens_are_forgotten_and_cost_no_error() -> None:
    account = TimedAccount(range(990))
    await account.read_whole_list()
    rejected = account.upstream.known_phone_numbers().pages.keys() - {None}
    account.expire_tokens()
    assert (await cost_of(account, SPREAD)).calls <= 102
    assert rejected.isdisjoint(account.upstream.known_phone_numbers().pages)
    await account.read_whole_list()
    assert await cost_of(account, SPREAD) == Cost(calls=10, waits=1)


@timed
async def test_list_is_read_again_from_its_start_if_its_tokens_are_rejected() -> None:
    account = TimedAccount(range(990), quota=True)
    await account.read_whole_list()
    account.expire_tokens()
    # The first page has no token, so that one of the ten known pages was read. Nine more follow it.
    assert (await cost_of(account, SPREAD)).calls == 19


@timed
async def test_unknown_pages_are_read_after_known_ones_if_a_quota_is_set() -> None:
    account = TimedAccount(range(990), quota=True)
    source, token = account.data_source(), None
    for _ in range(7):
        token = (await source.page(token, PAGE_SIZE, {})).next_token
    assert await cost_of(account, SPREAD) == Cost(calls=10, waits=1 + 3)


@timed
async def test_unstable_tokens_lead_to_known_pages_as_well() -> None:
    account = TimedAccount(range(990), unstable_tokens=True)
    await account.read_whole_list()
    assert await cost_of(account, SPREAD) == Cost(calls=10, waits=1)


@timed
async def test_pages_that_proved_wrong_are_not_followed_by_more_of_them() -> None:
    """Each of 40 pages held two wanted numbers, which all moved to the end of the list."""
    account = TimedAccount(range(20_000))
    await account.read_whole_list()
    places = [place for page in range(40) for place in (page * PAGE_SIZE, page * PAGE_SIZE + 1)]
    account.rows = [*account.rows[40 * PAGE_SIZE :], *account.rows[: 40 * PAGE_SIZE]]
    assert (await cost_of(account, places)).calls == 80 + MAX_DEFICIT


@timed
async def test_pages_that_held_ten_numbers_each_may_all_prove_wrong() -> None:
    """No plan can read ten pages in one wait and make fewer calls if none of them holds a number any more."""
    account = TimedAccount(range(20_000))
    await account.read_whole_list()
    places = [page * PAGE_SIZE + row for page in range(10) for row in range(10)]
    account.rows = [*account.rows[10 * PAGE_SIZE :], *account.rows[: 10 * PAGE_SIZE]]
    assert (await cost_of(account, places)).calls == 100 + 10
    # The lookup has learned that.
    assert (await cost_of(account, places)).calls <= 100 + MAX_DEFICIT


@timed
async def test_few_numbers_on_each_of_many_known_pages_take_one_wait() -> None:
    account = TimedAccount(range(990))
    await account.read_whole_list()
    cost = await cost_of(account, SPREAD[:30])
    assert cost.calls <= 30
    assert cost.waits == 1


@timed
async def test_known_pages_that_proved_right_are_followed_by_all_others_if_a_quota_is_set() -> None:
    account = TimedAccount(range(990), quota=True)
    await account.read_whole_list()
    assert await cost_of(account, SPREAD[:30]) == Cost(calls=10, waits=2)


@timed
async def test_list_that_has_grown_is_read_on() -> None:
    account = TimedAccount(range(990), quota=True)
    await account.read_whole_list()
    account.rows.extend(e164(row) for row in range(2_000, 2_200))
    assert await cost_of(account, [*SPREAD, *range(2_000, 2_030)]) == Cost(calls=11, waits=2)


@timed
async def test_known_pages_are_walked_at_the_same_time_if_gets_are_denied() -> None:
    account = TimedAccount(range(1_100))
    account.denies_gets = True
    for _ in range(2):
        await account.read_whole_list()
    assert await cost_of(account, [5_000, 5_001]) == Cost(calls=2 + 12, waits=1 + 2)
    assert await cost_of(account, [5, 1_095]) == Cost(calls=12, waits=2)
    # No page is requested after the last one that holds a number.
    assert await cost_of(account, [5, 250]) == Cost(calls=3, waits=1)
    assert await cost_of(account, [5]) == Cost(calls=1, waits=1)
    account.rows.insert(0, account.rows.pop())
    assert (await cost_of(account, [5, 1_099])).calls <= 12


@timed
async def test_unstable_tokens_are_walked_one_after_the_other_if_gets_are_denied() -> None:
    account = TimedAccount(range(990), unstable_tokens=True)
    account.denies_gets = True
    for _ in range(2):
        await account.read_whole_list()
    await account.find([e164(1), e164(2)])
    assert await cost_of(account, [5, 985]) == Cost(calls=10, waits=10)


@st.composite
def inventories(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[int]]:
    """Draw an inventory of up to ten pages, later states of it, and the numbers to look up."""
    size = draw(st.integers(0, 990))
    shuffled = random.Random(draw(st.integers(0, 10)))
    states = [list(range(size))]
    for _ in range(draw(st.integers(1, 3))):
        rows_now = states[-1].copy()
        kind = draw(st.sampled_from(["add", "remove", "move", "shuffle", "leave"]))
        some = shuffled.sample(rows_now, min(len(rows_now), draw(st.integers(0, 120))))
        if kind == "add":
            rows_now[:0] = range(1_000 + 200 * len(states), 1_000 + 200 * len(states) + len(some))
        elif kind == "shuffle":
            shuffled.shuffle(rows_now)
        elif kind != "leave":
            rows_now = [row for row in rows_now if row not in some] + (some if kind == "move" else [])
        states.append(rows_now)
    wanted = draw(st.lists(st.integers(0, 1_900), unique=True, max_size=20))
    return states[0], states[1:], wanted + shuffled.sample(range(990), draw(st.integers(0, 100)))


@given(inventories(), st.booleans(), st.booleans(), st.booleans())
def test_no_number_is_lost_or_old_while_rows_come_go_and_move(
    drawn: tuple[list[int], list[list[int]], list[int]],
    quota: bool,
    unstable_tokens: bool,
    reads_all: bool,
) -> None:
    first, states, wanted = drawn

    async def main() -> None:
        account = TimedAccount(first, quota=quota, unstable_tokens=unstable_tokens)
        if reads_all:
            await account.read_whole_list()
        for state in [first, *states]:
            account.rows = [e164(row) for row in state]
            cost = await cost_of(account, sorted(set(wanted)))
            assert cost.calls <= most_calls(len(set(wanted)))

    run_timed(main)


@pytest.mark.parametrize(("quota", "unstable_tokens"), MODES)
def test_k_numbers_cost_at_most_k_plus_two_calls_while_rows_move(*, quota: bool, unstable_tokens: bool) -> None:
    for row in rows(inventories=(100, 250, 1_000), quota=quota, unstable_tokens=unstable_tokens):
        *moving, expired = row.costs
        assert max(cost.calls for cost in moving) <= row.k + MAX_DEFICIT, row
        assert expired.calls <= most_calls(row.k), row


@pytest.mark.slow
@pytest.mark.parametrize(("quota", "unstable_tokens"), MODES)
def test_k_numbers_of_many_cost_at_most_k_plus_two_calls(*, quota: bool, unstable_tokens: bool) -> None:
    for row in rows(inventories=(10_000, 100_000), quota=quota, unstable_tokens=unstable_tokens):
        *moving, expired = row.costs
        # Contiguous numbers are on full pages. All of these are wrong if ten thousand rows before them move.
        most = row.k + MAX_DEFICIT if row.places == "spread" else most_calls(row.k)
        assert max(cost.calls for cost in moving) <= most, row
        assert expired.calls <= most_calls(row.k), row


@pytest.mark.slow
def test_documented_table_of_waits_matches_the_code() -> None:
    """Run `python -m benchmarks.lookup_waits` to update the table."""
    assert WRITTEN_TO.read_text().splitlines() == list(tables())
