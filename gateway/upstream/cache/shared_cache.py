"""The response cache that replicas share in Redis. Redis can neither read a response nor replace it with another one.

Each response is encrypted with a key that is derived from the AWS credentials of its call. The encryption binds it to
its own name in Redis. So replicas share responses only if they sign with the same access key. Other credentials may
have other rights, and the gateway cannot see which. A role's temporary credentials differ between replicas, and change
with each renewal.
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
from gateway.upstream.call import Body
from gateway.upstream.used_responses import CacheKey

# A page of 100 numbers is 60 KB. Larger responses are fetched again, because they would delay other commands to Redis.
MAX_VALUE_BYTES: Final = 512 * 1024
# Seconds by which replicas' clocks may differ. If hosts synchronize their clocks, they are within a tenth of that.
CLOCK_SKEW_SECONDS: Final = 1.0

# If the form of the values changes, change the label. The names and keys then change too.
_LABEL: Final = b"chime-gateway answer, form 1"
# Nonces are random. At 100 responses a second, the chance that two are equal is below one in 2**32 for a year.
_NONCE_BYTES: Final = 12


class SharedResponseCache:
    """The responses of one upstream in one Redis.

    Args:
        redis: The client of that Redis.
        credentials: Returns the credentials that calls are signed with now, if they are loaded.
        upstream: The service, region and endpoint. A response depends on them as much as on the call.
        clock: Seconds since 1970. The clocks of replicas roughly agree.
    """

    def __init__(
        self,
        redis: RedisClient,
        credentials: Callable[[], Credentials | None],
        upstream: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._credentials = credentials
        self._upstream = upstream
        self._clock = clock
        # The access key and secret key that were used last, and the cipher that is derived from them.
        self._cipher: tuple[str, str, AESGCM] | None = None

    async def get(self, key: CacheKey) -> tuple[Body, float, int] | None:
        """Return the body of a response, the time when it came from the upstream, and its bytes of JSON.

        Return None if Redis is not available, or holds no response that can be trusted. Redis is wrong if a value was
        not encrypted by this class for this name, or has a time in the future. The gateway then stops using it for a
        while.
        """
        named = self._name_and_cipher(key)
        if named is None:
            return None
        name, cipher = named
        try:
            value = await self._redis.execute("GETRANGE", name, 0, MAX_VALUE_BYTES - 1)
        except RedisUnavailable:
            return None
        if value == b"":
            return None
        try:
            decrypted = cipher.decrypt(value[:_NONCE_BYTES], value[_NONCE_BYTES:], name.encode())
        except (InvalidTag, TypeError, ValueError):
            self._redis.mark_unhealthy("it returned a value that no gateway stored under this key")
            return None
        stored_at, body = orjson.loads(decrypted)
        if stored_at > self._clock() + CLOCK_SKEW_SECONDS:
            self._redis.mark_unhealthy("it returned a value with a time in the future, so compare the replicas' clocks")
            return None
        return body, stored_at, len(decrypted)

    def put(self, key: CacheKey, body: Body, stored_at: float, seconds: float) -> None:
        """Cache a response without waiting for Redis, unless the response is too large.

        Args:
            key: The call's identity.
            body: The response's JSON object. A missing record has none.
            stored_at: The time when the response came from the upstream, in seconds since 1970.
            seconds: How long Redis keeps it.
        """
        named = self._name_and_cipher(key)
        if named is None:
            return
        name, cipher = named
        text = orjson.dumps((stored_at, body))
        nonce = token_bytes(_NONCE_BYTES)
        value = nonce + cipher.encrypt(nonce, text, name.encode())
        if len(value) <= MAX_VALUE_BYTES:
            self._redis.execute_nowait("SET", name, value, "PX", max(1, round(seconds * 1000)))

    def _name_and_cipher(self, key: CacheKey) -> tuple[str, AESGCM] | None:
        """Return the response's name in Redis and the cipher that encrypts it, if the credentials are loaded.

        The name is a digest, because a key holds phone numbers and tokens.
        """
        credentials = self._credentials()
        if credentials is None:
            return None
        access_key, secret_key = credentials.access_key, credentials.secret_key
        if self._cipher is None or self._cipher[:2] != (access_key, secret_key):
            derived = HKDF(SHA256(), 32, salt=None, info=_LABEL).derive(secret_key.encode())
            self._cipher = (access_key, secret_key, AESGCM(derived))
        # JSON, because a value may hold any separator.
        described = orjson.dumps((_LABEL.decode(), self._upstream, access_key, key))
        return f"{KEY_PREFIX}answer:{sha256(described).hexdigest()}", self._cipher[2]
