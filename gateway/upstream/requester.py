"""The request that upstream calls are made for, its options for these calls, and the responses that it used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.upstream.used_responses import UsedResponses


@dataclass(frozen=True, slots=True)
class CacheDirectives:
    """A request's directives for the response cache.

    Attributes:
        bypass: Whether cached responses must not be used.
        store: Whether responses to this request's calls may be cached.
    """

    bypass: bool = False
    store: bool = True


DEFAULT_DIRECTIVES: Final = CacheDirectives()


@dataclass(slots=True, eq=False)
class Requester:
    """The request that calls are made for. The fair queue tells requests apart by the identity of this object.

    It is not frozen, because a frozen dataclass takes twice as long to make.

    Attributes:
        deadline: The time at which the request gives up, in seconds of the event loop's clock.
        cache: How its calls use the response cache.
        trace_headers: The headers traceparent and tracestate that its calls carry if no span is recorded.
        used: The responses that its calls returned so far.
    """

    deadline: float
    cache: CacheDirectives = DEFAULT_DIRECTIVES
    trace_headers: Mapping[str, str] = field(default_factory=dict)
    used: UsedResponses = field(default_factory=UsedResponses)
