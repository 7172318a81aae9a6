"""Authentication by access tokens. Only tokens that the issuer signed for this gateway are accepted."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws, emulated_aws
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, SigningKey, bearer, jwt_settings, served_issuer
from tests.support.scripted import ScriptedResponse
from tests.support.serving import served_gateway

KEY = SigningKey("a", "RS256")
OTHER = SigningKey("b")
LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    """Return one account for all tests of this module. Few of them make an upstream call."""
    with emulated_aws("chime") as shared:
        shared.holds(inventory=1)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    account.recovers()
    return account


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with served_issuer(KEY, OTHER) as running:
        yield running


@pytest.fixture
def settings(aws: Aws, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_AUTH", "jwt")
    monkeypatch.setenv("GATEWAY_JWT_JWKS_URL", issuer.url)
    monkeypatch.setenv("GATEWAY_JWT_ISSUER", ISSUER)
    monkeypatch.setenv("GATEWAY_JWT_AUDIENCE", AUDIENCE)
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


async def status(gateway: Gateway, token: str) -> int:
    return (await gateway.http.post("/graphql", json=LISTED, headers=bearer(token))).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_signed_by_the_issuer_is_accepted(gateway: Gateway, issuer: Issuer, algorithm: str) -> None:
    """The token is accepted again, with one fetch of its key in all."""
    key = SigningKey("mine", algorithm)
    issuer.publishes(OTHER, key)
    token = key.token()
    for _ in range(3):
        response = await gateway.http.post("/graphql", json=LISTED, headers=bearer(token))
        assert len(response.json()["data"]["phoneNumbers"]["nodes"]) == 1
    assert issuer.fetches == 1


def part(value: dict[str, Any] | bytes) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def claims(**given: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": int(time.time()) + 300, **given}


def signed_by_hmac(secret: bytes, algorithm: str = "HS256") -> str:
    text = f"{part({'alg': algorithm, 'kid': 'a', 'typ': 'JWT'})}.{part(claims())}"
    return f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def public_pem() -> bytes:
    pem: bytes = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def with_another_payload(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(claims(sub='someone else'))}.{signature}"


def vouching_for_itself() -> str:
    own = SigningKey("a", "RS256")
    return own.token(header={"jwk": own.jwk(), "jku": "http://127.0.0.1:9/jwks.json", "x5u": "http://127.0.0.1:9/"})


FORGED: dict[str, Callable[[], str]] = {
    "no token": lambda: "hello",
    "no signature": lambda: f"{part({'alg': 'none', 'kid': 'a'})}.{part(claims())}.",
    "no signature, and no key": lambda: f"{part({'alg': 'none'})}.{part(claims())}.",
    "NoNe": lambda: f"{part({'alg': 'NoNe', 'kid': 'a'})}.{part(claims())}.",
    "RS256, and no signature": lambda: f"{part({'alg': 'RS256', 'kid': 'a'})}.{part(claims())}.",
    "HMAC by the public key in PEM": lambda: signed_by_hmac(public_pem()),
    "HMAC by the public key in DER": lambda: signed_by_hmac(
        KEY.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ),
    "HMAC by the public key's JWK": lambda: signed_by_hmac(json.dumps(KEY.jwk()).encode()),
    "HMAC by nothing": lambda: signed_by_hmac(b""),
    "HMAC called RS256": lambda: signed_by_hmac(public_pem(), "RS256"),
    "another algorithm of the same key": lambda: _with_algorithm("RS512"),
    "PS256": lambda: _with_algorithm("PS256"),
    "somebody else's key": lambda: SigningKey("a", "RS256").token(),
    "another key's id": lambda: SigningKey("b").token(),
    "the id of a key of another algorithm": lambda: KEY.token(header={"kid": "b"}),
    "no key's id": lambda: SigningKey(None, "RS256").token(),
    "its own key within": vouching_for_itself,
    "a key's id that is a path": lambda: KEY.token(header={"kid": "../../../../dev/null"}),
    "a key's id that is SQL": lambda: KEY.token(header={"kid": "a' UNION SELECT 'key"}),
    "a key's id that is a URL": lambda: KEY.token(header={"kid": "http://127.0.0.1:9/jwks.json"}),
    "a key's id that is no text": lambda: f"{part({'alg': 'RS256', 'kid': ['a']})}.{part(claims())}.AAAA",
    "an algorithm that is no text": lambda: f"{part({'alg': ['RS256'], 'kid': 'a'})}.{part(claims())}.AAAA",
    "another payload": lambda: with_another_payload(KEY.token()),
    "a cut signature": lambda: KEY.token()[:-8],
    "a longer token": lambda: f"{KEY.token()}.AAAA",
    "an extension that must be understood": lambda: KEY.token(
        header={"crit": ["http://issuer.example/must-not-be-used-here"]}
    ),
    "a header nested deep": lambda: f"{part(b'[' * 5_000)}.{part(claims())}.AAAA",
    "a header with a number of many digits": lambda: part(b'{"alg":%s}' % (b"9" * 5_000)) + f".{part(claims())}.AAAA",
    "a header that is no text": lambda: f"{part(bytes(range(200, 256)))}.{part(claims())}.AAAA",
    "too long": lambda: KEY.token(padding="x" * 9_000),
    "another issuer": lambda: KEY.token(iss="https://issuer.example"),
    "a longer issuer": lambda: KEY.token(iss=f"{ISSUER}x"),
    "issuers": lambda: _unchecked(KEY, iss=[ISSUER]),
    "no issuer": lambda: KEY.token(iss=None),
    "another audience": lambda: KEY.token(aud="https://gateway.example"),
    "other audiences": lambda: KEY.token(aud=["https://one.example", "https://two.example"]),
    "no audience": lambda: KEY.token(aud=None),
    "an empty audience": lambda: KEY.token(aud=[]),
    "expired": lambda: KEY.token(exp=int(time.time()) - 60),
    "no end": lambda: KEY.token(exp=None),
    "an end that is no time": lambda: KEY.token(exp="tomorrow"),
    "an end past all numbers": lambda: KEY.token(exp=float("inf")),
    "not valid yet": lambda: KEY.token(nbf=int(time.time()) + 60),
    "made in the future": lambda: KEY.token(iat=int(time.time()) + 60),
    "a subject that is no text": lambda: _unchecked(KEY, sub=7),
}


def _with_algorithm(algorithm: str) -> str:
    other = SigningKey("a", "RS256")
    other.private, other.algorithm = KEY.private, algorithm
    return other.token()


def _unchecked(key: SigningKey, **given: Any) -> str:
    """Return a signed token that PyJWT would refuse to make."""
    text = f"{part({'alg': 'RS256', 'kid': key.key_id})}.{part(claims(**given))}"
    return f"{text}.{part(RSAAlgorithm(RSAAlgorithm.SHA256).sign(text.encode(), key.private))}"


@pytest.fixture(scope="module")
def guarded(account: Aws) -> Iterator[httpx.Client]:
    """Return a client of one gateway for all forged tokens."""
    with (
        served_issuer(KEY, OTHER) as issuer,
        served_gateway(jwt_settings(issuer, account)) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield http


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_expired_or_foreign_token_is_401_and_not_logged(
    guarded: httpx.Client, aws: Aws, caplog: pytest.LogCaptureFixture, forged: str
) -> None:
    caplog.set_level(logging.DEBUG)
    token = FORGED[forged]()
    for _ in range(2):
        response = guarded.post("/graphql", json=LISTED, headers=bearer(token))
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="chime-gateway", error="invalid_token"'
        [error] = response.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert token not in response.text + caplog.text
    assert aws.calls == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic YTpi"}, {"x-api-key": "k"}])
def test_a_request_without_a_token_is_401_with_a_plain_challenge(
    guarded: httpx.Client, aws: Aws, headers: dict[str, str]
) -> None:
    response = guarded.post("/graphql", json=LISTED, headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer realm="chime-gateway"')
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert aws.calls == []


@pytest.mark.parametrize(
    ("given", "words"),
    [({"exp": -60}, "has expired"), ({"nbf": 60}, "not valid yet"), ({"iss": "x"}, "is not valid. Request one")],
)
def test_the_401_says_why_the_token_is_rejected(guarded: httpx.Client, given: dict[str, Any], words: str) -> None:
    moved: dict[str, Any] = {
        name: int(time.time()) + value if isinstance(value, int) else value for name, value in given.items()
    }
    response = guarded.post("/graphql", json=LISTED, headers=bearer(KEY.token(**moved)))
    assert words in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("given", [{"exp": -4}, {"nbf": 4}, {"iat": 4}])
def test_clocks_may_differ_by_a_few_seconds(guarded: httpx.Client, given: dict[str, int]) -> None:
    moved: dict[str, Any] = {name: int(time.time()) + seconds for name, seconds in given.items()}
    assert guarded.post("/graphql", json=LISTED, headers=bearer(KEY.token(**moved))).status_code == 200


def test_a_token_for_several_audiences_is_accepted(guarded: httpx.Client) -> None:
    token = KEY.token(aud=["https://one.example", AUDIENCE])
    assert guarded.post("/graphql", json=LISTED, headers=bearer(token)).status_code == 200


CURSORS = "query ($after: String) { phoneNumbers(first: 1, after: $after) { edges { cursor } } }"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"sub": "one"}, {"sub": "other"}),
        ({"sub": None, "client_id": "one"}, {"sub": None, "client_id": "other"}),
        ({"sub": None, "azp": "one"}, {"sub": None, "azp": "other"}),
        ({"sub": "one"}, {"sub": None, "client_id": "one"}),
        ({"sub": None, "client_id": "one"}, {"sub": None}),
        ({"sub": None, "client_id": ["one"]}, {"sub": None, "azp": "one"}),
    ],
)
def test_different_subjects_or_clients_are_different_callers(
    guarded: httpx.Client, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """A cursor of one caller is a bad cursor for the other."""

    def page(claims: dict[str, Any], after: str | None) -> dict[str, Any]:
        body = {"query": CURSORS, "variables": {"after": after}}
        response: dict[str, Any] = guarded.post("/graphql", json=body, headers=bearer(KEY.token(**claims))).json()
        return response

    cursor = page(one, None)["data"]["phoneNumbers"]["edges"][0]["cursor"]
    assert "errors" not in page(one, cursor)
    assert [error["extensions"]["code"] for error in page(other, cursor)["errors"]] == ["BAD_CURSOR"]


async def test_a_cached_token_is_rejected_once_it_has_expired(gateway: Gateway) -> None:
    """Its last second within the leeway passes between two requests."""
    token = KEY.token(exp=int(time.time()) - 7)
    assert await status(gateway, token) == 200
    async with asyncio.timeout(10):
        while await status(gateway, token) == 200:  # noqa: ASYNC110  # There is no event to wait for.
            await asyncio.sleep(0.1)
    assert await status(gateway, token) == 401


async def test_a_new_signing_key_is_accepted_at_once(gateway: Gateway, issuer: Issuer) -> None:
    assert await status(gateway, KEY.token()) == 200
    new = SigningKey("new")
    issuer.publishes(KEY, new)
    assert await status(gateway, new.token()) == 200
    assert await status(gateway, KEY.token()) == 200
    assert issuer.fetches == 2


async def test_thirty_unknown_key_ids_cause_at_most_two_fetches(gateway: Gateway, issuer: Issuer) -> None:
    for each in range(15):
        assert await status(gateway, KEY.token(header={"kid": f"unknown-{each}"})) == 401
    together = [status(gateway, KEY.token(header={"kid": f"unknown-{each}"})) for each in range(15, 30)]
    assert set(await asyncio.gather(*together)) == {401}
    assert issuer.fetches == 2


NO_KEYS = [
    ScriptedResponse({"message": "down"}, status=503),
    ScriptedResponse("<html>"),
    ScriptedResponse({"keys": []}),
    ScriptedResponse({"keys": "none"}),
    ScriptedResponse([]),
    ScriptedResponse(
        {"keys": [None, 7, {}, {"kty": "RSA"}, {"kty": ["RSA"]}, {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}]}
    ),
    ScriptedResponse({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}),
    ScriptedResponse({"keys": [KEY.jwk(use="enc")]}),
    ScriptedResponse({"keys": [KEY.jwk(kid=7)]}),
    ScriptedResponse({"keys": [KEY.jwk(alg="RS512")]}),
    ScriptedResponse({"keys": [OTHER.private_jwk()]}),
    ScriptedResponse(" " * 300_000),
    ScriptedResponse("", status=302, headers={"location": "http://127.0.0.1:9/"}),
]


@pytest.mark.parametrize("response", NO_KEYS)
async def test_known_keys_stay_valid_when_a_refresh_fails(
    gateway: Gateway, issuer: Issuer, response: ScriptedResponse
) -> None:
    issuer.publishes(KEY)
    assert await status(gateway, KEY.token()) == 200
    issuer.says(response)
    # A token with an unknown key causes a fetch, which fails.
    assert await status(gateway, OTHER.token()) == 401
    assert issuer.fetches == 2
    assert await status(gateway, KEY.token()) == 200


@pytest.mark.parametrize("response", NO_KEYS)
async def test_before_the_first_keys_are_fetched_a_token_is_503_with_retry_after(
    gateway: Gateway, issuer: Issuer, aws: Aws, response: ScriptedResponse
) -> None:
    issuer.says(response)
    for _ in range(5):
        refused = await gateway.http.post("/graphql", json=LISTED, headers=bearer(KEY.token()))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.json()["errors"][0]["extensions"] == {"code": "AUTHENTICATION_UNAVAILABLE"}
    assert aws.calls == []


async def test_an_issuer_that_starts_after_the_gateway_is_found(gateway: Gateway, issuer: Issuer) -> None:
    issuer.says(NO_KEYS[0])
    assert await status(gateway, KEY.token()) == 503
    issuer.publishes(KEY)
    async with asyncio.timeout(20):
        while await status(gateway, KEY.token()) == 503:  # noqa: ASYNC110  # There is no event to wait for.
            await asyncio.sleep(0.1)
    assert await status(gateway, KEY.token()) == 200
    assert issuer.fetches == 2


async def test_a_token_is_sent_neither_to_aws_nor_to_its_issuer(
    gateway: Gateway, issuer: Issuer, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.fails("*", "ServiceFailure")
    token = KEY.token()
    response = await gateway.http.post("/graphql", json=LISTED, headers=bearer(token))
    assert "UPSTREAM_FAILURE" in response.text
    signature = token.split(".")[2]
    sent = "".join(aws.queries) + "".join(str(headers.raw) for headers in (*issuer.headers, *aws.headers))
    assert "aws4-hmac-sha256" in sent.lower()
    assert signature not in sent + caplog.text + response.text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, r"Set GATEWAY_JWT_JWKS_URL, GATEWAY_JWT_ISSUER, GATEWAY_JWT_AUDIENCE as well \(GATEWAY_AUTH\)\.$"),
        ({"JWKS_URL": "https://a.example/k", "ISSUER": "i"}, "Set GATEWAY_JWT_AUDIENCE as well"),
        ({"JWKS_URL": "https://a.example/k", "AUDIENCE": "i"}, "Set GATEWAY_JWT_ISSUER as well"),
        (
            {"ISSUER": "", "JWKS_URL": "https://a.example/k", "AUDIENCE": "i"},
            "Set GATEWAY_JWT_ISSUER as well",
        ),
        ({"JWKS_URL": "http://a.example/k"}, r"must begin with https.* \(GATEWAY_JWT_JWKS_URL\)\.$"),
        ({"JWKS_URL": "file:///etc/keys"}, r"\(GATEWAY_JWT_JWKS_URL\)\.$"),
    ],
)
def test_issuer_audience_and_keys_are_all_needed(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    monkeypatch.setenv("GATEWAY_AUTH", "jwt")
    for name, value in variables.items():
        monkeypatch.setenv(f"GATEWAY_JWT_{name}", value)
    with pytest.raises(ConfigurationError, match=words):
        read_settings()
