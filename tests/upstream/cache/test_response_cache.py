"""The response cache: calls and responses over HTTP, and expiry by plain calls."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any, cast

import httpx
import pytest

from gateway.app import create_app
from gateway.errors import (
    Throttled,
    UpstreamBadRequest,
    UpstreamError,
    UpstreamNotFound,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.server.run import serving_in_thread
from gateway.settings import Settings, read_settings
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.cache.cache_memory import MAX_BYTES, OVERHEAD_BYTES
from gateway.upstream.cache.caching_transport import CachingTransport
from gateway.upstream.cache.response_cache import BYTES_PER_JSON_BYTE, ResponseCache
from gateway.upstream.call import Call, Operation, UpstreamResponse
from gateway.upstream.requester import Requester
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, emulated_aws, order_record
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, bearer, served_issuer

NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"
# The query reads all fields of a record, by each field that returns it.
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
    """Return settings with a cache whose responses outlive the test."""
    given = {"cache_ttl_seconds": 3600, **given}
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)


@pytest.fixture(scope="module")
def kept_for_good(account: Aws) -> Iterator[str]:
    """Return the URL of one gateway for many tests. Each test makes its own distinct query."""
    with serving_in_thread(create_app(cached(account), AwsKeyPair("local", "local"))) as url:
        yield url


@pytest.fixture(scope="module")
def kept_to_stand_in(account: Aws) -> Iterator[str]:
    """Return the URL of a shared gateway whose responses are stale at once."""
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
    """Return a query whose response no other test has cached."""
    return f"{{ phoneNumbers(first: {next(SIZES)}) {{ nodes {{ e164PhoneNumber }} }} }}"


async def posted(gateway: Gateway, document: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    return await gateway.http.post("/graphql", json={"query": document, "variables": variables}, headers=headers)


async def test_repeated_query_is_served_from_the_cache_with_its_age(page: str, gateway: Gateway, aws: Aws) -> None:
    first, second = await posted(gateway, page), await posted(gateway, page)
    assert first.content == second.content
    assert aws.calls == ["ListPhoneNumbers"]
    assert "age" not in first.headers
    assert int(second.headers["age"]) >= 0
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"


async def test_found_and_missing_records_are_cached(gateway: Gateway, aws: Aws) -> None:
    for number, found in ((e164(3), {"e164PhoneNumber": e164(3)}), ("+19995550100", None)):
        aws.calls.clear()
        assert [await gateway.query(NUMBER, number=number) for _ in range(3)] == [{"phoneNumber": found}] * 3
        assert aws.calls == ["GetPhoneNumber"]


async def test_every_query_calls_the_upstream_if_the_cache_is_off(page: str, aws: Aws) -> None:
    async with gateway_over(cached(aws, cache_ttl_seconds=0)) as gateway:
        responses = [await posted(gateway, page) for _ in range(3)]
    assert aws.calls == ["ListPhoneNumbers"] * 3
    assert ["age" in response.headers for response in responses] == [False] * 3


async def test_errors_are_not_cached(page: str, gateway: Gateway, aws: Aws) -> None:
    aws.fails("ListPhoneNumbers", "Forbidden")
    assert (await gateway.execute(page))["errors"][0]["extensions"]["code"] == "UPSTREAM_FORBIDDEN"
    aws.recovers()
    assert "errors" not in await gateway.execute(page)
    assert aws.calls == ["ListPhoneNumbers"] * 2


async def test_cached_responses_are_not_modified_by_other_queries(gateway: Gateway, aws: Aws) -> None:
    """All responses share the cached records. Other queries that use them do not change them."""
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
async def test_no_cache_request_is_sent_upstream(
    page: str, gateway: Gateway, aws: Aws, headers: dict[str, str], calls_after: int
) -> None:
    """Later callers get the fetched response from the cache, unless the request said no-store."""
    for _ in range(2):
        response = await posted(gateway, page, headers)
        assert "age" not in response.headers
    assert aws.calls == ["ListPhoneNumbers"] * 2
    await posted(gateway, page)
    assert aws.calls == ["ListPhoneNumbers"] * (2 + calls_after)


async def test_no_cache_request_joins_a_call_in_flight(page: str, gateway: Gateway, aws: Aws) -> None:
    aws.takes_ms(300)
    wishes = [None, {"cache-control": "no-cache"}, {"cache-control": "no-store"}]
    responses = await asyncio.gather(*(posted(gateway, page, wish) for wish in wishes))
    assert len({response.content for response in responses}) == 1
    assert aws.calls == ["ListPhoneNumbers"]


async def test_response_is_cached_if_its_first_caller_disconnects(page: str, gateway: Gateway, aws: Aws) -> None:
    aws.takes_ms(600)
    leaving = asyncio.create_task(posted(gateway, page))
    joined = [asyncio.create_task(posted(gateway, page)) for _ in range(3)]
    while not aws.calls:  # noqa: ASYNC110  # The emulator has no event for it.
        await asyncio.sleep(0.01)
    leaving.cancel()
    assert {(await each).status_code for each in joined} == {200}
    await posted(gateway, page)
    assert aws.calls == ["ListPhoneNumbers"]


async def test_cached_response_is_not_returned_without_the_required_scope(aws: Aws) -> None:
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
    for response, fields in ((numbers, ["phoneNumberOrder"]), (orders, ["phoneNumbers"])):
        assert [(error["path"], error["extensions"]["code"]) for error in response["errors"]] == [(fields, "FORBIDDEN")]
    assert {error["extensions"]["code"] for error in none["errors"]} == {"FORBIDDEN"}


async def test_stale_response_is_served_and_marked_if_the_upstream_fails(
    page: str, stale_gateway: Gateway, aws: Aws
) -> None:
    fresh = await posted(stale_gateway, page)
    assert "extensions" not in fresh.json()
    aws.fails("*", "ServiceUnavailable")
    stale = await posted(stale_gateway, page)
    assert stale.json() == {**fresh.json(), "extensions": {"stale": True}}
    assert int(stale.headers["age"]) >= 0
    # An unseen query has no stale response, and a no-cache request does not get one.
    other = await stale_gateway.execute(NUMBER, number=e164(7))
    assert other["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    anew = (await posted(stale_gateway, page, {"cache-control": "no-cache"})).json()
    assert anew["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    aws.recovers()
    assert "extensions" not in (await posted(stale_gateway, page)).json()


@pytest.mark.parametrize("code", ["BadRequest", "Unauthorized", "Forbidden", "NotFound", "Throttled"])
async def test_stale_response_is_not_served_for_a_4xx(page: str, stale_gateway: Gateway, aws: Aws, code: str) -> None:
    await posted(stale_gateway, page)
    aws.fails("*", code)
    response = (await posted(stale_gateway, page)).json()
    assert "extensions" not in response
    assert response["errors"]


# By plain calls


class Upstream:
    """A transport whose responses a test sets. It counts the calls."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.calls = 0
        self.responds: Callable[[], UpstreamResponse] = lambda: UpstreamResponse({"at": self.now}, size=100)

    def clock(self) -> float:
        return self.now

    async def call(self, _call: Call) -> UpstreamResponse:
        self.calls += 1
        return self.responds()

    def cached(self, ttl: float, stale_seconds: float) -> "CachedUpstream":
        return CachedUpstream(self, ResponseCache(ttl, stale_seconds, self.clock))


class CachedUpstream:
    """A cache in front of such a transport."""

    def __init__(self, upstream: Upstream, cache: ResponseCache) -> None:
        self.cache = cache
        self._transport = CachingTransport(upstream, cache, None, cast("CredentialCache", Credentials()), "host")

    async def get(self, number: int = 0) -> Any:
        """Return the result of one call."""
        requester = Requester(asyncio.get_running_loop().time() + 60)
        return (await self._transport.call(Call(GET, {"Number": number}, requester))).result


class Credentials:
    """Credentials that are never missing."""

    def overdue(self, _operation: str) -> None:
        return None


GET = Operation("Get", lambda body, _parameters: body, gets_one=True)


def raises(error: UpstreamError) -> Callable[[], UpstreamResponse]:
    def respond() -> UpstreamResponse:
        raise error

    return respond


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


async def test_response_is_cached_until_its_ttl_ends(upstream: Upstream) -> None:
    cached = upstream.cached(2, 0)
    first = await cached.get()
    upstream.now += 1.999
    # The cache returns the object itself, without a copy.
    assert await cached.get() is first
    upstream.now += 0.001
    assert await cached.get() is not first
    assert upstream.calls == 2


async def test_request_record_says_until_when_all_used_responses_are_fresh(upstream: Upstream) -> None:
    cached = upstream.cached(60, 0)
    await cached.get(1)
    upstream.now += 10
    for numbers, seconds in (((2,), 60), ((1,), 50), ((2, 1), 50), ((2, 3), 60)):
        record = RequestRecord()
        REQUEST_RECORD.set(record)
        for number in numbers:
            await cached.get(number)
        assert record.fresh_until == upstream.now + seconds


async def test_requests_that_share_a_call_have_the_same_freshness(upstream: Upstream) -> None:
    cached = upstream.cached(60, 0)

    async def fresh_until() -> float | None:
        record = RequestRecord()
        REQUEST_RECORD.set(record)
        await cached.get()
        return record.fresh_until

    assert set(await asyncio.gather(fresh_until(), fresh_until())) == {upstream.now + 60}
    assert upstream.calls == 1


async def test_missing_record_is_cached_for_a_quarter_of_the_ttl(upstream: Upstream) -> None:
    cached = upstream.cached(2, 0)
    upstream.responds = raises(UpstreamNotFound("Get"))
    for after, calls in ((0, 1), (0.499, 1), (0.001, 2)):
        upstream.now += after
        assert await cached.get() is None
        assert upstream.calls == calls


async def test_clock_set_back_does_not_keep_a_response_fresh(upstream: Upstream) -> None:
    cached = upstream.cached(2, 10)
    await cached.get()
    upstream.now -= 3600
    await cached.get()
    assert upstream.calls == 2


@pytest.mark.parametrize(
    ("error", "after", "stale_fallback"),
    [
        (UpstreamUnavailable("Get"), 12.0, True),
        (UpstreamUnavailable("Get"), 12.1, False),
        (UpstreamTimeout("Get"), 3.0, True),
        (Throttled("Get"), 3.0, False),
        (UpstreamBadRequest("Get"), 3.0, False),
    ],
)
async def test_stale_response_replaces_only_an_upstream_failure_within_its_time(
    upstream: Upstream, error: UpstreamError, after: float, *, stale_fallback: bool
) -> None:
    cached = upstream.cached(2, 10)
    first = await cached.get()
    upstream.now += after
    upstream.responds = raises(error)
    if stale_fallback:
        assert await cached.get() is first
    else:
        with pytest.raises(type(error)) as raised:
            await cached.get()
        assert raised.value is error
    assert upstream.calls == 2


async def test_full_memory_evicts_the_oldest_response(upstream: Upstream) -> None:
    cached = upstream.cached(2, 0)
    upstream.responds = lambda: UpstreamResponse({}, size=(MAX_BYTES // 8 - OVERHEAD_BYTES) // BYTES_PER_JSON_BYTE)
    for number in range(9):
        await cached.get(number)
    assert upstream.calls == 9
    # The ninth evicted the first.
    for number in range(1, 9):
        await cached.get(number)
    assert upstream.calls == 9
    await cached.get(0)
    assert upstream.calls == 10


async def test_response_too_large_for_the_memory_is_not_cached(upstream: Upstream) -> None:
    cached = upstream.cached(2, 0)
    await cached.get(0)
    upstream.responds = lambda: UpstreamResponse({}, size=MAX_BYTES // BYTES_PER_JSON_BYTE)
    for _ in range(2):
        await cached.get(1)
    assert upstream.calls == 3
    await cached.get(0)
    assert upstream.calls == 3


async def test_response_too_old_to_be_used_leaves_the_memory(upstream: Upstream) -> None:
    cached = upstream.cached(2, 3)
    for number in range(50):
        await cached.get(number)
    assert len(cached.cache) == 50
    upstream.now += 5
    await cached.get()
    assert len(cached.cache) == 1
