"""The mapping from errors of AWS and of the network to the gateway's errors.

An error is the API's only if the response to the signed request has one of the API's error names. The same error has
two names: the header `x-amzn-ErrorType: ThrottledClientException`, and `"Code": "Throttled"` in the body. AWS's front
end has further names (`ThrottlingException`, status 400). A status alone is no proof, because a proxy, a load balancer
or another server may have sent it.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from gateway.errors import (
    CursorExpired,
    Throttled,
    UpstreamBadRequest,
    UpstreamBadResponse,
    UpstreamError,
    UpstreamFailure,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnavailable,
    UpstreamUnreachable,
    WrongUpstreamApi,
)
from gateway.upstream.aws.network_errors import network_fault
from gateway.upstream.aws.response_parser import FailedResponse
from gateway.upstream.services import CHIME

# Error names of the two APIs, without the suffixes Exception and Client. They are the values of ErrorCode and the error
# shapes in the service models. A name is left out if only operations that the gateway never calls use it.
_API_NAMES: Final[dict[str, type[UpstreamError]]] = {
    "BadRequest": UpstreamBadRequest,
    "Unprocessable": UpstreamBadRequest,
    "UnprocessableEntity": UpstreamBadRequest,
    "Unauthorized": UpstreamUnauthorized,
    "Forbidden": UpstreamForbidden,
    "AccessDenied": UpstreamForbidden,
    "NotFound": UpstreamNotFound,
    "Throttled": Throttled,
    "Throttling": Throttled,
    "ServiceFailure": UpstreamFailure,
    "ServiceUnavailable": UpstreamUnavailable,
}
# AWS's common errors, which its front end sends for every API.
_COMMON_NAMES: Final[dict[str, type[UpstreamError]]] = {
    "Validation": UpstreamBadRequest,
    "ValidationError": UpstreamBadRequest,
    "NotAuthorized": UpstreamForbidden,
    "ExpiredToken": UpstreamUnauthorized,
    "IncompleteSignature": UpstreamUnauthorized,
    "InvalidAccessKeyId": UpstreamUnauthorized,
    "InvalidClientTokenId": UpstreamUnauthorized,
    "InvalidSignature": UpstreamUnauthorized,
    "MissingAuthenticationToken": UpstreamUnauthorized,
    "OptInRequired": UpstreamUnauthorized,
    "RequestExpired": UpstreamUnauthorized,
    "RequestTimeTooSkewed": UpstreamUnauthorized,
    "SignatureDoesNotMatch": UpstreamUnauthorized,
    "SubscriptionRequired": UpstreamUnauthorized,
    "UnrecognizedClient": UpstreamUnauthorized,
    "RequestLimitExceeded": Throttled,
    "RequestThrottled": Throttled,
    "SlowDown": Throttled,
    "TooManyRequests": Throttled,
    "InternalFailure": UpstreamFailure,
    "InternalServer": UpstreamFailure,
    "InternalServerError": UpstreamFailure,
}
_BY_NAME: Final = _API_NAMES | _COMMON_NAMES

# Statuses that a kind of error may have. If a name comes with another status, the API did not send it: a 500 does not
# mean that a record is missing. Other kinds only mean that a retry may help, so they may have any error status.
_STATUSES: Final[dict[type[UpstreamError], frozenset[int]]] = {
    UpstreamBadRequest: frozenset({400, 422}),
    UpstreamNotFound: frozenset({404}),
    UpstreamForbidden: frozenset({400, 403}),
    UpstreamUnauthorized: frozenset({400, 401, 403}),
}

# Kinds of errors for a status without a known name. Each means only that a retry may succeed, which is true if AWS or
# if a proxy sent it. If any other status below 500 has no known name, another server sent the response.
_BY_STATUS: Final[dict[int, type[UpstreamError]]] = {
    HTTPStatus.REQUEST_TIMEOUT: UpstreamTimeout,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
    HTTPStatus.BAD_GATEWAY: UpstreamUnavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: UpstreamUnavailable,
    HTTPStatus.GATEWAY_TIMEOUT: UpstreamUnavailable,
}

# Statuses after which a retry may succeed. The status is None if the SDK failed before it sent the request.
_TRANSIENT_STATUSES: Final = frozenset({500, 503, None})

# Advice for the operator if a response is not the API's.
CHECK_ENDPOINT: Final = "Check GATEWAY_UPSTREAM_ENDPOINT_URL or AWS_ENDPOINT_URL, and the proxy."
# Limit of AWS's text in a log line, in characters. The whole line is limited to 500.
_MAX_TEXT: Final = 250
# A word of a sentence, or a name such as chime:GetPhoneNumber or ThrottledClientException, with its punctuation.
_WORD: Final = re.compile(
    r"""[('"]*(?:[A-Z]{1,5}|[A-Za-z][a-z]{0,20}|(?:[A-Z][a-z]{1,20}){2,6})(?:[:'/-](?:[a-z]{1,20}|(?:[A-Z][a-z]{1,20})+))*"""
    r"""[)'".,:;!?]*"""
)


def is_transient(error: UpstreamError) -> bool:
    """Return True if a retry may succeed: after 429, 500, 503 and broken connections.

    A timeout or a proxy's 504 has already used up the request's time. An invalid response would be the same again.
    """
    if isinstance(error, UpstreamFailure | UpstreamUnavailable):
        return error.status in _TRANSIENT_STATUSES
    return isinstance(error, Throttled | UpstreamUnreachable)


def is_out_of_place(error: UpstreamError, parameters: Mapping[str, str | int]) -> bool:
    """Return True if the API never sends this error for such a call, such as NotFound for a list without a filter."""
    is_list = error.operation is not None and error.operation.startswith("List")
    return is_list and isinstance(error, UpstreamNotFound) and "FilterName" not in parameters


def map_error(error: Exception, operation: str, parameters: Mapping[str, str | int], host: str) -> UpstreamError:
    """Return the gateway's error for an exception of a call.

    Args:
        error: Any exception of the HTTP session or of the response parser.
        operation: The operation's name.
        parameters: The call's parameters. If they have a NextToken, BadRequestException is about this token. AWS
            accepted the other values when it issued the token. If the page size is larger than any size that AWS has
            accepted so far, `client.py` verifies this by a call without the token.
        host: The host that was called, for the log.
    """
    if isinstance(error, FailedResponse):
        return _fault_of_response(error, operation, parameters, host)
    failure = network_fault(error, host)
    if failure is not None:
        kind, detail = failure
        return kind(operation, detail=detail)
    detail = f"{host}: {_for_the_log(f'{type(error).__name__}: {error}', parameters)}"
    return UpstreamBadResponse(operation, detail=detail)


def _fault_of_response(
    response: FailedResponse, operation: str, parameters: Mapping[str, str | int], host: str
) -> UpstreamError:
    name = next((name for name in response.error_names if _kind_by_name(name, response.status) is not None), None)
    if name is None:
        kind = _kind_by_status(response.status)
        said = f"bad response: {host} responded with {response.status} and {response.media_type}"
        others = (*response.error_names[:1], response.message)
        detail = f"{said}, which is not the API's: {_for_the_log(': '.join(filter(None, others)), parameters)}"
        if kind is UpstreamBadResponse:
            detail = f"{detail.rstrip(': .')}. {CHECK_ENDPOINT}"
    else:
        kind = _kind_by_name(name, response.status) or UpstreamBadResponse
        if _bare(name) == "BadRequest":
            if _is_of_the_other_api(parameters, response.message):
                kind = WrongUpstreamApi
            elif "NextToken" in parameters:
                kind = CursorExpired
        text = _for_the_log(f"{name}: {response.message}", parameters)
        detail = f"{text} ({response.status} from {host})"
    return kind(
        operation,
        status=response.status,
        request_id=response.request_id,
        retry_after=response.retry_after,
        detail=detail,
    )


def _is_of_the_other_api(parameters: Mapping[str, str | int], message: str) -> bool:
    """Return True if a BadRequest is about a page size that only `chime-sdk-voice` accepts.

    The gateway chooses a call's MaxResults, not its callers. So if AWS rejects the size, the configured API is wrong.
    """
    size = parameters.get("MaxResults")
    if not isinstance(size, int) or size <= CHIME.max_results:
        return False
    if not message:
        return parameters.keys() == {"MaxResults"}
    return re.search("max-?results", message, re.IGNORECASE) is not None


def _for_the_log(text: str, parameters: Mapping[str, str | int]) -> str:
    """Return a text by AWS or by a library with only its parameter names and plain words.

    The text may quote parameters, accounts, ARNs or a whole response. A parameter's value is replaced by its name.
    Every other word is replaced by `[...]` unless it is language.
    """
    for name, value in parameters.items():
        if isinstance(value, str) and value:
            for spelling in (value, quote(value, safe="")):
                text = text.replace(spelling, name)
    words = text[:_MAX_TEXT].split()
    return " ".join(word if _WORD.fullmatch(word) else "[...]" for word in words)[:_MAX_TEXT]


def _bare(name: str) -> str:
    return name.removesuffix("Exception").removesuffix("Client")


def _kind_by_name(name: str, status: int) -> type[UpstreamError] | None:
    """Return the kind of error for a name, if the name is known and the kind may have the status."""
    kind = _BY_NAME.get(name.removesuffix("Exception")) or _BY_NAME.get(_bare(name))
    if kind is None or status < HTTPStatus.BAD_REQUEST:
        return None
    return kind if status in _STATUSES.get(kind, {status}) else None


def _kind_by_status(status: int) -> type[UpstreamError]:
    if status in _BY_STATUS:
        return _BY_STATUS[HTTPStatus(status)]
    return UpstreamFailure if status >= HTTPStatus.INTERNAL_SERVER_ERROR else UpstreamBadResponse
