"""A token issuer as tests see it: its JWKS over real HTTP, and tokens signed with its keys, right or wrong."""

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
from tests.support.scripted import Says, ScriptedUpstream, scripted_upstream

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
    """A key pair of an issuer's."""

    def __init__(self, key_id: str | None, algorithm: str = "ES256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = _private_key(algorithm)

    def jwk(self, **given: Any) -> dict[str, Any]:
        """The public half, as a JWKS lists it."""
        jwk = json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key()))
        named = {} if self.key_id is None else {"kid": self.key_id}
        return {**jwk, "use": "sig", "alg": self.algorithm, **named, **given}

    def private_jwk(self) -> dict[str, Any]:
        """Both halves, which no JWKS should list."""
        return {**json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private)), "kid": self.key_id}

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is right, but for what is given; a claim given as None is left out."""
        now = int(time.time())
        right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": now + 300, "iat": now, "scope": READ_ALL}
        payload = {name: value for name, value in {**right, **claims}.items() if value is not None}
        named = {} if self.key_id is None else {"kid": self.key_id}
        return jwt.encode(payload, self.private, self.algorithm, headers={**named, **(header or {})})


class Issuer:
    """An issuer's server; `asked` tells how often its keys were fetched."""

    def __init__(self, server: ScriptedUpstream) -> None:
        self._server = server
        self.url = f"{server.url}/jwks.json"

    @property
    def fetches(self) -> int:
        return len(self._server.asked)

    @property
    def headers(self) -> list[Any]:
        return self._server.headers

    def publishes(self, *keys: SigningKey) -> None:
        """From now on its JWKS has these keys."""
        self.says(Says({"keys": [key.jwk() for key in keys]}))

    def says(self, answer: Says) -> None:
        """From now on it answers so."""
        self._server.answers[:] = [answer]


@contextmanager
def issuer_of(*keys: SigningKey) -> Iterator[Issuer]:
    """An issuer with these keys, while the block runs."""
    with scripted_upstream(Says({"keys": []})) as server:
        issuer = Issuer(server)
        issuer.publishes(*keys)
        yield issuer


def trusting(issuer: Issuer, account: Aws) -> Settings:
    """The settings of a gateway over an account that takes this issuer's tokens."""
    return read_settings(
        upstream_api=account.api,
        upstream_endpoint_url=account.url,
        auth="jwt",
        jwt_jwks_url=issuer.url,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )


def bearer(token: str) -> dict[str, str]:
    """The header that a token comes in."""
    return {"authorization": f"Bearer {token}"}
