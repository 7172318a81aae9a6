"""Reused responses over HTTP: which requests share one, for how long, and what each request still has of its own."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import pairwise
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from gateway.app import create_app
from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.auth.jwt_authenticator import LEEWAY_SECONDS
from gateway.http import response_store
from gateway.http.compression import MAX_INLINE_BYTES, compress
from gateway.settings import read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.conftest import Gateway
from tests.support.aws import Aws, e164, emulated_aws, number_record
from tests.support.clock import Clock
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, bearer, served_issuer
from tests.support.redis_server import redis_server
from tests.support.serving import served

TTL = 60
LISTED = "query Listed { phoneNumbers(first: 99) { edges { cursor node { id callingName } } } }"
NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { callingName } }"
KEYS = [new_api_key() for _ in range(2)]


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as shared:
        yield shared


@pytest.fixture
def aws(account: Aws) -> Iterator[Aws]:
    account.holds(inventory=99)
    account.calls.clear()
    yield account
    account.recovers()
    account.takes_ms(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def caching(aws: Aws, clock: Clock, **given: Any) -> AsyncIterator[Gateway]:
    """Run a gateway with a cache on a clock while the block runs."""
    given = {"cache_ttl_seconds": TTL, **given}
    settings = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)
    with served(create_app(settings, AwsKeyPair("local", "local"), clock)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


@pytest.fixture
async def gateway(aws: Aws, clock: Clock) -> AsyncIterator[Gateway]:
    async with caching(aws, clock) as running:
        yield running


async def posted(gateway: Gateway, document: str = LISTED, **given: Any) -> httpx.Response:
    headers = given.pop("headers", None)
    return await gateway.http.post("/graphql", json={"query": document, **given}, headers=headers)


def reused(level: str = "stored") -> float:
    """Return the number of responses that were reused in this process so far."""
    return REGISTRY.get_sample_value("chime_gateway_responses_reused_total", {"level": level}) or 0


def renamed(aws: Aws, name: str, index: int = 3) -> None:
    """Change a number in AWS."""
    aws.adds_numbers([number_record(index, CallingName=name)])


async def test_an_identical_request_gets_the_same_response_without_execution(gateway: Gateway, aws: Aws) -> None:
    before = reused()
    first, second, third = [await posted(gateway) for _ in range(3)]
    assert first.content == second.content == third.content
    assert len({each.headers["x-request-id"] for each in (first, second, third)}) == 3
    assert reused() - before == 2
    assert aws.calls == ["ListPhoneNumbers"]


async def test_age_is_that_of_the_oldest_part_in_whole_seconds(gateway: Gateway, aws: Aws, clock: Clock) -> None:
    assert "age" not in (await posted(gateway)).headers
    assert (await posted(gateway)).headers["age"] == "0"
    clock.moves(0.999)
    assert (await posted(gateway)).headers["age"] == "0"
    clock.moves(0.001)
    assert (await posted(gateway)).headers["age"] == "1"
    # A second part that is younger.
    both = f'{{ phoneNumbers(first: 99) {{ totalCount }} phoneNumber(e164PhoneNumber: "{e164(5)}") {{ id }} }}'
    clock.moves(9)
    assert [(await posted(gateway, both)).headers["age"] for _ in range(2)] == ["10", "10"]
    clock.moves(0.5)
    assert (await posted(gateway, both)).headers["age"] == "10"
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumber"]


async def test_a_change_shows_when_the_first_part_expires(gateway: Gateway, aws: Aws, clock: Clock) -> None:
    old = await posted(gateway)
    renamed(aws, "NEW")
    clock.moves(TTL - 0.001)
    assert (await posted(gateway)).content == old.content
    assert aws.calls == ["ListPhoneNumbers"]
    clock.moves(0.001)
    new = await posted(gateway)
    assert new.json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"] == "NEW"
    assert "age" not in new.headers
    assert (await posted(gateway)).content == new.content


async def test_no_former_response_is_reused_after_a_jump_of_the_clock(gateway: Gateway, aws: Aws, clock: Clock) -> None:
    await posted(gateway)
    renamed(aws, "NEW")
    clock.moves(TTL)
    # Another request replaces the expired part.
    await posted(gateway, "{ phoneNumbers(first: 99) { nodes { id } } }")
    clock.moves(-TTL)
    assert (await posted(gateway)).json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"] == "NEW"


async def test_a_missing_record_is_reused_for_a_quarter_of_the_time(gateway: Gateway, aws: Aws, clock: Clock) -> None:
    async def found() -> Any:
        return (await posted(gateway, NUMBER, variables={"number": e164(200)})).json()["data"]["phoneNumber"]

    assert await found() is None
    renamed(aws, "BORN", 200)
    try:
        clock.moves(TTL / 4 - 0.001)
        assert await found() is None
        clock.moves(0.001)
        assert await found() == {"callingName": "BORN"}
    finally:
        aws.loses_number(e164(200))


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "no-store"])
async def test_a_request_that_bypasses_the_cache_is_executed(gateway: Gateway, aws: Aws, directive: str) -> None:
    headers = {"cache-control": directive}
    old = await posted(gateway)
    renamed(aws, directive)
    before = reused(), reused("in_flight")
    new = await posted(gateway, headers=headers)
    assert new.json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"] == directive
    assert "age" not in new.headers
    assert (reused(), reused("in_flight")) == before
    # Others get the new data at once, unless they were not to be stored.
    after = await posted(gateway)
    assert after.headers["age"] == "0"
    if directive == "no-store":
        assert after.content == old.content
    else:
        assert after.json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"] == directive
    assert aws.calls == ["ListPhoneNumbers"] * 2


async def test_no_cache_for_one_part_ends_the_reuse_of_each_response_with_this_part(gateway: Gateway, aws: Aws) -> None:
    both = (
        f'{{ phoneNumbers(first: 9) {{ nodes {{ id }} }} phoneNumber(e164PhoneNumber: "{e164(3)}") {{ callingName }} }}'
    )
    await posted(gateway, both)
    await posted(gateway)
    renamed(aws, "NEWEST")
    await posted(gateway, NUMBER, variables={"number": e164(3)}, headers={"cache-control": "no-cache"})
    assert (await posted(gateway, both)).json()["data"]["phoneNumber"] == {"callingName": "NEWEST"}
    # The other response has no such part.
    before = reused()
    await posted(gateway)
    assert reused() - before == 1
    assert calls_of(aws) == {"ListPhoneNumbers": 2, "GetPhoneNumber": 2}


def calls_of(aws: Aws) -> dict[str, int]:
    return {name: aws.calls.count(name) for name in aws.calls}


async def test_without_a_cache_each_request_is_executed(aws: Aws, clock: Clock) -> None:
    before = reused(), reused("in_flight")
    async with caching(aws, clock, cache_ttl_seconds=0, stale_if_error_seconds=TTL) as gateway:
        responses = [await posted(gateway) for _ in range(2)]
        aws.takes_ms(200)
        responses += await asyncio.gather(*(posted(gateway) for _ in range(3)))
    # Upstream calls in flight are shared, as ever.
    assert aws.calls == ["ListPhoneNumbers"] * 3
    assert len({each.content for each in responses}) == 1
    assert (reused(), reused("in_flight")) == before


@pytest.mark.parametrize(
    ("document", "given"),
    [
        ("{", {}),
        ("{ nothing }", {}),
        ("{ __typename }", {}),
        # No response of AWS decides how long this is fresh.
        ("{ phoneNumbers(first: 0) { nodes { id } } }", {}),
        ('{ phoneNumbers(first: 3) { nodes { id } } node(id: "x") { id } }', {}),
        (LISTED, {"extensions": {"cost": True}}),
        (LISTED, {"headers": {"x-debug-upstream": "1"}}),
        ("{ phoneNumbers(first: 9) { nodes @stream { id } } }", {}),
        ("{ phoneNumbers(first: 9) { nodes @stream { id } } }", {"headers": {"accept": "multipart/mixed"}}),
    ],
)
async def test_responses_that_are_about_one_request_are_not_reused(
    gateway: Gateway, document: str, given: dict[str, Any]
) -> None:
    before = reused(), reused("in_flight")
    for _ in range(3):
        await posted(gateway, document, **dict(given))
    await asyncio.gather(*(posted(gateway, document, **dict(given)) for _ in range(3)))
    assert (reused(), reused("in_flight")) == before


async def test_an_error_of_aws_is_not_reused(gateway: Gateway, aws: Aws) -> None:
    aws.fails("ListPhoneNumbers", "Forbidden")
    assert (await posted(gateway)).json()["errors"]
    aws.recovers()
    assert "errors" not in (await posted(gateway)).json()


async def test_a_stale_response_is_not_reused(aws: Aws, clock: Clock) -> None:
    async with caching(aws, clock, stale_if_error_seconds=3600) as gateway:
        await posted(gateway)
        clock.moves(TTL)
        aws.fails("*", "ServiceUnavailable")
        stale = await posted(gateway)
        assert stale.json()["extensions"] == {"stale": True}
        assert stale.headers["age"] == str(TTL)
        aws.recovers()
        renamed(aws, "BACK")
        back = await posted(gateway)
        assert back.json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"] == "BACK"


async def test_a_response_with_one_stale_part_is_not_reused(aws: Aws, clock: Clock) -> None:
    both = f'{{ phoneNumbers(first: 9) {{ totalCount }} phoneNumber(e164PhoneNumber: "{e164(3)}") {{ callingName }} }}'
    async with caching(aws, clock, stale_if_error_seconds=3600) as gateway:
        await posted(gateway, NUMBER, variables={"number": e164(3)})
        clock.moves(TTL)
        await posted(gateway, "{ phoneNumbers(first: 9) { totalCount } }")
        aws.fails("GetPhoneNumber", "ServiceUnavailable")
        assert (await posted(gateway, both)).json()["extensions"] == {"stale": True}
        aws.recovers()
        renamed(aws, "BACK AGAIN")
        assert (await posted(gateway, both)).json()["data"]["phoneNumber"] == {"callingName": "BACK AGAIN"}


async def test_get_and_head_share_responses_and_post_has_its_own(gateway: Gateway) -> None:
    before = reused()
    got = [await gateway.http.get("/graphql", params={"query": LISTED}) for _ in range(2)]
    head = await gateway.http.head("/graphql", params={"query": LISTED})
    assert reused() - before == 2
    assert got[0].content == got[1].content
    assert head.content == b""
    assert head.headers["content-length"] == got[1].headers["content-length"]
    await posted(gateway)
    assert reused() - before == 2
    # A query string that is sent as a body is no query.
    query_string = str(got[0].request.url.query, "ascii")
    sent = await gateway.http.post("/graphql", content=query_string, headers={"content-type": "application/json"})
    assert sent.status_code == 400


async def test_each_client_gets_the_coding_and_the_media_type_that_it_accepts(gateway: Gateway) -> None:
    async def fetched(**headers: str) -> tuple[httpx.Response, bytes]:
        async with gateway.http.stream("POST", "/graphql", json={"query": LISTED}, headers=headers) as response:
            return response, b"".join([chunk async for chunk in response.aiter_raw()])

    plain, body = await fetched(**{"accept-encoding": "identity"})
    before = reused()
    for _ in range(2):
        response, sent = await fetched(**{"accept-encoding": "gzip"})
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["content-length"] == str(len(sent)) != str(len(body))
        assert gzip.decompress(sent) == body
        response, sent = await fetched(**{"accept-encoding": "zstd"})
        assert response.headers["content-encoding"] == "zstd"
        assert sent[:4] == b"\x28\xb5\x2f\xfd"
        response, sent = await fetched(**{"accept-encoding": "identity", "accept": "application/graphql-response+json"})
        assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert sent == body
        assert "content-encoding" not in response.headers
    assert reused() - before == 6
    assert plain.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_large_response_is_compressed_once_for_all(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[str] = []

    def counted(body: bytes, coding: str) -> bytes:
        compressed.append(coding)
        return compress(body, coding)

    monkeypatch.setattr(response_store, "compress", counted)
    aliases = " ".join(
        f"a{n}: phoneNumbers(first: 99) {{ edges {{ cursor node {{ id status country type }} }} }}" for n in range(10)
    )
    responses = await asyncio.gather(*(posted(gateway, f"{{ {aliases} }}") for _ in range(5)))
    responses.append(await posted(gateway, f"{{ {aliases} }}"))
    assert len({each.content for each in responses}) == 1
    assert len(responses[0].content) > MAX_INLINE_BYTES
    assert compressed in (["gzip"], ["zstd"])


# Callers


@pytest.mark.parametrize(
    ("document", "pages_reused"),
    [
        (LISTED, 1),
        ("{ phoneNumbers(first: 99) { nodes { id callingName capabilities { inboundCall } } } }", 1),
        # Each request loads links by itself.
        ("{ phoneNumbers(first: 99) { nodes { id order { status } } } }", 0),
        # Aliases make the rows larger than the records.
        ("{ phoneNumbers(first: 99) { nodes { id associations { name a: name } } } }", 0),
        ('{ phoneNumbers(first: 99, filter: { country: "US" }) { nodes { id } } }', 0),
        ("{ phoneNumbers(first: 99, sort: { field: CREATED_TIMESTAMP }) { nodes { id } } }", 0),
    ],
    ids=["edges", "nodes", "links", "aliases", "filter", "sort"],
)
async def test_callers_share_the_projected_rows_of_a_cached_page(
    aws: Aws, clock: Clock, document: str, pages_reused: int
) -> None:
    hashes = ",".join(hash_api_key(key.encode()) for key in KEYS)
    async with caching(aws, clock, auth="api-key", api_keys=hashes) as gateway:
        before = reused("page")
        responses = [await posted(gateway, document, headers={"x-api-key": key}) for key in KEYS]
        assert reused("page") - before == pages_reused
        rows, others_rows = [_without_cursors(each) for each in responses]
        assert rows == others_rows
        assert len(rows) > 10


async def test_each_selection_has_its_own_projected_rows(gateway: Gateway, aws: Aws) -> None:
    for names in (["id"], ["callingName", "country"]):
        rows = _without_cursors(
            await posted(gateway, f"{{ phoneNumbers(first: 99) {{ nodes {{ {' '.join(names)} }} }} }}")
        )
        assert [list(row) for row in rows] == [names] * 99
    assert aws.calls == ["ListPhoneNumbers"]


async def test_projected_rows_are_those_of_the_requested_range(gateway: Gateway, aws: Aws) -> None:
    document = "query ($after: String) { phoneNumbers(first: 99, after: $after) { edges { cursor node { id } } } }"
    whole = await posted(gateway, document)
    cursor = whole.json()["data"]["phoneNumbers"]["edges"][3]["cursor"]
    rest = await posted(gateway, document, variables={"after": cursor})
    assert _without_cursors(rest) == _without_cursors(whole)[4:]
    assert aws.calls == ["ListPhoneNumbers"]


async def test_projected_rows_end_with_their_page(aws: Aws, clock: Clock) -> None:
    hashes = ",".join(hash_api_key(key.encode()) for key in KEYS)
    async with caching(aws, clock, auth="api-key", api_keys=hashes) as gateway:
        await posted(gateway, headers={"x-api-key": KEYS[0]})
        renamed(aws, "later")
        cached = await posted(gateway, headers={"x-api-key": KEYS[1]})
        bypassing = await posted(gateway, headers={"x-api-key": KEYS[1], "cache-control": "no-cache"})
        clock.moves(TTL)
        expired = await posted(gateway, headers={"x-api-key": KEYS[0]})
    names = [[row["callingName"] for row in _without_cursors(each)] for each in (cached, bypassing, expired)]
    assert ["later" in each for each in names] == [False, True, True]


def _without_cursors(response: httpx.Response) -> list[Any]:
    """Return the rows of a response."""
    numbers = response.json()["data"]["phoneNumbers"]
    return numbers["nodes"] if "nodes" in numbers else [edge["node"] for edge in numbers["edges"]]


async def test_no_caller_gets_the_response_of_another(aws: Aws, clock: Clock) -> None:
    hashes = ",".join(hash_api_key(key.encode()) for key in KEYS)
    async with caching(aws, clock, auth="api-key", api_keys=hashes) as gateway:
        responses = [
            await posted(gateway, headers={"x-api-key": KEYS[caller]}) for _ in range(2) for caller in range(2)
        ]
        assert responses[0].content == responses[2].content
        assert responses[1].content == responses[3].content
        cursors = [each.json()["data"]["phoneNumbers"]["edges"][0]["cursor"] for each in responses[:2]]
        after = "query ($after: String!) { phoneNumbers(first: 1, after: $after) { nodes { id } } }"
        for caller in range(2):
            for cursor in range(2):
                response = await posted(
                    gateway, after, variables={"after": cursors[cursor]}, headers={"x-api-key": KEYS[caller]}
                )
                assert ("errors" in response.json()) == (caller != cursor)
        assert (await posted(gateway)).status_code == 401
        assert (await posted(gateway, headers={"x-api-key": new_api_key()})).status_code == 401


async def test_a_token_that_lost_a_scope_or_expired_is_refused_at_once(aws: Aws, clock: Clock) -> None:
    key = SigningKey("a")
    with served_issuer(key) as issuer:
        jwt = {"jwt_jwks_url": issuer.url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        async with caching(aws, clock, auth="jwt", **jwt) as gateway:
            full = bearer(key.token(scope="phone-numbers:read", sub="one"))
            for _ in range(2):
                assert "errors" not in (await posted(gateway, headers=full)).json()
            lost = (await posted(gateway, headers=bearer(key.token(scope="", sub="one")))).json()
            assert [error["extensions"]["code"] for error in lost["errors"]] == ["FORBIDDEN"]
            before = reused()
            assert "errors" not in (await posted(gateway, headers=full)).json()
            assert reused() - before == 1
            # A token is accepted for some seconds past its end.
            ending = bearer(key.token(sub="one", exp=int(time.time()) - LEEWAY_SECONDS + 2))
            async with asyncio.timeout(10):
                while (last := await posted(gateway, headers=ending)).status_code == 200:  # noqa: ASYNC110  # There is no event to wait for.
                    await asyncio.sleep(0.05)
            assert last.status_code == 401
            assert reused() - before > 2


# Each request has its own


async def test_each_reused_response_is_charged_and_rejected_above_the_limit(aws: Aws, clock: Clock) -> None:
    async with caching(aws, clock, rate_limit_points_per_minute=350) as gateway:
        before_requests = reused()
        responses = [await posted(gateway) for _ in range(4)]
        left = [350, *(int(re.findall(r"r=(\d+)", each.headers["ratelimit"])[0]) for each in responses[:3])]
        # Some points refill meanwhile.
        assert all(before - after > 50 for before, after in pairwise(left))
        assert [each.status_code for each in responses] == [200, 200, 200, 429]
        assert responses[3].json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert reused() - before_requests == 2


async def test_each_reused_response_is_logged_and_counted(aws: Aws, clock: Clock) -> None:
    def counted() -> float:
        labels = {"graphql_operation": "Listed", "code": "OK"}
        return REGISTRY.get_sample_value("chime_gateway_requests_total", labels) or 0

    before = counted()
    # The application logs if logging is configured when it is made.
    structlog.configure(cache_logger_on_first_use=False)
    try:
        with structlog.testing.capture_logs() as lines:
            async with caching(aws, clock) as gateway:
                responses = [await posted(gateway) for _ in range(3)]
    finally:
        structlog.reset_defaults()
    assert counted() - before == 3
    told = [{**line, "ms": 0, "id": ""} for line in lines if line["event"] == "request"]
    assert [line["id"] for line in lines if line["event"] == "request"] == [
        each.headers["x-request-id"] for each in responses
    ]
    assert told[0] == {**told[1], "upstream_calls": 1}
    assert told[1] == told[2]
    assert told[2]["cost"] > 1
    assert (told[2]["operation"], told[2]["upstream_calls"], told[2]["status"]) == ("Listed", 0, 200)


async def test_a_router_is_told_the_exact_time_that_is_left(aws: Aws, clock: Clock) -> None:
    secret = "known-to-the-router-alone"
    async with caching(aws, clock, router_secret=secret) as gateway:

        async def told() -> tuple[str, str]:
            response = await posted(gateway, headers={"x-router-secret": secret})
            return response.headers["cache-control"], response.headers["age"]

        assert await told() == (f"max-age={TTL}, public", "0")
        clock.moves(7.25)
        assert await told() == (f"max-age={TTL - 8}, public", "7")
        clock.moves(30)
        assert await told() == ("no-store", "37")
        assert (await posted(gateway)).status_code == 401


async def test_a_registered_document_is_reused_by_its_hash_and_stays_registered(gateway: Gateway) -> None:
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": sha256(LISTED.encode()).hexdigest()}}
    unknown = await gateway.http.post("/graphql", json={"extensions": persisted})
    assert unknown.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    before = reused()
    for _ in range(2):
        # Each of these registers the document.
        assert "errors" not in (await posted(gateway, extensions=persisted)).json()
    assert reused() == before
    by_hash = [await gateway.http.post("/graphql", json={"extensions": persisted}) for _ in range(2)]
    assert by_hash[0].content == by_hash[1].content
    assert reused() - before == 1


async def test_a_page_of_an_allowed_origin_can_read_a_reused_response(aws: Aws, clock: Clock) -> None:
    origins = [f"https://{name}.example" for name in ("one", "two")]
    async with caching(aws, clock, cors_origins=",".join(origins)) as gateway:
        for origin in (*origins, *origins):
            response = await posted(gateway, headers={"origin": origin})
            assert response.headers["access-control-allow-origin"] == origin
        before = reused()
        assert (await posted(gateway, headers={"origin": "https://three.example"})).status_code == 403
        assert (await posted(gateway, headers={"accept": "image/png"})).status_code == 406
        assert reused() == before


async def test_a_replica_reuses_a_response_of_parts_that_came_from_redis(aws: Aws, clock: Clock) -> None:
    with redis_server() as redis:
        async with (
            caching(aws, clock, redis_url=redis.url) as one,
            caching(aws, clock, redis_url=redis.url) as other,
        ):
            await posted(one)
            clock.moves(10)
            assert [(await posted(other)).headers["age"] for _ in range(2)] == ["10", "10"]
            renamed(aws, "AT LAST")
            clock.moves(TTL - 10.001)
            assert [(await posted(other)).headers["age"] for _ in range(2)] == ["59", "59"]
            assert aws.calls == ["ListPhoneNumbers"]
            clock.moves(0.001)
            new = (await posted(other)).json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"]
            assert new == "AT LAST"
