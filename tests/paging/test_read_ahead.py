"""Long lists, read over GraphQL on a virtual clock: calls and waits, and rows compared with the inventory."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import pytest

from gateway.errors import UpstreamFailure
from gateway.paging.arguments import read_page_arguments
from gateway.paging.paginator import Paginator
from gateway.paging.read_ahead import MOST_AT_ONCE, ReadAhead
from gateway.schema.filter_conditions import phone_number_list_filter
from gateway.schema.sources import phone_number_list
from gateway.upstream.call import Call, UpstreamResponse
from gateway.upstream.services import CHIME
from tests.execution.comparison import PROJECTING
from tests.paging.scripted_lists import ScriptedPage
from tests.support.aws import e164
from tests.support.timed_account import Measured, TimedAccount, run_timed

ROWS = "query ($filter: PhoneNumberFilter) { phoneNumbers(first: 1000, filter: $filter) { nodes { e164PhoneNumber } } }"
COUNT = "{ phoneNumbers(first: 0) { totalCount } }"
LAST = "{ phoneNumbers(last: 5) { nodes { e164PhoneNumber } } }"
SORTED = "{ phoneNumbers(first: 5, sort: { field: E164_PHONE_NUMBER }) { nodes { e164PhoneNumber } } }"
FACETS = "{ phoneNumbers(first: 0) { facets { status { count } } } }"
SEARCH = """
query ($search: String, $first: Int) {
  phoneNumbers(first: $first, filter: { search: $search }) { nodes { e164PhoneNumber } }
}
"""


class Cost(NamedTuple):
    """Calls and waits of one request."""

    calls: int
    waits: int


async def query(account: TimedAccount, text: str, **variables: Any) -> Any:
    """Return the connection that a request of its own shows."""
    context = account.context()
    try:
        result = await PROJECTING(text, variables, None, context)
    finally:
        context.close()
    assert result.errors is None
    assert result.data is not None
    return result.data["phoneNumbers"]


async def cost_of(account: TimedAccount, text: str, **variables: Any) -> Cost:
    with Measured(account) as measured:
        await query(account, text, **variables)
    return Cost(measured.calls, measured.waits)


def numbers_in(connection: Any) -> list[str]:
    return [node["e164PhoneNumber"] for node in connection["nodes"]]


def timed(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop whose clock jumps."""

    def run() -> None:
        run_timed(test)

    return run


@timed
async def test_thousand_rows_take_eleven_waits_then_three_then_two() -> None:
    account = TimedAccount(range(1_100))
    assert [await cost_of(account, ROWS) for _ in range(4)] == [Cost(11, 11), Cost(11, 3), Cost(11, 2), Cost(11, 2)]
    assert numbers_in(await query(account, ROWS)) == account.rows[:1_000]


@pytest.mark.parametrize("text", [COUNT, LAST, SORTED, FACETS], ids=["count", "last", "sort", "facets"])
def test_whole_list_of_twenty_pages_takes_three_waits(text: str) -> None:
    async def main() -> None:
        account = TimedAccount(range(1_980))
        assert [await cost_of(account, text) for _ in range(3)] == [Cost(20, 20), Cost(20, 4), Cost(20, 3)]

    run_timed(main)


@timed
async def test_short_page_makes_no_call_ahead() -> None:
    account = TimedAccount(range(1_980))
    for _ in range(3):
        await query(account, COUNT)
    assert await cost_of(account, "{ phoneNumbers(first: 99) { nodes { e164PhoneNumber } } }") == Cost(1, 1)


@timed
async def test_tokens_that_differ_each_time_are_read_one_after_the_other_without_a_wasted_call() -> None:
    account = TimedAccount(range(990), unstable_tokens=True)
    assert [await cost_of(account, ROWS) for _ in range(5)] == [Cost(10, 10)] * 5


@timed
async def test_tokens_that_become_unstable_waste_at_most_seven_calls_once() -> None:
    account = TimedAccount(range(990))
    for _ in range(3):
        await query(account, ROWS)
    account.unstable_tokens = True
    calls = [(await cost_of(account, ROWS)).calls for _ in range(20)]
    assert sum(calls) <= 20 * 10 + MOST_AT_ONCE - 1
    assert calls[1:] == [10] * 19


@timed
async def test_list_that_has_changed_is_read_as_it_is_now() -> None:
    """The first page ends with another row now, so its next token differs, and the pages after it are read anew."""
    account = TimedAccount(range(0, 1_980, 2), keyset_tokens=True)
    for _ in range(3):
        await query(account, ROWS)
    account.rows.remove(account.rows[50])
    cost = await cost_of(account, ROWS)
    assert cost.calls <= 10 + MOST_AT_ONCE - 1
    assert numbers_in(await query(account, ROWS)) == account.rows


@timed
async def test_list_that_became_shorter_ends_where_it_ends_now() -> None:
    account = TimedAccount(range(990))
    for _ in range(3):
        await query(account, COUNT)
    del account.rows[250:]
    assert (await query(account, COUNT))["totalCount"] == 250


@pytest.mark.parametrize("keyset_tokens", [False, True], ids=["offset", "keyset"])
def test_rows_are_right_and_less_than_two_percent_of_calls_are_wasted_while_a_list_changes(
    *, keyset_tokens: bool
) -> None:
    """Each tenth request follows a change. Some requests are cold, because their filter is new."""
    draws = random.Random(3)
    made, needed = 0, 0

    async def main() -> None:
        nonlocal made, needed
        account = TimedAccount(range(0, 1_400, 2), keyset_tokens=keyset_tokens)
        for turn in range(400):
            if turn % 10 == 9:
                account.rows.remove(draws.choice(account.rows))
                account.rows = sorted({*account.rows, e164(draws.randrange(1_400)), e164(draws.randrange(1_400))})
            with Measured(account) as measured:
                shown = await query(account, draws.choice([ROWS, COUNT]))
            assert shown in (
                {"nodes": [{"e164PhoneNumber": row} for row in account.rows]},
                {"totalCount": len(account.rows)},
            )
            made += measured.calls
            needed += -(-len(account.rows) // 99)

    run_timed(main)
    assert needed <= made <= 1.02 * needed


@timed
async def test_short_pages_waste_one_call_of_a_walk_at_most() -> None:
    """Pages have half of the rows that are requested, so that rows take twice as many pages as expected."""
    account = TimedAccount(range(0, 1_400, 2))
    account.most_rows = 49
    await query(account, COUNT)
    text = "{ phoneNumbers(first: 500) { nodes { e164PhoneNumber } } }"
    costs = []
    for _ in range(3):
        costs.append(await cost_of(account, text))
        assert numbers_in(await query(account, text)) == account.rows[:500]
    assert max(cost.calls for cost in costs) <= 11 + 1
    assert min(cost.waits for cost in costs) < 11


@pytest.mark.parametrize("changed_each", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("kind", ["keyset", "offset", "sometimes unstable"])
def test_few_requests_waste_seven_calls_and_one_percent_at_most(kind: str, changed_each: int) -> None:
    """The list changes before each request, each second one, and so on. The bound holds after each request."""

    async def main() -> None:
        draws = random.Random(changed_each)
        account = TimedAccount(range(0, 1_980, 2), keyset_tokens=kind == "keyset")
        needed = 0
        for turn in range(40):
            if turn % changed_each == 0 and turn:
                account.unstable_tokens = kind == "sometimes unstable" and not account.unstable_tokens
                account.rows.remove(draws.choice(account.rows))
            await query(account, draws.choice([ROWS, COUNT, LAST]))
            needed += -(-len(account.rows) // 99)
            assert len(account.calls) - needed <= MOST_AT_ONCE - 1 + 0.01 * len(account.calls)

    run_timed(main)


@timed
async def test_filtered_list_requests_as_many_pages_as_its_rows_should_take() -> None:
    """Ten rows of each page match, so that 50 rows take five pages."""
    pages = [[*range(page * 89, (page + 1) * 89), *range(9_000 + page * 10, 9_010 + page * 10)] for page in range(10)]
    account = TimedAccount([row for page in pages for row in page])
    for _ in range(2):
        await query(account, COUNT)
    assert await cost_of(account, SEARCH, search="12065559", first=50) == Cost(calls=5, waits=2)


@timed
async def test_filtered_list_with_few_rows_is_read_ahead() -> None:
    """One row in a hundred matches, about one on each page."""
    account = TimedAccount(range(1_980))
    search = "50 7"
    expected = [row for row in account.rows if "507" in row]
    for _ in range(2):
        await query(account, COUNT)
    with Measured(account) as measured:
        found = numbers_in(await query(account, SEARCH, search=search, first=1_000))
    assert found == expected[: len(found)]
    assert found
    assert measured.calls <= 20
    assert measured.waits <= 6


@timed
async def test_pages_are_streamed_in_order_as_soon_as_each_is_proven() -> None:
    account = TimedAccount(range(990))
    for _ in range(3):
        await query(account, COUNT)
    context = account.context()
    paginator = Paginator(phone_number_list(context, phone_number_list_filter(None, CHIME), None), max_pages=20)
    arguments = read_page_arguments(
        first=1_000, after=None, last=None, before=None, read_cursor=paginator.read_cursor, max_size=1_000
    )
    streamed, since = [], asyncio.get_running_loop().time()
    pages = paginator.pages(arguments)
    assert pages is not None
    async for ranges, _ in pages:
        streamed += [(row["E164PhoneNumber"], asyncio.get_running_loop().time() - since) for row in ranges[0].rows()]
    context.close()
    assert [row for row, _ in streamed] == account.rows
    assert [seconds for _, seconds in streamed] == [1] * 8 * 99 + [2] * 2 * 99


@timed
async def test_client_that_leaves_ends_the_calls_ahead() -> None:
    account = TimedAccount(range(1_980))
    for _ in range(3):
        await query(account, COUNT)
    before = len(account.calls)
    leaving = asyncio.ensure_future(query(account, COUNT))
    await asyncio.sleep(0.5)
    assert len(account.calls) == before + MOST_AT_ONCE
    leaving.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    # The calls are cancelled at once. They would have taken half a second more.
    assert account.upstream.queue.in_flight == 0
    await asyncio.sleep(10)
    assert len(account.calls) == before + MOST_AT_ONCE


@timed
async def test_small_pages_are_not_remembered_and_leave_the_memory_to_large_ones() -> None:
    account = TimedAccount(range(990))
    await query(account, "{ phoneNumbers(first: 10) { nodes { e164PhoneNumber } } }")
    assert account.upstream.known_phone_numbers().pages == {}
    await query(account, COUNT)
    assert len(account.upstream.known_phone_numbers().pages) == 10


@timed
async def test_pages_are_requested_ahead_again_when_at_most_one_percent_of_calls_were_of_no_use() -> None:
    account = TimedAccount(range(990))
    for _ in range(3):
        await query(account, COUNT)
    account.upstream.count_wasted(1)
    known = account.upstream.known_phone_numbers()
    assert account.upstream.tokens_after(known, None, 8) == []
    while len(account.calls) < 100:
        assert await cost_of(account, COUNT) == Cost(calls=10, waits=10)
    assert len(account.upstream.tokens_after(known, None, 8)) == 8


@timed
async def test_no_page_is_requested_ahead_while_calls_wait() -> None:
    account = TimedAccount(range(990))
    for _ in range(3):
        await query(account, COUNT)
    busy = [asyncio.ensure_future(account.find([e164(row)])) for row in range(100)]
    await asyncio.sleep(0.5)
    assert account.upstream.queue.waiting > 0
    known = account.upstream.known_phone_numbers()
    assert account.upstream.tokens_after(known, None, 8) == []
    await asyncio.gather(*busy)
    assert len(account.upstream.tokens_after(known, None, 8)) == 8


@timed
async def test_pages_ahead_keep_to_the_quota_and_let_another_request_go_between() -> None:
    """Two calls a second may start. The pages ahead of one request wait, and the other request takes its turn."""
    account = TimedAccount(range(990), quota=True, rate=2)
    for _ in range(3):
        await query(account, COUNT)
    since = asyncio.get_running_loop().time()
    counting = asyncio.ensure_future(cost_of(account, COUNT))
    await asyncio.sleep(0.1)
    assert account.upstream.queue.waiting > 0
    await account.find([e164(5)])
    # The first call of the list started at once, one waited for its turn, and the get was the third.
    assert asyncio.get_running_loop().time() - since <= 1 + 3 / 2
    await counting
    assert asyncio.get_running_loop().time() - since >= 10 / 2


@timed
async def test_pages_ahead_keep_to_the_concurrent_calls() -> None:
    account = TimedAccount(range(1_980), concurrency=5)
    for _ in range(3):
        await query(account, COUNT)
    assert account.most_in_flight > 1
    await asyncio.gather(*(query(account, text) for text in (COUNT, LAST, SORTED, FACETS)))
    assert account.most_in_flight <= 5


class Deadlines(TimedAccount):
    """An account that notes the deadline of each call."""

    def __init__(self, rows: Iterable[int]) -> None:
        super().__init__(rows)
        self.deadlines: set[float] = set()

    async def call(self, call: Call) -> UpstreamResponse:
        self.deadlines.add(call.deadline)
        return await super().call(call)


@timed
async def test_pages_ahead_have_the_deadline_of_their_request() -> None:
    """The request's calls all end at its deadline. The queue rejects those that would start later."""
    account = Deadlines(range(1_980))
    for _ in range(3):
        account.deadlines.clear()
        await query(account, COUNT)
        assert len(account.deadlines) == 1
    assert await cost_of(account, COUNT) == Cost(20, 3)


class Scripted:
    """Pages by token. Each takes a second, and fails as often as the test says."""

    def __init__(self, tokens: list[str | None], failures: dict[str | None, int] | None = None) -> None:
        self.tokens = tokens
        self.failures = failures or {}
        self.calls: list[str | None] = []
        self.wasted = 0
        self.read_ahead = ReadAhead(self.fetch, self.following, self.count_wasted)

    async def fetch(self, token: str | None, _size: int) -> ScriptedPage[str]:
        self.calls.append(token)
        await asyncio.sleep(1)
        if self.failures.get(token):
            self.failures[token] -= 1
            raise UpstreamFailure("List")
        place = self.tokens.index(token)
        next_token = self.tokens[place + 1] if place + 1 < len(self.tokens) else None
        return ScriptedPage([str(token)], (str(token),), next_token)

    def following(self, token: str | None, count: int) -> list[str]:
        place = self.tokens.index(token) + 1
        return [each for each in self.tokens[place : place + count] if each is not None]

    def count_wasted(self, pages: int) -> None:
        self.wasted += pages


@timed
async def test_page_that_failed_ahead_is_requested_again_when_it_is_needed() -> None:
    upstream = Scripted([None, "1", "2"], failures={"1": 1})
    pages = [await upstream.read_ahead.page(token, [99] * 3) for token in upstream.tokens]
    assert [page.records for page in pages] == [["None"], ["1"], ["2"]]
    assert upstream.calls == [None, "1", "2", "1"]


@timed
async def test_page_that_fails_each_time_is_an_error() -> None:
    upstream = Scripted([None, "1", "2"], failures={"1": 2})
    await upstream.read_ahead.page(None, [99] * 3)
    with pytest.raises(UpstreamFailure):
        await upstream.read_ahead.page("1", [99] * 2)


@timed
async def test_pages_ahead_are_dropped_if_a_page_names_another_token() -> None:
    upstream = Scripted([None, "1", "2", "3"])
    await upstream.read_ahead.page(None, [99] * 4)
    upstream.tokens = ["other", "end"]
    page = await upstream.read_ahead.page("other", [99])
    assert (page.records, page.next_token) == (["other"], "end")
    assert upstream.wasted == 3
    assert repr(upstream.read_ahead) == "<ReadAhead: 0 pages, 0 in flight>"


@timed
async def test_page_of_another_size_is_not_used() -> None:
    upstream = Scripted([None, "1"])
    await upstream.read_ahead.page(None, [99, 99])
    await upstream.read_ahead.page("1", [50])
    assert upstream.calls == [None, "1", "1"]
