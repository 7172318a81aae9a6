"""The rate limit of each caller, in the points that its operations cost."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.errors import ConfigurationError
from gateway.http.error_response import RateLimited
from gateway.http.rate_limiter import Allowance, CallerRateLimiter
from gateway.settings import Settings, read_settings
from gateway.shared_state.redis_client import RedisClient
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, emulated_aws
from tests.support.clock import Clock
from tests.support.redis_server import RedisServer, healthy_for_get_and_set, pretending, redis_server

ONE, OTHER = new_api_key(), new_api_key()
# A record and a call: 2 points.
LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}
LONG_LISTS = " ".join(f"{alias}: phoneNumbers(first: 1000) {{ nodes {{ id }} }}" for alias in "abcdef")
# Each of these is rejected and costs one point.
RUBBISH: list[dict[str, Any]] = [
    {"content": b"{", "headers": {"content-type": "application/json"}},
    {"json": {"query": "{"}},
    {"json": {"query": "{ nothing }"}},
    {"json": {"query": f"{{ {LONG_LISTS} }}"}},
    {"json": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}},
    {"json": {"query": "query A { __typename } query B { __typename }", "operationName": "C"}},
]


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as shared:
        shared.holds(inventory=10)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    return account


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


def limited(aws: Aws, points: int, **given: Any) -> Settings:
    keys = ",".join(hash_api_key(key.encode()) for key in (ONE, OTHER))
    return read_settings(
        upstream_api=aws.api,
        upstream_endpoint_url=aws.url,
        auth="api-key",
        api_keys=keys,
        rate_limit_points_per_minute=points,
        **given,
    )


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return limited(aws, 6)


async def posted(gateway: Gateway, key: str = ONE, **request: Any) -> httpx.Response:
    request.setdefault("json", LISTED)
    if "content" in request:
        del request["json"]
    headers = {"x-api-key": key, **request.pop("headers", {})}
    return await gateway.http.post("/graphql", headers=headers, **request)


async def statuses(gateway: Gateway, times: int, key: str = ONE) -> list[int]:
    return [(await posted(gateway, key)).status_code for _ in range(times)]


async def test_a_caller_without_points_gets_429_and_the_time_to_wait(gateway: Gateway, aws: Aws) -> None:
    for key in (ONE, OTHER):
        aws.calls.clear()
        assert await statuses(gateway, 5, key) == [200, 200, 200, 429, 429]
        response = await posted(gateway, key)
        assert 1 <= int(response.headers["retry-after"]) <= 20
        assert response.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
        assert len(aws.calls) == 3


async def test_the_largest_limit_is_one_that_the_rate_limiter_can_count(aws: Aws) -> None:
    with pytest.raises(ConfigurationError, match="at most 1000000"):
        limited(aws, 1_000_001)
    async with gateway_over(limited(aws, 1_000_000)) as gateway:
        response = await posted(gateway)
    assert response.status_code == 200
    assert response.headers["ratelimit"].startswith('"points";r=999998;')


async def test_a_costlier_query_takes_more_points(gateway: Gateway, aws: Aws) -> None:
    cheap, dear = ({"query": f"{{ phoneNumbers(first: {first}) {{ nodes {{ id }} }} }}"} for first in (1, 3))
    responses = [(await posted(gateway, json=query)).status_code for query in (dear, dear, cheap, cheap)]
    # 4 of 6 points, then 4 are too many, then the last 2, then 2 are too many.
    assert responses == [200, 429, 200, 429]
    assert len(aws.calls) == 2


@pytest.mark.parametrize("request_", RUBBISH)
async def test_a_rejected_request_costs_one_point(gateway: Gateway, aws: Aws, request_: dict[str, Any]) -> None:
    responses = [await posted(gateway, **request_) for _ in range(7)]
    assert [response.status_code == 429 for response in responses] == [False] * 6 + [True]
    assert "errors" in responses[0].json()
    assert aws.calls == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "mutation { nothing }"},
        {"query": "{ a }", "variables": "{"},
    ],
)
async def test_a_rejected_get_costs_one_point(gateway: Gateway, aws: Aws, parameters: dict[str, str]) -> None:
    headers = {"x-api-key": ONE}
    responses = [await gateway.http.get("/graphql", params=parameters, headers=headers) for _ in range(7)]
    assert [response.status_code == 429 for response in responses] == [False] * 6 + [True]
    assert aws.calls == []


async def test_an_unauthenticated_request_costs_no_points(gateway: Gateway) -> None:
    assert await statuses(gateway, 7, "wrong") == [401] * 7
    assert await statuses(gateway, 1) == [200]


# The header fields


def points_left(response: httpx.Response) -> tuple[int, int]:
    """Return the points left and the seconds until all are back, from the header RateLimit."""
    assert response.headers["ratelimit-policy"] == '"points";q=6;w=60'
    [(left, seconds)] = re.findall(r'\A"points";r=(\d+);t=(\d+)\Z', response.headers["ratelimit"])
    return int(left), int(seconds)


async def test_every_response_to_a_caller_tells_the_points_left(gateway: Gateway) -> None:
    assert points_left(await posted(gateway)) == (4, 20)
    # A rejected GraphQL request costs a point.
    left, seconds = points_left(await posted(gateway, json={"query": "{"}))
    assert (left, seconds) == (3, 30)
    # A request that is no GraphQL request costs none.
    for response in (
        await posted(gateway, headers={"accept": "text/html"}),
        await posted(gateway, headers={"content-type": "text/plain"}),
        await gateway.http.put("/graphql", headers={"x-api-key": ONE}),
    ):
        assert response.status_code in {405, 406, 415}
        assert points_left(response) == (3, 30)
    assert points_left(await posted(gateway)) == (1, 50)
    for _ in range(2):
        rejected = await posted(gateway)
        assert rejected.status_code == 429
        assert points_left(rejected) == (1, int(rejected.headers["retry-after"]))
    assert points_left(await posted(gateway, json={"query": "{"}))[0] == 0
    # The caller is known to have no points, so its request is not even parsed.
    for _ in range(2):
        rejected = await posted(gateway)
        left, seconds = points_left(rejected)
        assert (rejected.status_code, left) == (429, 0)
        assert seconds == int(rejected.headers["retry-after"]) > 0
    assert points_left(await posted(gateway, OTHER)) == (4, 20)


async def test_a_response_in_parts_tells_the_points_left(gateway: Gateway) -> None:
    streamed = {"query": "{ phoneNumbers(first: 3) { nodes @stream { id } } }"}
    response = await posted(gateway, json=streamed, headers={"accept": "multipart/mixed"})
    assert response.headers["content-type"].startswith("multipart/mixed")
    assert points_left(response) == (2, 40)


async def test_a_request_without_a_caller_has_only_the_policy(gateway: Gateway) -> None:
    response = await posted(gateway, "wrong")
    assert response.status_code == 401
    assert response.headers["ratelimit-policy"] == '"points";q=6;w=60'
    assert "ratelimit" not in response.headers


async def test_a_page_of_an_allowed_origin_can_read_the_points_left(aws: Aws) -> None:
    async with gateway_over(limited(aws, 6, cors_origins=["https://app.example.com"])) as gateway:
        response = await posted(gateway, headers={"origin": "https://app.example.com"})
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"ratelimit", "ratelimit-policy", "retry-after"} <= set(exposed)


async def test_replicas_over_one_redis_tell_the_points_left_together(aws: Aws) -> None:
    with redis_server() as own:
        async with two_gateways(limited(aws, 6, redis_url=own.url)) as (one, other):
            assert points_left(await posted(one)) == (4, 20)
            assert points_left(await posted(other))[0] == 2
            refused = await posted(one, headers={"accept": "text/html"})
            assert (refused.status_code, points_left(refused)[0]) == (406, 2)
            assert points_left(await posted(one))[0] == 0
            assert points_left(await posted(other))[0] == 0


# With Redis


@asynccontextmanager
async def two_gateways(settings: Settings) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with gateway_over(settings) as one, gateway_over(settings) as other:
        yield one, other


async def test_replicas_over_one_redis_count_together(aws: Aws, redis: RedisServer) -> None:
    async with two_gateways(limited(aws, 8, redis_url=redis.url)) as gateways:
        for key in (ONE, OTHER):
            aws.calls.clear()
            responses = [status for gateway in gateways * 3 for status in await statuses(gateway, 1, key)]
            assert responses == [200] * 4 + [429] * 2
            assert len(aws.calls) == 4
    with redis.client() as client:
        limits = list(client.scan_iter("chime-gateway:limit:*"))
        assert len(limits) == 2
        # They expire, and their names do not reveal the caller.
        assert all(0 < client.pttl(name) <= 60_000 for name in limits)
        assert not any(hash_api_key(key.encode()).encode() in name for name in limits for key in (ONE, OTHER))


async def test_without_redis_each_replica_enforces_its_share(aws: Aws) -> None:
    async with two_gateways(limited(aws, 8, replicas=2)) as gateways:
        for gateway in gateways:
            assert await statuses(gateway, 4) == [200, 200, 429, 429]


async def test_each_replica_enforces_its_share_when_redis_dies(aws: Aws) -> None:
    with redis_server() as own:
        async with two_gateways(limited(aws, 8, replicas=2, redis_url=own.url)) as gateways:
            assert await statuses(gateways[0], 4) == [200] * 4
            own.process.kill()
            own.process.wait()
            for gateway in gateways:
                assert (await statuses(gateway, 4))[-1] == 429
    assert len(aws.calls) <= 8


@pytest.mark.parametrize(
    "reply", [b":-1\r\n", b":99999999999999\r\n", b"+OK\r\n", b"$1\r\n7\r\n", b"*-1\r\n", b"HTTP/1.1\r\n"]
)
async def test_a_broken_redis_reply_does_not_lift_the_limit(reply: bytes) -> None:
    with pretending(healthy_for_get_and_set(lambda _requested: reply)) as url:
        link = RedisClient(url)
        async with link.open():
            limit = CallerRateLimiter(2, redis=link)
            for _ in range(2):
                await limit.consume("caller", 1)
            with pytest.raises(RateLimited):
                await limit.consume("caller", 1)


async def test_a_caller_known_to_have_no_points_is_rejected_without_redis(redis: RedisServer) -> None:
    link = RedisClient(redis.url)
    now = 0.0
    limit = CallerRateLimiter(60, redis=link, clock=lambda: now)
    async with link.open():
        await limit.consume("spender", 60)
        limit.check("spender")
        with pytest.raises(RateLimited):
            await limit.consume("spender", 1)
        with pytest.raises(RateLimited):
            limit.check("spender")
        now = 1.0
        limit.check("spender")


async def test_a_bucket_with_a_time_too_far_ahead_counts_as_empty(redis: RedisServer) -> None:
    """Redis's clock was set back, or another program wrote the key."""
    link = RedisClient(redis.url)
    async with link.open():
        await CallerRateLimiter(60, redis=link).consume("sufferer", 1)
        with redis.client() as client:
            now, _ = client.time()
            for name in client.scan_iter("chime-gateway:limit:*"):
                client.set(name, (now + 3600) * 1_000_000)
        with pytest.raises(RateLimited) as refusal:
            await CallerRateLimiter(60, redis=link).consume("sufferer", 1)
    assert refusal.value.headers == ((b"retry-after", b"1"), (b"ratelimit", b'"points";r=0;t=1'))


# In one process, by its clock


async def test_points_refill_evenly_up_to_the_size_of_the_bucket() -> None:
    now = 0.0
    limit = CallerRateLimiter(60, clock=lambda: now)
    await limit.consume("caller", 60)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await limit.consume("caller", 1)
    now = 10.0
    with pytest.raises(RateLimited) as refusal:
        await limit.consume("caller", 12)
    # A rejected request takes no points, and the reported wait is long enough.
    assert refusal.value.headers == ((b"retry-after", b"2"), (b"ratelimit", b'"points";r=10;t=2'))
    now = 12.0
    await limit.consume("caller", 12)
    now = 100_000.0
    await limit.consume("caller", 60)
    with pytest.raises(RateLimited):
        await limit.consume("caller", 1)
    await limit.consume("another caller", 60)


@pytest.mark.parametrize("points", [1, 7, 59, 60, 61, 6000, 99_999])
async def test_a_full_bucket_holds_the_points_of_a_minute(points: int) -> None:
    limit = CallerRateLimiter(points, clock=lambda: 0.0)
    assert await limit.allowance("caller") == (points, points, 0)
    assert (await limit.consume("caller", 1)).left == points - 1
    for _ in range(min(points - 1, 100)):
        left = (await limit.consume("caller", 1)).left
    assert points == 1 or left == max(0, points - 101)


async def test_each_rejection_in_a_row_reports_when_the_same_request_can_succeed() -> None:
    clock = Clock()
    limit = CallerRateLimiter(60, clock=clock)
    await limit.consume("caller", 60)

    async def request() -> Allowance:
        limit.check("caller")
        return await limit.consume("caller", 30)

    # Below one point, the cost of a request is not read again. From one point on, it is.
    for moves, seconds, left in ((0, 30, 0), (0.25, 30, 0), (0.5, 30, 0), (0.25, 29, 1), (0.25, 29, 1), (28.5, 1, 29)):
        clock.moves(moves)
        with pytest.raises(RateLimited) as refusal:
            await request()
        header = b'"points";r=%d;t=%d' % (left, seconds)
        assert refusal.value.headers == ((b"retry-after", b"%d" % seconds), (b"ratelimit", header))
    clock.moves(0.25)
    assert (await request()).left == 0


async def test_the_points_left_grow_until_the_bucket_is_full() -> None:
    now = 0.0
    limit = CallerRateLimiter(60, clock=lambda: now)
    assert await limit.consume("caller", 10) == (60, 50, 10)
    now = 4.5
    assert await limit.allowance("caller") == (60, 54, 6)
    assert await limit.allowance("caller") == (60, 54, 6)
    now = 10.0
    assert await limit.allowance("caller") == (60, 60, 0)
    # A cost above the bucket takes all of it.
    assert await limit.consume("caller", 1_000) == (60, 0, 60)


async def test_a_cost_above_the_bucket_takes_a_full_bucket() -> None:
    now = 0.0
    limit = CallerRateLimiter(10, clock=lambda: now)
    await limit.consume("caller", 1_000)
    with pytest.raises(RateLimited):
        await limit.consume("caller", 1)
    now = 59.0
    with pytest.raises(RateLimited):
        await limit.consume("caller", 1_000)
    now = 60.0
    await limit.consume("caller", 1_000)


async def test_a_share_below_one_point_a_minute_allows_one_point_in_several_minutes() -> None:
    now = 0.0
    limit = CallerRateLimiter(3, replicas=9, clock=lambda: now)
    await limit.consume("caller", 5)
    with pytest.raises(RateLimited) as refusal:
        await limit.consume("caller", 5)
    assert refusal.value.headers == ((b"retry-after", b"180"), (b"ratelimit", b'"points";r=0;t=180'))
    now = 180.0
    await limit.consume("caller", 5)


async def test_concurrent_requests_are_counted_one_by_one(redis: RedisServer) -> None:
    link = RedisClient(redis.url)
    limit = CallerRateLimiter(30, redis=link)
    async with link.open():
        outcomes = await asyncio.gather(*(limit.consume("crowd", 1) for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(outcome, Allowance) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 70
