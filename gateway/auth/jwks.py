"""The public keys that a token issuer signs with: fetched from its JWKS, kept, and fetched again. Source: RFC 7517."""

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

# Each is signed with a private key that the issuer alone has. HMAC, whose key would be ours too, is never taken.
ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})
# How soon a key that the issuer has withdrawn is no longer taken. PyJWT's own client keeps keys as long.
REFRESH_SECONDS: Final = 300.0
# Where the issuer does not answer: soon enough for callers who wait, and no storm on a server that is coming up.
RETRY_SECONDS: Final = 2.0
# An unknown key may be brand new, so the set is fetched before its time; anyone may invent keys' names, though.
UNKNOWN_KEY_SECONDS: Final = 30.0
# Callers wait for the first fetch: half of their deadline at most.
FETCH_SECONDS: Final = 5.0
# A key takes half a kilobyte, with its certificates some five.
MAX_JWKS_BYTES: Final = 256 * 1024

_Keys = Mapping[tuple[str | None, str], PyJWK]


class KeysUnavailable(HttpError):
    """The issuer's keys could not be fetched yet, so that no token can be verified."""

    code = "AUTHENTICATION_UNAVAILABLE"
    status = 503

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Access tokens cannot be verified now. Retry later.")
        self.headers = ((b"retry-after", b"%d" % retry_after_seconds),)


class UnreadableJwks(Exception):
    """What the issuer answered with holds no key that could be used."""


class Jwks:
    """One issuer's keys. Those that are known are taken for as long as the issuer gives no newer ones.

    clock: seconds from any start.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: _Keys = {}
        self._due_at = self._due_for_unknown_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The key of this id for an algorithm; None where the issuer has none.

        Cost: none while the key is known, for it is in the background that keys are refreshed.
        Raises: KeysUnavailable where no key could be fetched yet.
        """
        if self._clock() >= self._due_at:
            self._begin_to_fetch()
        wanted = (key_id, algorithm)
        if not self._keys:
            await self._fetched()
            if not self._keys:
                raise KeysUnavailable(math.ceil(RETRY_SECONDS))
        elif wanted not in self._keys:
            if self._clock() >= self._due_for_unknown_at:
                self._due_for_unknown_at = self._clock() + UNKNOWN_KEY_SECONDS
                self._begin_to_fetch()
            await self._fetched()
        return self._keys.get(wanted)

    async def _fetched(self) -> None:
        if self._fetching is not None:
            # Others wait for it, too: it goes on when one of them leaves.
            await asyncio.shield(self._fetching)

    def _begin_to_fetch(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        seconds = RETRY_SECONDS
        try:
            self._keys = _usable_keys(await _answer(self._url))
            seconds = REFRESH_SECONDS
        except (aiohttp.ClientError, TimeoutError, UnreadableJwks) as error:
            # Of others the class alone: the words of some hold the whole URL, which may hold a password.
            words = str(error) if isinstance(error, UnreadableJwks) else type(error).__name__
            logger.warning("the keys at GATEWAY_JWT_JWKS_URL cannot be fetched: %s", words)
        finally:
            self._due_at = self._clock() + seconds
            self._fetching = None


async def _answer(url: str) -> bytes:
    """The body at a URL.

    Raises: UnreadableJwks; aiohttp's ClientError; TimeoutError.
    """
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    # A session a fetch: one in five minutes needs no connection kept for it.
    async with (
        # HTTPS_PROXY and NO_PROXY count, as for the upstream. By http keys come from this machine, by no proxy.
        aiohttp.ClientSession(timeout=timeout, trust_env=url.startswith("https:")) as session,
        # Keys are taken from where the operator said, and from nowhere else.
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
    """The keys of a JWKS that may sign tokens, without what else it holds.

    Raises: UnreadableJwks where there are none.
    """
    try:
        answer = orjson.loads(content)
    except ValueError:
        raise UnreadableJwks("no JSON") from None
    records = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(records, list):
        raise UnreadableJwks("no JWKS: it has no list of keys")
    keys = {(record.get("kid"), key.algorithm_name): key for record in records if (key := _usable_key(record))}
    if not keys:
        raise UnreadableJwks("no public key for signatures by RS256, ES256 or EdDSA")
    return keys


def _usable_key(record: Any) -> PyJWK | None:
    if not isinstance(record, dict) or record.get("use", "sig") != "sig" or not isinstance(record.get("kid", ""), str):
        return None
    # `k` is a shared secret, and `d` a private key: neither belongs where everybody can read it.
    if "k" in record or "d" in record:
        return None
    try:
        key = PyJWK(record)
        fits = key.algorithm_name in ALGORITHMS and not key.Algorithm.check_key_length(key.key)
    except Exception:  # noqa: BLE001  # What is no key may trip the parser anywhere; the keys beside it are good.
        return None
    return key if fits else None
