"""A parser of the API's HTTP responses: the JSON object of a success, and the error names of a failure.

botocore's rest-json parser visits every leaf and reads each timestamp with dateutil. This takes 12 of the 15 ms of CPU
that a page of 99 numbers costs. If one timestamp is invalid, the whole page is lost. Here orjson reads a 2xx body, and
timestamps remain AWS's strings.

A response may come from a proxy, a load balancer or another server. So an error keeps every detail that shows its
sender.
"""

import re
from collections.abc import Iterator, Mapping, Set
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import orjson

from gateway.upstream.aws.lenient_json import loads
from gateway.upstream.call import UpstreamResponse

_SUCCESS: Final = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)
# AWS's request ids are UUIDs. If a value has no dash, it may be an account's number or a key's id.
_REQUEST_ID: Final = re.compile("(?=.{1,64}$)[0-9A-Za-z]+(-[0-9A-Za-z]+)+")
# Media types that are safe to log. They are too plain to contain an id or a token.
_MEDIA_TYPE: Final = re.compile("[a-z]{1,12}/[a-z.+-]{1,30}")


class FailedResponse(Exception):
    """An error for a response that is not the operation's output.

    Attributes:
        status: The HTTP status. It is 2xx if only the body is not the operation's.
        error_names: The response's error names without namespaces, the most trustworthy first. Any server may have sent
            them.
        message: The response's error message, or the reason if a 2xx body is unusable.
        media_type: The body's media type, for the log.
        request_id: AWS's id of the call, if the response has one.
        retry_after: Seconds to wait before a retry, if the response has a valid Retry-After.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], *, error_names: tuple[str, ...] = (), message: str = ""
    ) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.error_names = error_names
        self.message = message
        self.media_type = _media_type(headers)
        self.request_id = _request_id(headers)
        self.retry_after = retry_after_seconds(headers.get("retry-after"), datetime.now(UTC))


def parse_response(status: int, headers: Mapping[str, str], body: bytes, fields: Set[str]) -> UpstreamResponse:
    """Return the response and its JSON object if the call succeeded.

    Args:
        status: The HTTP status.
        headers: The headers. Lower-case names must find them.
        body: The whole body.
        fields: The field names of the operation's output. If an object has only other names, it is another server's.

    Raises:
        FailedResponse: If the status is not 2xx, or if the body is not the operation's.
    """
    if status not in _SUCCESS:
        document = _json_object(body)
        message = document.get("message", document.get("Message"))
        raise FailedResponse(
            status,
            headers,
            error_names=tuple(_error_names(headers, document)),
            message=message if isinstance(message, str) else "",
        )
    try:
        document = loads(body)
    except orjson.JSONDecodeError as error:
        raise FailedResponse(status, headers, message="the body is not JSON") from error
    if not isinstance(document, dict):
        raise FailedResponse(status, headers, message=f"the body is a JSON {type(document).__name__}, not an object")
    if document and fields.isdisjoint(document):
        raise FailedResponse(status, headers, message="the body has none of the operation's fields")
    return UpstreamResponse(document, len(body), status, _request_id(headers))


def _error_names(headers: Mapping[str, str], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the error names from the header and from the body fields that AWS's services use.

    AWS sends both `NotFoundException:http://internal.amazon.com/` and `com.amazonaws.chime#NotFoundException`.
    """
    candidates: list[Any] = [headers.get("x-amzn-errortype")]
    for part in (document, document.get("Error")):
        if isinstance(part, dict):
            candidates += (part.get("Code"), part.get("code"), part.get("__type"))
    for candidate in candidates:
        if isinstance(candidate, str) and (name := candidate.split(":", 1)[0].rsplit("#", 1)[-1].strip()):
            yield name


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _request_id(headers: Mapping[str, str]) -> str | None:
    """Return AWS's id of a call if the header has a valid one. Callers and traces see the id."""
    request_id = headers.get("x-amzn-requestid", "")
    return request_id if _REQUEST_ID.fullmatch(request_id) else None


def _media_type(headers: Mapping[str, str]) -> str:
    media_type = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if not media_type:
        return "no content type"
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else "another content type"


def retry_after_seconds(field: str | None, now: datetime) -> float | None:
    """Return the seconds to wait, 0 or more, if the Retry-After header is valid.

    Args:
        field: The header's value in seconds or as a date, if there is one.
        now: The current time, which a date is compared with.
    """
    if field is None:
        return None
    if re.fullmatch("[0-9]{1,9}", field.strip()):
        return float(field)
    try:
        date = parsedate_to_datetime(field)
    except ValueError:
        return None
    # A date with the zone "-0000" is parsed without a zone. All dates in HTTP are UTC.
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
