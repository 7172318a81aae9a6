"""AWS's errors into ours, once, at the wall.

The same fault arrives under either of two names (header `x-amzn-ErrorType: ThrottledClientException`, or body
`"Code": "Throttled"`), and AWS's front door has names of its own (`ThrottlingException`, status 400). So a fault is
known by its name, either spelling, and else by its HTTP status; never by botocore's exception class.
"""

from typing import Any, Final

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError

from gateway.errors import (
    CursorExpired,
    Throttled,
    UpstreamBadRequest,
    UpstreamBadResponse,
    UpstreamFailure,
    UpstreamFault,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

# Names without the suffixes Exception and Client. First the two APIs' own (ErrorCode and the error shapes of the
# service models), then AWS's common errors.
_BY_NAME: Final[dict[str, type[UpstreamFault]]] = {
    "BadRequest": UpstreamBadRequest,
    "Unauthorized": UpstreamUnauthorized,
    "Forbidden": UpstreamForbidden,
    "AccessDenied": UpstreamForbidden,
    "NotFound": UpstreamNotFound,
    "Throttled": Throttled,
    "Throttling": Throttled,
    "ServiceFailure": UpstreamFailure,
    "ServiceUnavailable": UpstreamUnavailable,
    "TooManyRequests": Throttled,
    "RequestLimitExceeded": Throttled,
    "ExpiredToken": UpstreamUnauthorized,
    "IncompleteSignature": UpstreamUnauthorized,
    "InvalidClientTokenId": UpstreamUnauthorized,
    "InvalidSignature": UpstreamUnauthorized,
    "MissingAuthenticationToken": UpstreamUnauthorized,
    "RequestExpired": UpstreamUnauthorized,
    "SignatureDoesNotMatch": UpstreamUnauthorized,
    "UnrecognizedClient": UpstreamUnauthorized,
    "InternalFailure": UpstreamFailure,
    "Validation": UpstreamBadRequest,
    "ValidationError": UpstreamBadRequest,
}
_BY_STATUS: Final[dict[int, type[UpstreamFault]]] = {
    400: UpstreamBadRequest,
    401: UpstreamUnauthorized,
    403: UpstreamForbidden,
    404: UpstreamNotFound,
    408: UpstreamTimeout,
    429: Throttled,
    500: UpstreamFailure,
    502: UpstreamUnavailable,
    503: UpstreamUnavailable,
    504: UpstreamUnavailable,
}

# What another attempt may mend. A time-out has spent the request's time already; a garbled answer would come again.
PASSING: Final = (Throttled, UpstreamFailure, UpstreamUnavailable, UpstreamUnreachable)


def translate(error: Exception, operation: str, *, with_token: bool) -> UpstreamFault:
    """The fault that an exception of a call means.

    with_token: the call carried a NextToken, so that a 400 is about this token and nothing else: the other values
    were accepted when the token was given out.
    """
    if not isinstance(error, ClientError):
        return _kind_without_answer(error)(operation, detail=f"{type(error).__name__}: {error}")
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    described: dict[str, Any] = error.response.get("Error", {})
    name = str(described.get("Code", ""))
    kind = _kind_of_answer(name, metadata.get("HTTPStatusCode"))
    if kind is UpstreamBadRequest and with_token:
        kind = CursorExpired
    return kind(operation, request_id=metadata.get("RequestId"), detail=f"{name}: {described.get('Message', '')}")


def _kind_of_answer(name: str, status: int | None) -> type[UpstreamFault]:
    bare = name.removesuffix("Exception")
    kind = _BY_NAME.get(bare) or _BY_NAME.get(bare.removesuffix("Client")) or _BY_STATUS.get(status or 0)
    if kind is not None:
        return kind
    match (status or 0) // 100:
        case 4:
            return UpstreamBadRequest
        case 5:
            return UpstreamFailure
        case _:
            return UpstreamBadResponse


def _kind_without_answer(error: Exception) -> type[UpstreamFault]:
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return UpstreamUnauthorized
        # Before TimeoutError, which it is as well: no answer was waited for.
        case aiohttp.ConnectionTimeoutError():
            return UpstreamUnreachable
        case TimeoutError():
            return UpstreamTimeout
        # The last is what renewing a role's credentials may raise.
        case aiohttp.ClientError() | OSError() | HTTPClientError():
            return UpstreamUnreachable
        case BotoCoreError():
            return UpstreamFailure
        # Only an answer that is too long, or that a parser choked on, is left: ResponseParserError is a bare Exception.
        case _:
            return UpstreamBadResponse
