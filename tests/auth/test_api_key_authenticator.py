"""API keys: whoever has one is answered, and nobody else."""

import hashlib
import hmac
import logging
import traceback
from typing import Any

import pytest

from gateway.auth.api_key_authenticator import hash_of, new_api_key
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
    # Spaces and capitals, as people paste them.
    monkeypatch.setenv("GATEWAY_API_KEYS", f"{hash_of(OLD.encode())}, {hash_of(NEW.encode()).upper()}")
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


@pytest.mark.parametrize("key", [pytest.param(OLD, id="old"), pytest.param(NEW, id="new")])
async def test_each_of_two_keys_opens_all_by_either_header(gateway: Gateway, aws: Aws, key: str) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}):
        for answer in (
            await gateway.http.post("/graphql", json=BOTH_LISTS, headers=headers),
            await gateway.http.get("/graphql", params=BOTH_LISTS, headers=headers),
        ):
            assert answer.status_code == 200
            assert "errors" not in answer.json()
            assert len(answer.json()["data"]["phoneNumberOrders"]["nodes"]) == 1


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
async def test_without_a_key_nothing_is_answered_and_the_header_to_send_is_named(
    gateway: Gateway, aws: Aws, headers: dict[str, str]
) -> None:
    for method in ("POST", "GET", "HEAD", "OPTIONS", "PUT"):
        answer = await gateway.http.request(method, "/graphql", params=BOTH_LISTS, json=BOTH_LISTS, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="chime-gateway"'
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        if method != "HEAD":
            [error] = answer.json()["errors"]
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
        pytest.param(hash_of(OLD.encode()), id="its hash"),
        pytest.param(new_api_key(), id="another"),
        pytest.param("\N{LATIN SMALL LETTER E WITH ACUTE}", id="not ASCII"),
        pytest.param("x" * 5_000, id="long"),
    ],
)
async def test_a_wrong_key_is_refused_as_wrong_and_unseen(
    gateway: Gateway, aws: Aws, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in ((b"x-api-key", key.encode()), (b"authorization", b"Bearer " + key.encode())):
        answer = await gateway.http.post("/graphql", json=BOTH_LISTS, headers=[(name, value)])
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
        assert answer.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert key not in answer.text
    assert key not in caplog.text
    assert aws.calls == []


async def test_a_key_is_compared_with_every_known_one_in_constant_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever fits, and whether any does."""
    compared: list[tuple[Any, Any]] = []
    really = hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return really(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = [hash_of(OLD.encode()), hash_of(NEW.encode())]
    for key in (OLD, NEW, "neither"):
        compared.clear()
        await gateway.http.post("/graphql", json={"query": "{ __typename }"}, headers={"x-api-key": key})
        assert compared == [(hash_of(key.encode()), each) for each in known]


async def test_keys_are_never_shown_nor_sent_to_aws(
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
    assert hash_of(OLD.encode()) not in shown


async def test_the_health_check_is_open(gateway: Gateway) -> None:
    assert (await gateway.http.get("/healthz")).text == "ok\n"


def test_a_new_key_is_long_enough_and_never_the_same() -> None:
    keys = {new_api_key() for _ in range(100)}
    assert len(keys) == 100
    # 43 letters of base64 are 256 bits.
    assert {len(key.rpartition("gateway_")[2]) for key in keys} == {43}
    assert hash_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AUTH": "api-key"}, "GATEWAY_AUTH=api-key needs GATEWAY_API_KEYS"),
        ({"AUTH": "api-key", "API_KEYS": ""}, "GATEWAY_AUTH=api-key needs GATEWAY_API_KEYS"),
        ({"AUTH": "api-key", "API_KEYS": " , "}, "GATEWAY_A"),
        ({"AUTH": "api-key", "API_KEYS": OLD}, "GATEWAY_API_KEYS: .*64 hex digits"),
        ({"AUTH": "api-key", "API_KEYS": f"{hash_of(b'a')};"}, "GATEWAY_API_KEYS: .*64 hex digits"),
        ({"API_KEYS": hash_of(b"a")}, "GATEWAY_API_KEYS: without effect, and anyone may ask, until GATEWAY_AUTH"),
        ({"AUTH": "basic"}, "GATEWAY_AUTH: .*'none', 'api-key' or 'jwt'"),
    ],
)
def test_settings_that_would_let_in_nobody_or_everybody_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    with pytest.raises(ConfigurationError, match=words) as refusal:
        read_settings()
    shown = "".join(traceback.format_exception(refusal.value))
    # A key in its hash's place is a secret all the same.
    assert OLD not in shown
    assert hash_of(b"a") not in shown
