"""The header x-debug-upstream: callers with the scope for it can see the upstream cost of a response."""

from typing import Any

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
