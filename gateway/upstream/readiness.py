"""The readiness of this replica: it is ready if AWS has responded, to a client's call or to a probe."""

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
from gateway.shared_state.circuit_breaker import CircuitBreaker
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.error_mapping import CHECK_ENDPOINT
from gateway.upstream.aws.instrumented_transport import OK, InstrumentedTransport
from gateway.upstream.aws_operations import LIST_PHONE_NUMBERS
from gateway.upstream.call import Call
from gateway.upstream.requester import Requester

logger = logging.getLogger("gateway")

# Seconds for which a call's outcome counts as the upstream's state. Kubernetes probes every 10 s by default.
FRESH_SECONDS: Final = 10.0
# Seconds that a probe's call may take. A response arrives within one, even if the connection needs a TLS handshake.
PROBE_SECONDS: Final = 2.0

# The outcomes that show that AWS responds: success, and AWS's own errors that reject a single call. Unknown credentials
# do not count, and neither do responses that are not the API's.
_REACHED: Final = frozenset(
    {
        OK,
        *(error.code for error in (CursorExpired, Throttled, UpstreamBadRequest, UpstreamForbidden, UpstreamNotFound)),
    }
)


class Readiness:
    """The upstream's state, as the outcomes of recent calls show it.

    Args:
        transport: Records the outcomes of all calls, and makes the probe's call.
        credentials: If they are missing, this replica is not ready.
        breakers: If one is not closed, only responses since it opened count.
        host: The host that is called, for the log.
        stays_ready: Whether a replica to which AWS has responded once is ready from then on, also while AWS fails.
    """

    def __init__(
        self,
        transport: InstrumentedTransport,
        credentials: CredentialCache,
        breakers: Iterable[CircuitBreaker],
        host: str,
        *,
        stays_ready: bool,
    ) -> None:
        self._transport = transport
        self._host = host
        self._credentials = credentials
        self._breakers = tuple(breakers)
        self._stays_ready = stays_ready
        self._probing = asyncio.Lock()
        self._probed_at = float("-inf")
        # The failure that was logged last, so that an outage is one line and not one for each probe.
        self._logged: str | None = None

    async def unready(self) -> str | None:
        """Return the reason why this replica is not ready, or None if it is.

        It is ready if AWS has responded in the last FRESH_SECONDS, and since a breaker opened if one is not closed. A
        replica that stays ready needs only one response since its start. Without valid credentials the reason names
        their source, even if AWS responded before.

        Cost: No call if AWS has responded in that time. Otherwise one call without retries per FRESH_SECONDS, however
        often this method is called. The call is made even if others have failed: if a proxy responds to one request in
        AWS's place, that says little about the others.
        """
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._credentials.get()
        except CredentialsUnavailable as error:
            return error.detail
        except TimeoutError:
            return f"no AWS credentials from {self._credentials.source} yet"
        async with self._probing:
            since = self._since()
            if not self._transport.outcomes_since(since) & _REACHED and self._probed_at < since:
                await self._probe()
            outcomes = self._transport.outcomes_since(self._since())
            reached_before = self._stays_ready and bool(self._transport.outcomes_since(float("-inf")) & _REACHED)
        if reached_before or outcomes & _REACHED:
            return None
        reason = f"AWS has not responded recently: {', '.join(sorted(outcomes))}"
        if UpstreamBadResponse.code in outcomes:
            reason += f". The responses are not those of the API. {CHECK_ENDPOINT}"
        return reason

    def _since(self) -> float:
        opened = (breaker.open_since for breaker in self._breakers)
        return max([time.monotonic() - FRESH_SECONDS, *(each for each in opened if each is not None)])

    async def _probe(self) -> None:
        """Make one call. Its outcome is recorded with those of all calls."""
        failure = None
        self._probed_at = time.monotonic()
        time_out = asyncio.timeout(PROBE_SECONDS)
        try:
            async with time_out:
                await self._credentials.get()
                requester = Requester(asyncio.get_running_loop().time() + PROBE_SECONDS)
                await self._transport.call(Call(LIST_PHONE_NUMBERS, {"MaxResults": 1}, requester))
        except UpstreamError as error:
            failure = f"{error.code}: {error.detail}"
        except TimeoutError:
            # The call was cancelled, so the transport recorded no outcome.
            self._transport.record_outcome(UpstreamTimeout.code)
            failure = f"{UpstreamTimeout.code}: timeout: {self._host} did not respond within {PROBE_SECONDS:g} s"
        if failure is not None and failure != self._logged:
            logger.warning("readiness: ListPhoneNumbers %s", failure)
        self._logged = failure
