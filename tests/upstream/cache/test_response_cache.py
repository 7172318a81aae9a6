"""The cache of upstream answers: over HTTP what is asked upstream and what is told, by plain calls what time does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from math import inf
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.errors import Throttled, UpstreamBadRequest, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.server.run import serving_in_thread
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.cache.response_cache import MAX_BYTES, OVERHEAD_BYTES, ResponseCache
from gateway.upstream.cache.shared_cache import CacheKey
from gateway.upstream.requester import DEFAULT_DIRECTIVES, Requester
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, emulated_aws, order_record
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, bearer, served_issuer

NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"
# Whatever a record has is read, by each of the ways that lead to it.
EVERYTHING = """
query ($number: E164PhoneNumber!, $order: ID!) {
  phoneNumbers(first: 99) { totalCount edges { cursor node { ...N } } pageInfo { endCursor hasNextPage } }
  last: phoneNumbers(last: 7) { nodes { ...N } pageInfo { startCursor hasPreviousPage } }
  phoneNumberOrders(first: 9) {
    totalCount nodes { id status orderedPhoneNumbers { e164PhoneNumber phoneNumber { ...N } } }
  }
  phoneNumber(e164PhoneNumber: $number) { ...N }
  phoneNumberOrder(phoneNumberOrderId: $order) { id orderedPhoneNumbers { phoneNumber { ...N } } }
}
fragment N on PhoneNumber {
  id e164PhoneNumber status type productType callingName callingNameStatus country createdTimestamp updatedTimestamp
  deletionTimestamp capabilities { inboundCall outboundCall } associations { name value associatedTimestamp }
}
"""
SIZES = count(1)
ORDER_ID = order_record(0, [])["PhoneNumberOrderId"]


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as shared:
        shared.holds(inventory=150, orders=3, numbers_each=5)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    account.recovers()
    account.takes_ms(0)
    return account


def cached(aws: Aws, **given: Any) -> Settings:
    """Settings with a cache whose answers outlive the test."""
    given = {"cache_ttl_seconds": 3600, **given}
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)


@pytest.fixture(scope="module")
def kept_for_good(account: Aws) -> Iterator[str]:
    """The URL of one gateway for many tests, each of which asks what no other does."""
    with serving_in_thread(create_app(cached(account), AwsKeyPair("local", "local"))) as url:
        yield url


@pytest.fixture(scope="module")
def kept_to_stand_in(account: Aws) -> Iterator[str]:
    """Likewise; here every answer is past its time at once."""
    settings = cached(account, cache_ttl_seconds=0, stale_if_error_seconds=3600)
    with serving_in_thread(create_app(settings, AwsKeyPair("local", "local"))) as url:
        yield url


@pytest.fixture
async def gateway(kept_for_good: str) -> AsyncIterator[Gateway]:
    async with httpx.AsyncClient(base_url=kept_for_good, timeout=30) as http:
        yield Gateway(http)


@pytest.fixture
async def stale_gateway(kept_to_stand_in: str) -> AsyncIterator[Gateway]:
    async with httpx.AsyncClient(base_url=kept_to_stand_in, timeout=30) as http:
        yield Gateway(http)


@pytest.fixture
def page() -> str:
    """A query whose answer no other test has had kept."""
    return f"{{ phoneNumbers(first: {next(SIZES)}) {{ nodes {{ e164PhoneNumber }} }} }}"


async def posted(gateway: Gateway, document: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    return await gateway.http.post("/graphql", json={"query": document, "variables": variables}, headers=headers)


async def test_what_was_asked_is_answered_again_at_no_call_and_says_its_age(
    page: str, gateway: Gateway, aws: Aws
) -> None:
    first, second = await posted(gateway, page), await posted(gateway, page)
    assert first.content == second.content
    assert aws.calls == ["ListPhoneNumbers"]
    assert "age" not in first.headers
    assert int(second.headers["age"]) >= 0
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"


async def test_a_record_and_its_absence_are_kept(gateway: Gateway, aws: Aws) -> None:
    for number, found in ((e164(3), {"e164PhoneNumber": e164(3)}), ("+19995550100", None)):
        aws.calls.clear()
        assert [await gateway.query(NUMBER, number=number) for _ in range(3)] == [{"phoneNumber": found}] * 3
        assert aws.calls == ["GetPhoneNumber"]


async def test_without_a_cache_everything_is_asked_anew(page: str, aws: Aws) -> None:
    async with gateway_over(cached(aws, cache_ttl_seconds=0)) as gateway:
        answers = [await posted(gateway, page) for _ in range(3)]
    assert aws.calls == ["ListPhoneNumbers"] * 3
    assert ["age" in answer.headers for answer in answers] == [False] * 3


async def test_no_fault_is_kept(page: str, gateway: Gateway, aws: Aws) -> None:
    aws.fails("ListPhoneNumbers", "Forbidden")
    assert (await gateway.answer(page))["errors"][0]["extensions"]["code"] == "UPSTREAM_FORBIDDEN"
    aws.recovers()
    assert "errors" not in await gateway.answer(page)
    assert aws.calls == ["ListPhoneNumbers"] * 2


async def test_what_answers_are_made_of_stays_as_it_came(gateway: Gateway, aws: Aws) -> None:
    """All answers are made of the same records: whatever else was answered with them, they are answered as at first."""
    variables = {"number": e164(1), "order": ORDER_ID}
    first = await gateway.query(EVERYTHING, **variables)
    calls = len(aws.calls)
    cursor = first["phoneNumbers"]["edges"][40]["cursor"]
    others = (
        f'{{ phoneNumbers(first: 30, after: "{cursor}") {{ nodes {{ id status }} pageInfo {{ endCursor }} }} }}',
        f'{{ phoneNumbers(last: 30, before: "{cursor}") {{ nodes {{ associations {{ name }} }} }} }}',
        "{ phoneNumbers(first: 99) { nodes { order { id } } } phoneNumberOrders(first: 9) { edges { cursor } } }",
        f'{{ nodes(ids: ["{first["phoneNumber"]["id"]}"]) {{ id __typename }} }}',
    )
    for other in others:
        await gateway.query(other)
    assert await gateway.query(EVERYTHING, **variables) == first
    assert calls > 0
    fetched = Counter(aws.calls[:calls])
    assert fetched == {"ListPhoneNumbers": 2, "ListPhoneNumberOrders": 1, "GetPhoneNumber": 1, "GetPhoneNumberOrder": 1}


@pytest.mark.parametrize(
    ("headers", "calls_after"),
    [
        ({"cache-control": "no-cache"}, 0),
        ({"cache-control": "max-age=0, No-Cache"}, 0),
        ({"pragma": "no-cache"}, 0),
        ({"cache-control": "max-age=0"}, 0),
        ({"cache-control": "no-store"}, 1),
    ],
)
async def test_who_wants_no_cache_is_answered_anew(
    page: str, gateway: Gateway, aws: Aws, headers: dict[str, str], calls_after: int
) -> None:
    """What was fetched for it others are answered, unless it says no-store."""
    for _ in range(2):
        answer = await posted(gateway, page, headers)
        assert "age" not in answer.headers
    assert aws.calls == ["ListPhoneNumbers"] * 2
    await posted(gateway, page)
    assert aws.calls == ["ListPhoneNumbers"] * (2 + calls_after)


async def test_who_wants_no_cache_may_join_a_call_that_is_under_way(page: str, gateway: Gateway, aws: Aws) -> None:
    aws.takes_ms(300)
    wishes = [None, {"cache-control": "no-cache"}, {"cache-control": "no-store"}]
    answers = await asyncio.gather(*(posted(gateway, page, wish) for wish in wishes))
    assert len({answer.content for answer in answers}) == 1
    assert aws.calls == ["ListPhoneNumbers"]


async def test_an_answer_is_kept_although_who_asked_for_it_first_has_left(
    page: str, gateway: Gateway, aws: Aws
) -> None:
    aws.takes_ms(600)
    leaving = asyncio.create_task(posted(gateway, page))
    joined = [asyncio.create_task(posted(gateway, page)) for _ in range(3)]
    while not aws.calls:  # noqa: ASYNC110  # It tells nobody.
        await asyncio.sleep(0.01)
    leaving.cancel()
    assert {(await each).status_code for each in joined} == {200}
    await posted(gateway, page)
    assert aws.calls == ["ListPhoneNumbers"]


async def test_nobody_gets_out_of_the_cache_what_its_token_may_not_read(aws: Aws) -> None:
    key = SigningKey("a")
    document = f'{{ phoneNumbers {{ totalCount }} phoneNumberOrder(phoneNumberOrderId: "{ORDER_ID}") {{ id }} }}'
    with served_issuer(key) as issuer:
        jwt = {"jwt_jwks_url": issuer.url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        async with gateway_over(cached(aws, auth="jwt", **jwt)) as gateway:
            both, numbers, orders, none = [
                (await posted(gateway, document, bearer(key.token(scope=scope)))).json()
                for scope in (
                    "phone-numbers:read phone-number-orders:read",
                    "phone-numbers:read",
                    "phone-number-orders:read",
                    "",
                )
            ]
    assert aws.calls.count("GetPhoneNumberOrder") == 1
    assert both["data"]["phoneNumberOrder"] is not None
    assert numbers["data"] == {**both["data"], "phoneNumberOrder": None}
    assert orders["data"] is None or orders["data"]["phoneNumbers"] is None
    for answer, fields in ((numbers, ["phoneNumberOrder"]), (orders, ["phoneNumbers"])):
        assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [(fields, "FORBIDDEN")]
    assert {error["extensions"]["code"] for error in none["errors"]} == {"FORBIDDEN"}


async def test_an_old_answer_stands_in_for_an_upstream_that_fails_and_says_so(
    page: str, stale_gateway: Gateway, aws: Aws
) -> None:
    fresh = await posted(stale_gateway, page)
    assert "extensions" not in fresh.json()
    aws.fails("*", "ServiceUnavailable")
    stale = await posted(stale_gateway, page)
    assert stale.json() == {**fresh.json(), "extensions": {"stale": True}}
    assert int(stale.headers["age"]) >= 0
    # What nobody has asked before has no answer, and whoever wants none that is kept gets none.
    other = await stale_gateway.answer(NUMBER, number=e164(7))
    assert other["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    anew = (await posted(stale_gateway, page, {"cache-control": "no-cache"})).json()
    assert anew["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    aws.recovers()
    assert "extensions" not in (await posted(stale_gateway, page)).json()


@pytest.mark.parametrize("code", ["BadRequest", "Unauthorized", "Forbidden", "NotFound", "Throttled"])
async def test_no_old_answer_stands_in_for_a_4xx(page: str, stale_gateway: Gateway, aws: Aws, code: str) -> None:
    await posted(stale_gateway, page)
    aws.fails("*", code)
    answer = (await posted(stale_gateway, page)).json()
    assert "extensions" not in answer
    assert answer["errors"]


# By plain calls


class Upstream:
    """Answers with what a test says, and counts how often it is asked."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.asked = 0
        self.says: Callable[[], Any] = lambda: {"ResponseMetadata": {"Bytes": 100}, "at": self.now}

    def clock(self) -> float:
        return self.now

    async def fetch(self, _wanted: object) -> Any:
        self.asked += 1
        return self.says()

    async def through(self, cache: ResponseCache, key: CacheKey = ("List", ())) -> Any:
        return await cache.get(key, self.fetch, lambda answer: answer, Requester(inf))


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


async def test_an_answer_is_as_good_as_new_until_its_time_is_over(upstream: Upstream) -> None:
    cache = ResponseCache(2, 0, clock=upstream.clock)
    first = await upstream.through(cache)
    upstream.now += 1.999
    # The object itself: nothing is copied.
    assert await upstream.through(cache) is first
    upstream.now += 0.001
    assert await upstream.through(cache) is not first
    assert upstream.asked == 2


async def test_what_is_not_there_is_asked_for_again_four_times_as_soon(upstream: Upstream) -> None:
    cache = ResponseCache(2, 0, clock=upstream.clock)
    upstream.says = lambda: None
    for after, asked in ((0, 1), (0.499, 1), (0.001, 2)):
        upstream.now += after
        assert await upstream.through(cache) is None
        assert upstream.asked == asked


async def test_a_clock_that_is_set_back_makes_nothing_last(upstream: Upstream) -> None:
    cache = ResponseCache(2, 10, clock=upstream.clock)
    await upstream.through(cache)
    upstream.now -= 3600
    await upstream.through(cache)
    assert upstream.asked == 2


@pytest.mark.parametrize(
    ("fault", "after", "stale_fallback"),
    [
        (UpstreamUnavailable("List"), 12.0, True),
        (UpstreamUnavailable("List"), 12.1, False),
        (UpstreamTimeout("List"), 3.0, True),
        (Throttled("List"), 3.0, False),
        (UpstreamBadRequest("List"), 3.0, False),
    ],
)
async def test_an_old_answer_stands_in_for_so_long(
    upstream: Upstream, fault: UpstreamError, after: float, *, stale_fallback: bool
) -> None:
    cache = ResponseCache(2, 10, clock=upstream.clock)
    first = await upstream.through(cache)
    upstream.now += after
    assert cache.stale_fallback(("List", ()), fault, DEFAULT_DIRECTIVES) == ((first,) if stale_fallback else None)


async def test_memory_holds_so_many_bytes_and_lets_go_of_the_oldest(upstream: Upstream) -> None:
    cache = ResponseCache(2, 0, clock=upstream.clock)
    each = MAX_BYTES // 8
    upstream.says = lambda: {"ResponseMetadata": {"Bytes": each - OVERHEAD_BYTES}}
    for number in range(9):
        await upstream.through(cache, ("Get", (("Number", number),)))
    assert upstream.asked == 9
    # The first had to make room for the ninth.
    for number in range(1, 9):
        await upstream.through(cache, ("Get", (("Number", number),)))
    assert upstream.asked == 9
    await upstream.through(cache, ("Get", (("Number", 0),)))
    assert upstream.asked == 10


async def test_an_answer_that_would_fill_the_memory_is_not_kept(upstream: Upstream) -> None:
    cache = ResponseCache(2, 0, clock=upstream.clock)
    await upstream.through(cache, ("Get", ()))
    upstream.says = lambda: {"ResponseMetadata": {"Bytes": MAX_BYTES}}
    for _ in range(2):
        await upstream.through(cache, ("List", ()))
    assert upstream.asked == 3
    await upstream.through(cache, ("Get", ()))
    assert upstream.asked == 3


async def test_what_is_too_old_to_be_of_use_leaves_the_memory(upstream: Upstream) -> None:
    cache = ResponseCache(2, 3, clock=upstream.clock)
    for number in range(50):
        await upstream.through(cache, ("Get", (("Number", number),)))
    assert len(cache) == 50
    upstream.now += 5
    await upstream.through(cache)
    assert len(cache) == 1
