"""The response cache in front of the calls: identical calls are made once, and not at all if a response is cached."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway.errors import Throttled, UpstreamError, UpstreamNotFound, UpstreamTimeout
from gateway.telemetry.metrics import count_cache_lookup
from gateway.telemetry.request_record import current_record
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.cache.response_cache import CachedResponse, ResponseCache
from gateway.upstream.cache.shared_cache import SharedResponseCache
from gateway.upstream.cache.single_flight import SingleFlight
from gateway.upstream.call import Call, Transport, UpstreamResponse

_NO_RECORD: Final = UpstreamResponse(body=None, size=0)


class CachingTransport:
    """The response cache, in memory and in Redis, in front of the calls.

    It is the outermost transport. It ends a call at its requester's deadline, joins identical calls in flight, and
    parses each response once.

    Args:
        transport: Makes the calls.
        cache: This process's cache.
        shared: The cache in Redis, if there is one.
        credentials: If they are missing at a deadline, they are the cause of the error.
        host: The host that is called, for the log.
    """

    def __init__(
        self,
        transport: Transport,
        cache: ResponseCache,
        shared: SharedResponseCache | None,
        credentials: CredentialCache,
        host: str,
    ) -> None:
        self._transport = transport
        self._cache = cache
        self._shared = shared if cache.ttl > 0 else None
        self._credentials = credentials
        self._host = host
        self._fetches: SingleFlight[Call, CachedResponse] = SingleFlight()
        self._loads: SingleFlight[Call, None] = SingleFlight()

    async def call(self, call: Call) -> UpstreamResponse:
        """Return a response with its result. If the upstream fails, return a stale response if there is one.

        Raises:
            UpstreamError: If there is no response before the requester's deadline.

        Cost: A few microseconds if memory holds the response. Otherwise one round trip to Redis, if there is one, and
        one upstream call if Redis does not hold the response.
        """
        error: UpstreamError
        try:
            return await self._fresh_or_fetched(call)
        except TimeoutError:
            error = self._deadline_error(call.operation.name)
        except UpstreamError as raised:
            error = raised
        stale = self._stale_fallback(call, error)
        if stale is None:
            raise error from None
        return stale

    async def _fresh_or_fetched(self, call: Call) -> UpstreamResponse:
        if not call.requester.cache.bypass:
            cached = self._cache.fresh(call.key)
            if cached is None and self._shared is not None:
                # Requests that join the load must not extend the deadline of this call.
                await self._loads.do(call.key, self._load_shared, replace(call))
                cached = self._cache.fresh(call.key)
            if cached is not None:
                current_record().cached_response_used(cached.stored_at)
                count_cache_lookup(call.operation.name, "negative_hit" if cached.response.body is None else "hit")
                return _used(call, cached)
            if self._cache.ttl > 0:
                count_cache_lookup(call.operation.name, "miss")
        # A request that bypasses the cache may join a call in flight, since its response is still to come.
        return _used(call, await self._fetches.do(call.key, self._fetch, call))

    async def _load_shared(self, call: Call) -> None:
        """Store a response from Redis in memory, even if it is stale and may only replace an error."""
        found = None if self._shared is None else await self._shared.get(call.key)
        if found is None:
            return
        body, stored_at, size = found
        # Only another release of the gateway could have stored a body that this one cannot parse.
        with suppress(UpstreamError):
            self._cache.store(call.key, _parsed(call, UpstreamResponse(body, size)), stored_at)

    async def _fetch(self, call: Call) -> CachedResponse:
        try:
            response = _parsed(call, await self._transport.call(call))
        except UpstreamNotFound:
            if not call.operation.gets_one:
                raise
            response = _NO_RECORD
        if not call.requester.cache.store or self._cache.ttl + self._cache.stale_seconds == 0:
            return self._cache.not_stored(response)
        cached = self._cache.store(call.key, response)
        if self._shared is not None:
            self._shared.put(call.key, response.body, cached.stored_at, cached.ttl + self._cache.stale_seconds)
        return cached

    def _stale_fallback(self, call: Call, error: UpstreamError) -> UpstreamResponse | None:
        """Return a cached response that may replace an error.

        RFC 5861 allows this for a failing upstream only: a status of 500 and above, a timeout, a bad response or no
        connection.
        """
        if call.requester.cache.bypass or not error.retryable or isinstance(error, Throttled):
            return None
        cached = self._cache.usable_on_error(call.key)
        if cached is None:
            return None
        current_record().cached_response_used(cached.stored_at, stale=True)
        count_cache_lookup(call.operation.name, "stale")
        return cached.response

    def _deadline_error(self, operation: str) -> UpstreamError:
        """Return the error of a call without a response at its deadline. If credentials are missing, name them."""
        missing_credentials = self._credentials.overdue(operation)
        if missing_credentials is not None:
            return missing_credentials
        detail = f"timeout: {self._host} did not respond before the request's deadline"
        return UpstreamTimeout(operation, detail=detail)


def _used(call: Call, cached: CachedResponse) -> UpstreamResponse:
    """Return a response that is fresh now, and note that the call's request uses it."""
    response, stored_at, ttl, _, serial = cached
    current_record().fresh_response_used(stored_at, stored_at + ttl)
    call.requester.used.add(call.key, serial, stored_at, ttl)
    return response


def _parsed(call: Call, response: UpstreamResponse) -> UpstreamResponse:
    body, size, status, request_id, _ = response
    if body is None:
        return response
    return UpstreamResponse(body, size, status, request_id, call.operation.parse(body, call.parameters))
