"""Cache-Control and Age of responses: how long a router may cache them, and that no one else may."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.http.cache_control import CacheScope, with_lifetime
from gateway.settings import Settings, read_settings
from gateway.telemetry.request_record import RequestRecord
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, emulated_aws

SECRET = "known-to-the-router-alone"
KEY = new_api_key()
ROUTER = {"x-router-secret": SECRET}
TTL = 3600
LISTED = "{ phoneNumbers(first: 1) { nodes { id } } }"
NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { id } }"


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as shared:
        shared.holds(inventory=10)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Iterator[Aws]:
    account.calls.clear()
    yield account
    account.recovers()


def cached(aws: Aws, **given: Any) -> Settings:
    given = {"cache_ttl_seconds": TTL, "router_secret": SECRET, **given}
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return cached(aws)


async def posted(gateway: Gateway, document: str = LISTED, **more: Any) -> httpx.Response:
    headers = {**ROUTER, **more.pop("headers", {})}
    return await gateway.http.post("/graphql", json={"query": document, **more}, headers=headers)


def max_age(response: httpx.Response, scope: str = "public") -> int:
    """Return the seconds for which a cache may use a response, which has an age too."""
    found = re.fullmatch(rf"max-age=(\d+), {scope}", response.headers["cache-control"])
    assert found, response.headers["cache-control"]
    assert int(response.headers["age"]) >= 0
    return int(found[1])


async def test_a_router_is_told_how_long_a_response_is_fresh(gateway: Gateway, aws: Aws) -> None:
    first, second = await posted(gateway), await posted(gateway)
    assert first.headers["age"] == "0"
    # A part of the first second has passed.
    assert TTL / 2 < max_age(second) <= max_age(first) < TTL
    assert aws.calls == ["ListPhoneNumbers"]
    got = await gateway.http.get("/graphql", params={"query": LISTED}, headers=ROUTER)
    assert max_age(got) <= max_age(second)


async def test_the_part_that_is_fresh_for_the_shortest_time_decides(gateway: Gateway) -> None:
    """A missing record is fresh for a quarter of the TTL."""
    missing = await posted(gateway, NUMBER, variables={"number": "+19995550100"})
    assert TTL / 8 < max_age(missing) < TTL / 4
    both = f'{{ phoneNumbers(first: 2) {{ nodes {{ id }} }} phoneNumber(e164PhoneNumber: "{e164(999)}") {{ id }} }}'
    assert TTL / 8 < max_age(await posted(gateway, both)) < TTL / 4


async def test_no_cache_may_give_a_response_to_a_client_without_the_secret(gateway: Gateway) -> None:
    assert "X-Router-Secret" in (await posted(gateway)).headers["vary"].split(", ")
    refused = await posted(gateway, headers={"x-router-secret": "another secret of 16"})
    assert refused.status_code == 401
    assert refused.headers["cache-control"] == "no-store"


async def test_a_response_is_private_if_the_caller_has_a_credential_of_its_own(aws: Aws) -> None:
    keyed = cached(aws, auth="api-key", api_keys=hash_api_key(KEY.encode()))
    async with gateway_over(keyed) as gateway:
        for _ in range(2):
            assert TTL / 2 < max_age(await posted(gateway, headers={"x-api-key": KEY}), "private") < TTL


@pytest.mark.parametrize(
    ("document", "more"),
    [
        ("{", {}),
        ("{ nothing }", {}),
        ('{ phoneNumbers(first: 1) { nodes { id } } node(id: "x") { id } }', {}),
        # No AWS response decides how long these are fresh.
        ("{ __typename }", {}),
        ("{ _service { sdl } }", {}),
        # The client requests extensions, which are about this one request.
        (LISTED, {"extensions": {"cost": True}}),
        (LISTED, {"headers": {"x-debug-upstream": "1"}}),
        (LISTED, {"headers": {"cache-control": "no-store"}}),
        (LISTED, {"headers": {"accept": "text/html"}}),
        # The head is sent before the last part.
        ("{ phoneNumbers { nodes @stream { id } } }", {"headers": {"accept": "multipart/mixed"}}),
    ],
)
async def test_other_responses_to_a_router_are_not_cached(
    gateway: Gateway, document: str, more: dict[str, Any]
) -> None:
    assert (await posted(gateway, document, **more)).headers["cache-control"] == "no-store"


async def test_a_response_with_an_error_of_aws_is_not_cached(gateway: Gateway, aws: Aws) -> None:
    aws.fails("ListPhoneNumbers", "ServiceUnavailable")
    response = await posted(gateway)
    assert response.json()["errors"]
    assert response.headers["cache-control"] == "no-store"


async def test_without_a_router_secret_no_response_is_cached(aws: Aws) -> None:
    async with gateway_over(cached(aws, router_secret=None)) as gateway:
        for _ in range(2):
            response = await posted(gateway)
            assert response.headers["cache-control"] == "no-store"
            assert "X-Router-Secret" not in response.headers["vary"]


async def test_without_a_response_cache_no_response_is_cached(aws: Aws) -> None:
    async with gateway_over(cached(aws, cache_ttl_seconds=0)) as gateway:
        assert (await posted(gateway)).headers["cache-control"] == "no-store"


# By plain calls


def lifetime(
    scope: CacheScope, *, fresh_until: float | None, age: float | None, stale: bool = False
) -> tuple[str, str]:
    """Return Cache-Control and Age at the time 1000."""
    record = RequestRecord()
    if fresh_until is not None:
        for seconds in (5, 0, 5):
            record.fresh_response_used(1000.0, fresh_until + seconds)
    if age is not None:
        record.cached_response_used(1000.0 - age, stale=stale)
    headers = dict(with_lifetime(((b"cache-control", b"no-store"), (b"x", b"y")), record, scope, 1000.0))
    assert headers[b"x"] == b"y"
    return headers[b"cache-control"].decode(), headers.get(b"age", b"-").decode()


@pytest.mark.parametrize(
    ("fresh_until", "age", "expected"),
    [
        (1060.0, None, ("max-age=60, public", "0")),
        (1059.9, 0.1, ("max-age=59, public", "0")),
        (1040.0, 20.5, ("max-age=40, public", "20")),
        (1030.0, 30.0, ("max-age=30, public", "30")),
        # A router that subtracts the age has no time left.
        (1029.9, 30.1, ("no-store", "30")),
        (1001.0, 0.5, ("max-age=1, public", "0")),
        (1000.9, 0.5, ("no-store", "0")),
        (1000.9, None, ("no-store", "-")),
        (999.0, 61.0, ("no-store", "61")),
        (None, None, ("no-store", "-")),
    ],
)
def test_max_age_is_whole_seconds_and_at_least_the_age(
    fresh_until: float | None, age: float | None, expected: tuple[str, str]
) -> None:
    assert lifetime(CacheScope.PUBLIC, fresh_until=fresh_until, age=age) == expected


def test_a_stale_response_is_not_cached() -> None:
    assert lifetime(CacheScope.PUBLIC, fresh_until=1060.0, age=5.0, stale=True) == ("no-store", "5")


def test_a_response_for_no_cache_has_its_age_alone() -> None:
    assert lifetime(CacheScope.NONE, fresh_until=1060.0, age=5.0) == ("no-store", "5")
    assert lifetime(CacheScope.NONE, fresh_until=1060.0, age=None) == ("no-store", "-")
