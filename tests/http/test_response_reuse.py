"""Reused responses over HTTP: which requests share one, for how long, and what each request still has of its own."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
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
from tests.support.serving import served

TTL = 60
LISTED = "query Listed { phoneNumbers(first: 99) { edges { cursor node { id callingName } } } }"
NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { callingName } }"
MISSING = "+19995550100"
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
