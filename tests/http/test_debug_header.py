"""x-debug-upstream: what an answer cost upstream, told to those who may know."""

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
    answer = await gateway.http.post("/graphql", json={**TWO_PAGES, **more}, headers=headers)
    assert "errors" not in answer.json()
    return answer.json().get("extensions")


async def test_where_anyone_may_ask_anyone_is_told_and_only_on_demand(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=150)
    assert await extensions(gateway, {}) is None
    told = await extensions(gateway, DEBUG, extensions={"cost": True})
    assert told["cost"]["points"] == 102
    assert told["upstream"]["calls"] == 2
    assert told["upstream"]["milliseconds"] > 0
    assert set(told["upstream"]) == {"calls", "milliseconds"}


async def test_a_refused_document_cost_nothing(gateway: Gateway) -> None:
    answer = await gateway.http.post("/graphql", json={"query": "{ nothing }"}, headers=DEBUG)
    assert answer.json()["extensions"] == {"upstream": {"calls": 0, "milliseconds": 0.0}}


async def test_an_api_key_does_not_tell_it(aws: Aws) -> None:
    key = new_api_key()
    keyed = read_settings(
        upstream_api=aws.api, upstream_endpoint_url=aws.url, auth="api-key", api_keys=hash_api_key(key.encode())
    )
    async with gateway_over(keyed) as gateway:
        assert await extensions(gateway, {**DEBUG, "x-api-key": key}) is None


@pytest.mark.parametrize(("scope", "is_told"), [(READ_ALL, False), (f"{READ_ALL} debug:read", True)])
async def test_a_token_needs_a_scope_of_its_own(aws: Aws, scope: str, is_told: bool) -> None:
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
            told = await extensions(gateway, {**DEBUG, **bearer(signing.token(scope=scope))})
    assert (told is not None) is is_told
