"""A call to AWS, its response, and the interface of the transports between the client and AWS.

Each transport wraps the next one. gateway/upstream/open.py composes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from gateway.upstream.requester import Requester
from gateway.upstream.used_responses import CacheKey

Parameters = Mapping[str, str | int]
NO_PARAMETERS: Final[Parameters] = MappingProxyType({})
# The JSON object of a response. None if AWS has no such record.
Body = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API.

    Attributes:
        name: Its name in the service's model.
        parse: Returns a page or a record for the JSON object of a response and the call's parameters. Raises
            UpstreamBadResponse if the object is not a response of the operation.
        gets_one: Whether it gets one record. If it does, NotFound is a result and not an error.
    """

    name: str
    parse: Callable[[dict[str, Any], Parameters], Any]
    gets_one: bool = False


@dataclass(slots=True, eq=False)
class Call:
    """One upstream call.

    Attributes:
        operation: The operation to call.
        parameters: The operation's parameters, with AWS's names.
        requester: The request that started the call. Others may join it.
        deadline: The time at which the last request that waits for it gives up. It grows if others join.
        attempt: The number of the current attempt, from 1.
        trace_headers: The trace headers to send.
        key: The call's identity.
    """

    operation: Operation
    parameters: Parameters
    requester: Requester
    deadline: float = field(init=False)
    attempt: int = field(init=False, default=1)
    trace_headers: Mapping[str, str] = field(init=False)
    key: CacheKey = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = self.requester.deadline
        self.trace_headers = self.requester.trace_headers
        self.key = (self.operation.name, tuple(sorted(self.parameters.items())))


class HasDeadline(Protocol):
    """A call whose deadline, by the event loop's clock, grows if others join it."""

    deadline: float


class UpstreamResponse(NamedTuple):
    """A successful response. It may be cached and shared, so callers must not change it or its records.

    Attributes:
        body: The JSON object, if AWS has such a record.
        size: Bytes of JSON.
        status: The HTTP status, unless the response comes from a cache.
        request_id: AWS's id of the call, if the response has one.
        result: The page or record that the operation read from the body, if there is a body. Only the caching transport
            and its callers see it.
    """

    body: Body
    size: int
    status: int | None = None
    request_id: str | None = None
    result: Any = None


class Transport(Protocol):
    """A step between the client and AWS."""

    async def call(self, call: Call) -> UpstreamResponse:
        """Return the response to a call.

        Raises:
            UpstreamError: If AWS rejects or fails the call, or if the call is not sent.
        """
        ...
