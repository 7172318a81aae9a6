"""Router-only access. If a secret is set, requests without it are rejected."""

import json
import logging
import traceback

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws

SECRET = "correct-horse/battery+staple"
LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_ROUTER_SECRET", SECRET)
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


async def test_a_request_with_the_secret_is_answered(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    headers = {"x-router-secret": SECRET}
    for response in (
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
    ):
        assert response.status_code == 200
        assert len(response.json()["data"]["phoneNumbers"]["nodes"]) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-router-secret", "")],
        [("x-router-secret", SECRET[:-1])],
        [("x-router-secret", SECRET + "x")],
        [("x-router-secret", SECRET.upper())],
        [("x-router-secret", SECRET), ("x-router-secret", SECRET)],
        [("x-router-secret", "\N{LATIN SMALL LETTER E WITH ACUTE}")],
        [("authorization", f"Bearer {SECRET}")],
    ],
)
async def test_a_request_without_the_secret_is_401_before_any_other_check(
    gateway: Gateway, aws: Aws, headers: list[tuple[str, str]]
) -> None:
    given = [(name.encode(), value.encode()) for name, value in headers]
    for method in ("POST", "GET", "HEAD", "OPTIONS", "PUT"):
        response = await gateway.http.request(
            method,
            "/graphql",
            params=LISTED,
            content=json.dumps(LISTED),
            headers=[*given, (b"content-type", b"application/json"), (b"accept", b"text/html")],
        )
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Router-Secret"
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        if method != "HEAD":
            [error] = response.json()["errors"]
            assert error["extensions"] == {"code": "UNAUTHENTICATED"}
            assert "x-router-secret" in error["message"]
    assert aws.calls == []


async def test_the_health_check_needs_no_secret(gateway: Gateway) -> None:
    assert (await gateway.http.get("/healthz")).text == "ok\n"


async def test_the_secret_is_never_logged_or_printed(
    gateway: Gateway, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await gateway.http.post("/graphql", json=LISTED, headers={"x-router-secret": SECRET})
    refused = await gateway.http.post("/graphql", json=LISTED, headers={"x-router-secret": SECRET + "x"})
    assert caplog.records
    assert SECRET not in caplog.text + refused.text + f"{settings!r}{settings}{settings.model_dump_json()}"


@pytest.mark.parametrize("secret", ["fifteen-letters", "a secret with its blanks", "a-line\nand-another", "\xe9" * 20])
def test_a_short_or_unsendable_secret_stops_the_start_and_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("GATEWAY_ROUTER_SECRET", secret)
    with pytest.raises(
        ConfigurationError, match=r"(16 or more|control character).*\(GATEWAY_ROUTER_SECRET\)\.$"
    ) as refusal:
        read_settings()
    shown = "".join(traceback.format_exception(refusal.value))
    assert secret not in shown.replace("GATEWAY_ROUTER_SECRET", "")


async def test_without_a_secret_the_header_is_ignored(aws: Aws) -> None:
    open_to_all = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)
    async with gateway_over(open_to_all) as gateway:
        for headers in ({}, {"x-router-secret": "whatever"}):
            response = await gateway.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
            assert response.json() == {"data": {"__typename": "Query"}}
