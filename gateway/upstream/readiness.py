"""Whether requests should come here: whether AWS has answered lately, and if nobody knows, a call to find out."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from gateway.errors import (
    CursorExpired,
    Throttled,
    UpstreamBadRequest,
    UpstreamFault,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamTimeout,
)
from gateway.upstream.breaker import Breaker
from gateway.upstream.observed_calls import ANSWERED, ObservedCalls

# Seconds for which a call's outcome stands for the upstream's state; Kubernetes asks every 10 unless told otherwise.
FRESH_SECONDS: Final = 10.0
# Seconds that the call of a probe may take. An answer comes within one, a connection's TLS included.
PROBE_SECONDS: Final = 2.0

# AWS has refused one call, and answers others. That it does not know our credentials is not among them.
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

    def __init__(self, calls: ObservedCalls, breakers: Iterable[Breaker]) -> None:
        self._calls = calls
        self._breakers = tuple(breakers)
        self._probing = asyncio.Lock()

    async def unready(self) -> str | None:
        """Why not, in words; None where AWS has answered in the last FRESH_SECONDS, and since a breaker opened.

        Cost: none where a call has ended in that time; else one call without retries, one at a time.
        """
        async with self._probing:
            outcomes = self._fresh() or await self._probe()
        if outcomes & _REACHED:
            return None
        return f"AWS has not answered lately: {', '.join(sorted(outcomes))}"

    def _fresh(self) -> set[str]:
        opened = (breaker.open_since for breaker in self._breakers)
        since = max([time.monotonic() - FRESH_SECONDS, *(each for each in opened if each is not None)])
        return {outcome for outcome, ended in self._calls.ended.items() if ended >= since}

    async def _probe(self) -> set[str]:
        time_out = asyncio.timeout(PROBE_SECONDS)
        # Its outcome is noted where all calls' are, but for one that was given up.
        with suppress(UpstreamFault, TimeoutError):
            async with time_out:
                await self._calls.call("ListPhoneNumbers", {"MaxResults": 1})
        if time_out.expired():
            self._calls.ended[UpstreamTimeout.code] = time.monotonic()
        return self._fresh()
