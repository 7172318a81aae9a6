"""A token issuer's public keys: its JWKS, fetched over HTTP, cached and refreshed. Source: RFC 7517."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
from jwt import PyJWK

from gateway.errors import HttpError

logger = logging.getLogger("gateway")

# The issuer alone has the private key of each. HMAC is excluded, because its key would be a secret of ours as well.
ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})
# A key that the issuer has withdrawn is accepted for at most this long. PyJWT's own client caches keys as long.
REFRESH_SECONDS: Final = 300.0
# The time between attempts while the issuer fails: short for waiting callers, yet no flood for an issuer that restarts.
RETRY_SECONDS: Final = 2.0
# An unknown key may be a new one, so the JWKS is fetched early. Clients can invent key ids, so this bounds how often.
UNKNOWN_KEY_SECONDS: Final = 30.0
# Callers wait for the first fetch, for at most half of their request timeout.
FETCH_SECONDS: Final = 5.0
# A key takes half a kilobyte, or about five with its certificates.
MAX_JWKS_BYTES: Final = 256 * 1024

_Keys = Mapping[tuple[str | None, str], PyJWK]


class KeysUnavailable(HttpError):
    """The issuer's keys could not be fetched yet, so tokens cannot be verified."""

    code = "AUTHENTICATION_UNAVAILABLE"
    status = 503

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Access tokens cannot be verified now. Retry later.")
        self.headers = ((b"retry-after", b"%d" % retry_after_seconds),)


class UnreadableJwks(Exception):
    """The issuer's response holds no usable key. The message is the reason, for the log."""


class Jwks:
    """The cached keys of one issuer. If a refresh fails, the cached keys stay in use.

    Args:
        clock: Return seconds from any start.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: _Keys = {}
        self._refresh_at = self._unknown_key_fetch_at = -math.inf
        self._fetch_task: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """Return the key with this id and algorithm, or None if the issuer has no such key.

        Raises:
            KeysUnavailable: If no keys could be fetched yet.

        Cost: None for a cached key, because keys are refreshed in the background.
        """
        if self._clock() >= self._refresh_at:
            self._start_fetch()
        wanted = (key_id, algorithm)
        if not self._keys:
            await self.fetched()
            if not self._keys:
                raise KeysUnavailable(math.ceil(RETRY_SECONDS))
        elif wanted not in self._keys:
            if self._clock() >= self._unknown_key_fetch_at:
                self._unknown_key_fetch_at = self._clock() + UNKNOWN_KEY_SECONDS
                self._start_fetch()
            await self.fetched()
        return self._keys.get(wanted)

    async def fetched(self) -> None:
        """Wait for the fetch in flight, if there is one."""
        if self._fetch_task is not None:
            # Several requests may wait for the fetch, so it goes on if one of them is cancelled.
            await asyncio.shield(self._fetch_task)

    def _start_fetch(self) -> None:
        if self._fetch_task is None:
            self._fetch_task = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        seconds = RETRY_SECONDS
        try:
            self._keys = _usable_keys(await _download(self._url))
            seconds = REFRESH_SECONDS
        except (aiohttp.ClientError, TimeoutError, UnreadableJwks) as error:
            # Messages of other errors may contain the whole URL, and with it a password. Log only their class.
            reason = str(error) if isinstance(error, UnreadableJwks) else type(error).__name__
            logger.warning("The token issuer's keys cannot be fetched: %s (GATEWAY_JWT_JWKS_URL).", reason)
        finally:
            self._refresh_at = self._clock() + seconds
            self._fetch_task = None


async def _download(url: str) -> bytes:
    """Return the body at a URL.

    Raises:
        UnreadableJwks: If the status is not 200 or the body is too long.
        aiohttp.ClientError: If the request fails.
        TimeoutError: If the response takes longer than FETCH_SECONDS.
    """
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    # Each fetch opens its own session. One fetch in five minutes does not need a connection that stays open.
    async with (
        # For https, HTTPS_PROXY and NO_PROXY apply, as for upstream calls. An http URL is on this machine, so that no
        # proxy may come between.
        aiohttp.ClientSession(timeout=timeout, trust_env=url.startswith("https:")) as session,
        # Keys are read only from the URL that the operator set.
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != HTTPStatus.OK:
            raise UnreadableJwks(f"status {response.status}")
        try:
            await response.content.readexactly(MAX_JWKS_BYTES + 1)
        except asyncio.IncompleteReadError as ended:
            return ended.partial
        raise UnreadableJwks(f"more than {MAX_JWKS_BYTES:,} bytes")


def _usable_keys(content: bytes) -> _Keys:
    """Return the keys of a JWKS that may sign tokens. Skip its other entries.

    Raises:
        UnreadableJwks: If there are no such keys.
    """
    try:
        jwks = orjson.loads(content)
    except ValueError:
        raise UnreadableJwks("not JSON") from None
    records = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(records, list):
        raise UnreadableJwks("not a JWKS: it has no list of keys")
    keys = {(record.get("kid"), key.algorithm_name): key for record in records if (key := _usable_key(record))}
    if not keys:
        raise UnreadableJwks("no public key for signatures by RS256, ES256 or EdDSA")
    return keys


def _usable_key(record: Any) -> PyJWK | None:
    if not isinstance(record, dict) or record.get("use", "sig") != "sig" or not isinstance(record.get("kid", ""), str):
        return None
    # `k` is a shared secret and `d` a private key. Neither belongs in a public document.
    if "k" in record or "d" in record:
        return None
    try:
        key = PyJWK(record)
        fits = key.algorithm_name in ALGORITHMS and not key.Algorithm.check_key_length(key.key)
    except Exception:  # noqa: BLE001  # A malformed key can fail anywhere in the parser. The keys beside it are usable.
        return None
    return key if fits else None
