"""A token issuer for tests: a JWKS over real HTTP, and valid or invalid tokens signed with its keys."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from gateway.settings import Settings, read_settings
from tests.support.aws import Aws
from tests.support.scripted import ScriptedResponse, ScriptedUpstream, scripted_upstream

ISSUER = "https://issuer.example/"
AUDIENCE = "https://gateway.example/"
READ_ALL = "phone-numbers:read phone-number-orders:read"


def _private_key(algorithm: str) -> Any:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class SigningKey:
    """A key pair of an issuer."""

    def __init__(self, key_id: str | None, algorithm: str = "ES256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = _private_key(algorithm)

    def jwk(self, **given: Any) -> dict[str, Any]:
        """Return the public key in the form of a JWKS entry."""
        jwk = json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key()))
        named = {} if self.key_id is None else {"kid": self.key_id}
        return {**jwk, "use": "sig", "alg": self.algorithm, **named, **given}

    def private_jwk(self) -> dict[str, Any]:
        """Return the private key as a JWK. No JWKS should contain it."""
        return {**json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private)), "kid": self.key_id}

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a signed token. It is valid unless a claim or header is overridden. None removes a claim."""
        now = int(time.time())
        valid = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": now + 300, "iat": now, "scope": READ_ALL}
        payload = {name: value for name, value in {**valid, **claims}.items() if value is not None}
        named = {} if self.key_id is None else {"kid": self.key_id}
        return jwt.encode(payload, self.private, self.algorithm, headers={**named, **(header or {})})


class Issuer:
    """The server of an issuer. `fetches` counts the requests for its keys."""

    def __init__(self, server: ScriptedUpstream) -> None:
        self._server = server
        self.url = f"{server.url}/jwks.json"

    @property
    def fetches(self) -> int:
        return len(self._server.requests)

    @property
    def headers(self) -> list[Any]:
        return self._server.headers

    def publishes(self, *keys: SigningKey) -> None:
        """Publish these keys in the JWKS from now on."""
        self.says(ScriptedResponse({"keys": [key.jwk() for key in keys]}))

    def says(self, response: ScriptedResponse) -> None:
        """Send this response from now on."""
        self._server.responses[:] = [response]


@contextmanager
def served_issuer(*keys: SigningKey) -> Iterator[Issuer]:
    """Serve an issuer with these keys while the block runs."""
    with scripted_upstream(ScriptedResponse({"keys": []})) as server:
        issuer = Issuer(server)
        issuer.publishes(*keys)
        yield issuer


def jwt_settings(issuer: Issuer, account: Aws) -> Settings:
    """Return the settings of a gateway that accepts this issuer's tokens, in front of an account."""
    return read_settings(
        upstream_api=account.api,
        upstream_endpoint_url=account.url,
        auth="jwt",
        jwt_jwks_url=issuer.url,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )


def bearer(token: str) -> dict[str, str]:
    """Return the request header that carries a token."""
    return {"authorization": f"Bearer {token}"}
