"""Whether requests should come here: whether AWS has answered lately, and if nobody knows, a call to find out."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from gateway.errors import (
    CredentialsUnavailable,
    CursorExpired,
    Throttled,
    UpstreamBadRequest,
    UpstreamBadResponse,
    UpstreamError,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamTimeout,
)
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.error_mapping import CHECK_ENDPOINT
from gateway.upstream.aws.instrumented_transport import ANSWERED, InstrumentedTransport
from gateway.upstream.aws_operations import LIST_PHONE_NUMBERS
from gateway.upstream.call import Call
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.circuit_breaker import CircuitBreaker

logger = logging.getLogger("gateway")

# Seconds for which a call's outcome stands for the upstream's state; Kubernetes asks every 10 unless told otherwise.
FRESH_SECONDS: Final = 10.0
# Seconds that the call of a probe may take. An answer comes within one, a connection's TLS included.
PROBE_SECONDS: Final = 2.0

# AWS has refused one call, by an error name of its own, and answers others. Unknown credentials are not among these,
# nor are responses that are not the API's.
_REACHED: Final = frozenset(
    {
        ANSWERED,
        *(fault.code for fault in (CursorExpired, Throttled, UpstreamBadRequest, UpstreamForbidden, UpstreamNotFound)),
    }
)


class Readiness:
    """The upstream's state, from the calls that are made anyway.

    breakers: with one open, only what AWS has answered since says that requests should come here.
    """

    def __init__(
        self,
        transport: InstrumentedTransport,
        credentials: CredentialCache,
        breakers: Iterable[CircuitBreaker],
        host: str,
    ) -> None:
        self._transport = transport
        self._host = host
        self._credentials = credentials
        self._breakers = tuple(breakers)
        self._probing = asyncio.Lock()
        self._probed_at = float("-inf")
        # What the log was told last, so that an outage is one line and not one for each probe.
        self._logged: str | None = None

    async def unready(self) -> str | None:
        """Return why not, in words, or None if AWS has answered in the last FRESH_SECONDS and since a breaker opened.

        Cost: none if AWS has answered in that time. Otherwise one call without retries in FRESH_SECONDS, however often
        this is asked: one request that only a proxy answers says little of the others.
        Without valid credentials the reason names their source, whatever AWS answered before.
        """
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._credentials.get()
        except CredentialsUnavailable as fault:
            return fault.detail
        except TimeoutError:
            return f"no AWS credentials from {self._credentials.source} yet"
        async with self._probing:
            since = self._since()
            if not self._transport.outcomes_since(since) & _REACHED and self._probed_at < since:
                await self._probe()
            outcomes = self._transport.outcomes_since(self._since())
        if outcomes & _REACHED:
            return None
        reason = f"AWS has not answered lately: {', '.join(sorted(outcomes))}"
        if UpstreamBadResponse.code in outcomes:
            reason += f". The responses are not those of the API. {CHECK_ENDPOINT}"
        return reason

    def _since(self) -> float:
        opened = (breaker.open_since for breaker in self._breakers)
        return max([time.monotonic() - FRESH_SECONDS, *(each for each in opened if each is not None)])

    async def _probe(self) -> None:
        """Make one call, whose outcome is noted with those of all calls."""
        failure = None
        self._probed_at = time.monotonic()
        time_out = asyncio.timeout(PROBE_SECONDS)
        try:
            async with time_out:
                await self._credentials.get()
                requester = Requester(asyncio.get_running_loop().time() + PROBE_SECONDS)
                await self._transport.call(Call(LIST_PHONE_NUMBERS, {"MaxResults": 1}, requester))
        except UpstreamError as fault:
            failure = f"{fault.code}: {fault.detail}"
        except TimeoutError:
            # The call was given up, so its own outcome is none.
            self._transport.record_outcome(UpstreamTimeout.code)
            failure = f"{UpstreamTimeout.code}: timeout: {self._host} did not respond within {PROBE_SECONDS:g} s"
        if failure is not None and failure != self._logged:
            logger.warning("readiness: ListPhoneNumbers %s", failure)
        self._logged = failure
