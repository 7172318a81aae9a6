"""Answers that replicas share by Redis, which can neither read them nor have any other taken for one of them.

Each is sealed with a key that comes from the credentials that AWS was asked with, and bound to its own name. So only
replicas that sign with the same access key share answers: others may not have the same rights, and cannot be told
apart from here. The temporary credentials of a role differ from one replica to the next, and with each renewal.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.shared_state.redis_client import KEY_PREFIX, RedisClient, RedisUnavailable
from gateway.upstream.aws.sigv4 import Credentials
from gateway.upstream.call import Body, CacheKey

# A page of 100 numbers is 60 KB. What is longer is fetched again: it would hold up what others ask of Redis.
MAX_VALUE_BYTES: Final = 512 * 1024
# Seconds that replicas' clocks may differ by. Hosts that keep time at all are within a tenth of that.
CLOCK_SKEW_SECONDS: Final = 1.0

# Another form of the values takes another label, and with it other names and keys.
_LABEL: Final = b"chime-gateway answer, form 1"
# Random ones: at a hundred answers a second two meet no sooner than in a year, by a chance of one in 2**32.
_NONCE_BYTES: Final = 12


class SharedResponseCache:
    """The answers in one Redis of one upstream.

    credentials: those that calls are signed with now; None before they have come.
    upstream: generation, region and endpoint: what else an answer depends on.
    clock: seconds since 1970, which replicas about agree on.
    """

    def __init__(
        self,
        link: RedisClient,
        credentials: Callable[[], Credentials | None],
        upstream: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._credentials = credentials
        self._upstream = upstream
        self._clock = clock
        # The seal of an access key and its secret, those seen last.
        self._sealing: tuple[str, str, AESGCM] | None = None

    async def get(self, key: CacheKey) -> tuple[Body, float, int] | None:
        """An answer, when it came from upstream, and its bytes of JSON; None where there is none, or none to trust.

        Whatever else than a sealed answer Redis holds under the name is a lie, after which it is left alone.
        """
        sealing = self._named(key)
        if sealing is None:
            return None
        name, seal = sealing
        try:
            value = await self._link.execute("GETRANGE", name, 0, MAX_VALUE_BYTES - 1)
        except RedisUnavailable:
            return None
        if value == b"":
            return None
        try:
            opened = seal.decrypt(value[:_NONCE_BYTES], value[_NONCE_BYTES:], name.encode())
        except (InvalidTag, TypeError, ValueError):
            self._link.mark_unhealthy("it gave out a value that was not put there")
            return None
        stored_at, answer = orjson.loads(opened)
        if stored_at > self._clock() + CLOCK_SKEW_SECONDS:
            self._link.mark_unhealthy("it gave out a value of the future; compare the replicas' clocks")
            return None
        return answer, stored_at, len(opened)

    def put(self, key: CacheKey, body: Body, stored_at: float, seconds: float) -> None:
        """Have an answer be kept for so many seconds. Waits for nothing."""
        sealing = self._named(key)
        if sealing is None:
            return
        name, seal = sealing
        text = orjson.dumps((stored_at, body))
        nonce = token_bytes(_NONCE_BYTES)
        value = nonce + seal.encrypt(nonce, text, name.encode())
        if len(value) <= MAX_VALUE_BYTES:
            self._link.execute_nowait("SET", name, value, "PX", max(1, round(seconds * 1000)))

    def _named(self, key: CacheKey) -> tuple[str, AESGCM] | None:
        """The answer's name in Redis, and what it is sealed with; None where there are no credentials yet.

        The name is a digest, for a key holds phone numbers and tokens.
        """
        credentials = self._credentials()
        if credentials is None:
            return None
        access_key, secret_key = credentials.access_key, credentials.secret_key
        if self._sealing is None or self._sealing[:2] != (access_key, secret_key):
            derived = HKDF(SHA256(), 32, salt=None, info=_LABEL).derive(secret_key.encode())
            self._sealing = (access_key, secret_key, AESGCM(derived))
        # JSON, because a value may hold any separator.
        described = orjson.dumps((_LABEL.decode(), self._upstream, access_key, key))
        return f"{KEY_PREFIX}answer:{sha256(described).hexdigest()}", self._sealing[2]
