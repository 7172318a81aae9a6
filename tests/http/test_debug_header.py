"""The header x-debug-upstream: callers with the scope for it can see the upstream cost of a response."""

import re
from typing import Any

import httpx
import pytest

from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.settings import read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws
from tests.support.issuer import AUDIENCE, ISSUER, READ_ALL, SigningKey, bearer, served_issuer

DEBUG = {"x-debug-upstream": "1"}
TWO_PAGES = {"query": "{ phoneNumbers(first: 100) { nodes { id } } }"}


async def extensions(gateway: Gateway, headers: dict[str, str], **more: Any) -> Any:
    response = await gateway.http.post("/graphql", json={**TWO_PAGES, **more}, headers=headers)
    assert "errors" not in response.json()
    return response.json().get("extensions")


async def test_an_anonymous_caller_sees_the_upstream_cost_only_if_it_sends_the_header(
    gateway: Gateway, aws: Aws
) -> None:
    aws.holds(inventory=150)
    assert await extensions(gateway, {}) is None
    reported = await extensions(gateway, DEBUG, extensions={"cost": True})
    assert reported["cost"]["points"] == 102
    assert reported["upstream"]["calls"] == 2
    assert reported["upstream"]["milliseconds"] > 0
    assert set(reported["upstream"]) == {"calls", "milliseconds"}


async def test_an_invalid_document_has_no_upstream_cost(gateway: Gateway) -> None:
    response = await gateway.http.post("/graphql", json={"query": "{ nothing }"}, headers=DEBUG)
    assert response.json()["extensions"] == {"upstream": {"calls": 0, "milliseconds": 0.0}}


async def test_an_api_key_does_not_show_the_upstream_cost(aws: Aws) -> None:
    key = new_api_key()
    keyed = read_settings(
        upstream_api=aws.api, upstream_endpoint_url=aws.url, auth="api-key", api_keys=hash_api_key(key.encode())
    )
    async with gateway_over(keyed) as gateway:
        assert await extensions(gateway, {**DEBUG, "x-api-key": key}) is None


@pytest.mark.parametrize(("scope", "is_reported"), [(READ_ALL, False), (f"{READ_ALL} debug:read", True)])
async def test_a_token_needs_the_debug_scope(aws: Aws, scope: str, is_reported: bool) -> None:
    signing = SigningKey("one")
    with served_issuer(signing) as issuer:
        tokens = read_settings(
            upstream_api=aws.api,
            upstream_endpoint_url=aws.url,
            auth="jwt",
            jwt_jwks_url=issuer.url,
            jwt_issuer=ISSUER,
            jwt_audience=AUDIENCE,
        )
        async with gateway_over(tokens) as gateway:
            reported = await extensions(gateway, {**DEBUG, **bearer(signing.token(scope=scope))})
    assert (reported is not None) is is_reported


# Server-Timing


def timing(response: httpx.Response) -> tuple[float, float, int, int]:
    """Return the header's milliseconds in total and upstream, and its number of calls and of cache hits."""
    found = re.fullmatch(
        r'total;dur=(\d+\.\d), upstream;dur=(\d+\.\d);desc="AWS calls: (\d+)", cache;desc="Cache hits: (\d+)"',
        response.headers["server-timing"],
    )
    assert found
    return float(found[1]), float(found[2]), int(found[3]), int(found[4])


async def test_server_timing_tells_times_calls_and_cache_hits(aws: Aws) -> None:
    aws.holds(inventory=150)
    cached = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, cache_ttl_seconds=3600)
    async with gateway_over(cached) as gateway:
        first = await gateway.http.post("/graphql", json=TWO_PAGES, headers=DEBUG)
        total, upstream, *counts = timing(first)
        assert counts == [2, 0]
        assert total >= upstream > 0
        assert first.json()["extensions"]["upstream"]["milliseconds"] == upstream
        second = await gateway.http.post("/graphql", json=TWO_PAGES, headers=DEBUG)
        assert timing(second)[1:] == (0.0, 0, 2)


@pytest.mark.parametrize("document", ["{", "{ nothing }", "mutation { nothing }"])
async def test_server_timing_is_on_errors_too(gateway: Gateway, document: str) -> None:
    response = await gateway.http.get("/graphql", params={"query": document}, headers=DEBUG)
    assert response.json()["errors"]
    assert timing(response)[2:] == (0, 0)


async def test_a_response_in_parts_has_the_timing_of_its_first_part(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=150)
    streamed = {"query": "{ phoneNumbers(first: 150) { nodes @stream(initialCount: 1) { id } } }"}
    response = await gateway.http.post("/graphql", json=streamed, headers={**DEBUG, "accept": "multipart/mixed"})
    assert timing(response)[2] == 1


async def test_without_the_header_or_the_scope_there_is_no_timing(gateway: Gateway, aws: Aws) -> None:
    assert "server-timing" not in (await gateway.http.post("/graphql", json=TWO_PAGES)).headers
    key = new_api_key()
    keyed = read_settings(
        upstream_api=aws.api, upstream_endpoint_url=aws.url, auth="api-key", api_keys=hash_api_key(key.encode())
    )
    async with gateway_over(keyed) as other:
        response = await other.http.post("/graphql", json=TWO_PAGES, headers={**DEBUG, "x-api-key": key})
    assert response.status_code == 200
    assert "server-timing" not in response.headers
