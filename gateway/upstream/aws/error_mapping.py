"""The one place where errors of AWS, or of the way to it, become the gateway's.

An error is the API's only if a response to the signed request carries one of the API's own error names. The same error
comes under either of two names (header `x-amzn-ErrorType: ThrottledClientException`, or body `"Code": "Throttled"`),
and AWS's front end has names of its own (`ThrottlingException`, status 400). A status alone proves nothing: a proxy, a
load balancer or another server may have sent it.
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

# Error names of the two APIs, without the suffixes Exception and Client: ErrorCode and the error shapes of the service
# models. Those of operations that this gateway never calls are left out.
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
# AWS's common errors: its front end answers with them in place of any API.
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

# Statuses that go with a name. With any other status the name is not the API's own word: no record is missing because
# of a 500. Kinds that are not listed say nothing of the request, only to come back later, and go with any error status.
_STATUSES: Final[dict[type[UpstreamError], frozenset[int]]] = {
    UpstreamBadRequest: frozenset({400, 422}),
    UpstreamNotFound: frozenset({404}),
    UpstreamForbidden: frozenset({400, 403}),
    UpstreamUnauthorized: frozenset({400, 401, 403}),
}

# What a status without a known name still means. Each says only that a later attempt may succeed, which holds whether
# AWS says it or a proxy. Every other one, below 500, is somebody else's response.
_BY_STATUS: Final[dict[int, type[UpstreamError]]] = {
    HTTPStatus.REQUEST_TIMEOUT: UpstreamTimeout,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
    HTTPStatus.BAD_GATEWAY: UpstreamUnavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: UpstreamUnavailable,
    HTTPStatus.GATEWAY_TIMEOUT: UpstreamUnavailable,
}

# None: the SDK failed before it asked.
_PASSING: Final = frozenset({500, 503, None})

# What an operator can do about responses that are not the API's.
CHECK_ENDPOINT: Final = "Check GATEWAY_UPSTREAM_ENDPOINT_URL or AWS_ENDPOINT_URL, and the proxy."
# Characters of AWS's text in a log's line, which has 500 in all.
_MAX_TEXT: Final = 250
# A word of a sentence, or a name such as chime:GetPhoneNumber or ThrottledClientException, with the marks around it.
_WORD: Final = re.compile(
    r"""[('"]*(?:[A-Z]{1,5}|[A-Za-z][a-z]{0,20}|(?:[A-Z][a-z]{1,20}){2,6})(?:[:'/-](?:[a-z]{1,20}|(?:[A-Z][a-z]{1,20})+))*"""
    r"""[)'".,:;!?]*"""
)


def is_transient(fault: UpstreamError) -> bool:
    """Return whether another attempt may succeed: after 429, 500, 503, and broken connections.

    A timeout has spent the request's time already, and so has a proxy's 504. A garbled response would come again.
    """
    if isinstance(fault, UpstreamFailure | UpstreamUnavailable):
        return fault.status in _PASSING
    return isinstance(fault, Throttled | UpstreamUnreachable)


def is_out_of_place(fault: UpstreamError, parameters: Mapping[str, str | int]) -> bool:
    """Return whether a fault is none that the API gives to such a call: a list without a filter names no resource."""
    is_list = fault.operation is not None and fault.operation.startswith("List")
    return is_list and isinstance(fault, UpstreamNotFound) and "FilterName" not in parameters


def map_error(error: Exception, operation: str, parameters: Mapping[str, str | int], host: str) -> UpstreamError:
    """Return the fault that an exception of a call means.

    parameters: those of the call. If it has a NextToken, BadRequestException is about this token: the other values were
    accepted when the token was issued. Upstream verifies that they were.
    host: the host that was called, for the log.
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
        said = f"bad response: {host} answered {response.status} with {response.media_type}"
        others = (*response.error_names[:1], response.message)
        detail = f"{said}, which is not the API's: {_for_the_log(': '.join(filter(None, others)), parameters)}"
        if kind is UpstreamBadResponse:
            detail = f"{detail.rstrip(': ')}. {CHECK_ENDPOINT}"
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
    """Return whether a refusal is about a page size that only `chime-sdk-voice` takes.

    Callers do not choose a call's MaxResults, so only the choice of the API can be wrong.
    """
    size = parameters.get("MaxResults")
    if not isinstance(size, int) or size <= CHIME.max_results:
        return False
    if not message:
        return parameters.keys() == {"MaxResults"}
    return re.search("max-?results", message, re.IGNORECASE) is not None


def _for_the_log(text: str, parameters: Mapping[str, str | int]) -> str:
    """Return the words of a text by AWS, or by a library, as far as they are language.

    It may quote anything: what was sent, accounts, ARNs, a whole response. Values that were sent are replaced by their
    names. Of everything else only words are kept.
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
    """Return the kind that a name stands for, None if the name is unknown or does not go with the status."""
    kind = _BY_NAME.get(name.removesuffix("Exception")) or _BY_NAME.get(_bare(name))
    if kind is None or status < HTTPStatus.BAD_REQUEST:
        return None
    return kind if status in _STATUSES.get(kind, {status}) else None


def _kind_by_status(status: int) -> type[UpstreamError]:
    if status in _BY_STATUS:
        return _BY_STATUS[HTTPStatus(status)]
    return UpstreamFailure if status >= HTTPStatus.INTERNAL_SERVER_ERROR else UpstreamBadResponse
