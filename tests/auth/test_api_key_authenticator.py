"""Authentication by API keys. A request with a known key gets a response, and any other is rejected."""

import hashlib
import hmac
import logging
import traceback
from typing import Any

import pytest

from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws

OLD, NEW = new_api_key(), new_api_key()
BOTH_LISTS = {
    "query": "{ phoneNumbers(first: 1) { nodes { id order { id } } } phoneNumberOrders(first: 1) { nodes { id } } }"
}


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_AUTH", "api-key")
    # With a space and capitals, because people paste such values.
    monkeypatch.setenv("GATEWAY_API_KEYS", f"{hash_api_key(OLD.encode())}, {hash_api_key(NEW.encode()).upper()}")
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


@pytest.mark.parametrize("key", [pytest.param(OLD, id="old"), pytest.param(NEW, id="new")])
async def test_each_key_reads_all_fields_through_either_header(gateway: Gateway, aws: Aws, key: str) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}):
        for response in (
            await gateway.http.post("/graphql", json=BOTH_LISTS, headers=headers),
            await gateway.http.get("/graphql", params=BOTH_LISTS, headers=headers),
        ):
            assert response.status_code == 200
            assert "errors" not in response.json()
            assert len(response.json()["data"]["phoneNumberOrders"]["nodes"]) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {OLD}"},
        {"authorization": OLD},
        {"cookie": f"x-api-key={OLD}"},
        {"x-router-secret": OLD},
    ],
)
async def test_a_request_without_a_key_is_401_and_names_the_header_to_send(
    gateway: Gateway, aws: Aws, headers: dict[str, str]
) -> None:
    for method in ("POST", "GET", "HEAD", "OPTIONS", "PUT"):
        response = await gateway.http.request(method, "/graphql", params=BOTH_LISTS, json=BOTH_LISTS, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="chime-gateway"'
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        if method != "HEAD":
            [error] = response.json()["errors"]
            assert error["extensions"] == {"code": "UNAUTHENTICATED"}
            assert "x-api-key" in error["message"]
    assert aws.calls == []


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(OLD[:-1], id="shorter"),
        pytest.param(f"{OLD}x", id="longer"),
        pytest.param(OLD.upper(), id="in capitals"),
        pytest.param(f"{OLD}, {NEW}", id="two keys"),
        pytest.param(hash_api_key(OLD.encode()), id="its hash"),
        pytest.param(new_api_key(), id="another"),
        pytest.param("\N{LATIN SMALL LETTER E WITH ACUTE}", id="not ASCII"),
        pytest.param("x" * 5_000, id="long"),
    ],
)
async def test_an_unknown_key_is_401_and_is_neither_logged_nor_repeated(
    gateway: Gateway, aws: Aws, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in ((b"x-api-key", key.encode()), (b"authorization", b"Bearer " + key.encode())):
        response = await gateway.http.post("/graphql", json=BOTH_LISTS, headers=[(name, value)])
        assert response.status_code == 401
        assert response.headers["www-authenticate"].endswith('error="invalid_token"')
        assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert key not in response.text
    assert key not in caplog.text
    assert aws.calls == []


async def test_a_key_is_compared_with_every_known_hash_in_constant_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All hashes are compared, whether the first matches, the last, or none."""
    compared: list[tuple[Any, Any]] = []
    really = hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return really(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = [hash_api_key(OLD.encode()), hash_api_key(NEW.encode())]
    for key in (OLD, NEW, "neither"):
        compared.clear()
        await gateway.http.post("/graphql", json={"query": "{ __typename }"}, headers={"x-api-key": key})
        assert compared == [(hash_api_key(key.encode()), each) for each in known]


async def test_keys_are_never_logged_nor_sent_to_aws(
    gateway: Gateway, settings: Settings, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.fails("*", "ServiceFailure")
    failed = await gateway.http.post("/graphql", json=BOTH_LISTS, headers={"x-api-key": OLD})
    assert "UPSTREAM_FAILURE" in failed.text
    sent = "".join(aws.queries) + "".join(str(headers.raw) for headers in aws.headers)
    assert "aws4-hmac-sha256" in sent.lower()
    shown = caplog.text + failed.text + f"{settings!r}{settings}" + sent
    assert OLD not in shown
    assert hash_api_key(OLD.encode()) not in shown


async def test_the_health_check_needs_no_key(gateway: Gateway) -> None:
    assert (await gateway.http.get("/healthz")).text == "ok\n"


def test_new_keys_are_unique_and_have_256_bits() -> None:
    keys = {new_api_key() for _ in range(100)}
    assert len(keys) == 100
    # 43 letters of base64 are 256 bits.
    assert {len(key.rpartition("gateway_")[2]) for key in keys} == {43}
    assert hash_api_key(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AUTH": "api-key"}, "Set GATEWAY_API_KEYS as well"),
        ({"AUTH": "api-key", "API_KEYS": ""}, "Set GATEWAY_API_KEYS as well"),
        ({"AUTH": "api-key", "API_KEYS": " , "}, "GATEWAY_A"),
        ({"AUTH": "api-key", "API_KEYS": OLD}, r"64 hex digits.*\(GATEWAY_API_KEYS\)\.$"),
        ({"AUTH": "api-key", "API_KEYS": f"{hash_api_key(b'a')};"}, r"64 hex digits.*\(GATEWAY_API_KEYS\)\.$"),
        (
            {"API_KEYS": hash_api_key(b"a")},
            r"Anyone may call the gateway, although GATEWAY_API_KEYS is set\..*\(GATEWAY_AUTH\)\.$",
        ),
        ({"AUTH": "basic"}, r"'none', 'api-key' or 'jwt' \(GATEWAY_AUTH\)\.$"),
    ],
)
def test_settings_that_would_reject_or_accept_every_caller_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    with pytest.raises(ConfigurationError, match=words) as refusal:
        read_settings()
    shown = "".join(traceback.format_exception(refusal.value))
    # A key that was set instead of its hash is a secret, too.
    assert OLD not in shown
    assert hash_api_key(b"a") not in shown
