"""AWS's errors into ours, once, at the wall.

The same fault arrives under either of two names (header `x-amzn-ErrorType: ThrottledClientException`, or body
`"Code": "Throttled"`), and AWS's front door has names of its own (`ThrottlingException`, status 400). So a fault is
known by its name, either spelling, and else by its HTTP status; never by botocore's exception class.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

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
from gateway.logs import MAX_SAID
from gateway.upstream.retry_after import retry_after_seconds

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

# AWS's are UUIDs. What has no dash may be an account's number, or a key's id.
# None: the SDK failed before it asked.
_PASSING: Final = frozenset({500, 503, None})

_REQUEST_ID: Final = re.compile("(?=.{1,64}$)[0-9A-Za-z]+(-[0-9A-Za-z]+)+")
# A word of a sentence, or a name such as chime:GetPhoneNumber or ThrottledClientException, with the marks around it.
_WORD: Final = re.compile(
    r"""[('"]*(?:[A-Z]{1,5}|[A-Za-z][a-z]{0,20}|(?:[A-Z][a-z]{1,20}){2,6})(?:[:'/-](?:[a-z]{1,20}|(?:[A-Z][a-z]{1,20})+))*"""
    r"""[)'".,:;!?]*"""
)


def is_passing(fault: UpstreamFault) -> bool:
    """Whether another attempt may mend it: 429, 500, 503, and broken connections.

    A time-out has spent the request's time already, a proxy's 504 too; a garbled answer would come again.
    """
    if isinstance(fault, UpstreamFailure | UpstreamUnavailable):
        return fault.status in _PASSING
    return isinstance(fault, Throttled | UpstreamUnreachable)


def translate(error: Exception, operation: str, parameters: Mapping[str, str | int]) -> UpstreamFault:
    """The fault that an exception of a call means.

    parameters: those of the call. With a NextToken a 400 is about this token and nothing else: the other values were
    accepted when the token was given out.
    """
    if not isinstance(error, ClientError):
        detail = _for_the_log(f"{type(error).__name__}: {error}", parameters)
        return _kind_without_answer(error)(operation, detail=detail)
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    described: dict[str, Any] = error.response.get("Error", {})
    name = str(described.get("Code", ""))
    kind = _kind_of_answer(name, metadata.get("HTTPStatusCode"))
    if kind is UpstreamBadRequest and "NextToken" in parameters:
        kind = CursorExpired
    headers: dict[str, str] = metadata.get("HTTPHeaders", {})
    return kind(
        operation,
        status=metadata.get("HTTPStatusCode"),
        request_id=request_id_of(error.response),
        retry_after=retry_after_seconds(headers.get("retry-after"), datetime.now(UTC)),
        detail=_for_the_log(f"{name}: {described.get('Message', '')}", parameters),
    )


def request_id_of(answer: Mapping[str, Any]) -> str | None:
    """AWS's id of a call, by its parsed answer; None without one.

    It goes out to callers and to traces, and comes in as a header that may hold anything.
    """
    request_id = answer.get("ResponseMetadata", {}).get("RequestId")
    return request_id if isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id) else None


def _for_the_log(text: str, parameters: Mapping[str, str | int]) -> str:
    """What AWS, or a library, said of a call, as far as it is language.

    It may quote anything: what was sent, accounts, ARNs, hosts, a whole answer. What was sent is known by its value;
    of all else only words are kept.
    """
    for name, value in parameters.items():
        if isinstance(value, str) and value:
            for spelling in (value, quote(value, safe="")):
                text = text.replace(spelling, name)
    words = text[:MAX_SAID].split()
    return " ".join(word if _WORD.fullmatch(word) else "[...]" for word in words)


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
