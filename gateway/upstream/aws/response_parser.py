"""HTTP responses of the API: the JSON object of a good one, the error names of any other.

botocore's rest-json parser visits every leaf and reads each timestamp through dateutil. That is 12 of the 15 ms of CPU
that a page of 99 numbers costs, and one bad timestamp loses the page. Here a 2xx body is read by orjson and its
timestamps stay AWS's strings.

A response may come from a proxy, a load balancer or another server. So an error keeps all that tells whose it is.
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

# AWS's are UUIDs. A value without a dash may be an account's number, or a key's id.
_REQUEST_ID: Final = re.compile("(?=.{1,64}$)[0-9A-Za-z]+(-[0-9A-Za-z]+)+")
# The media types of error pages, none of which can hold an id or a token.
_MEDIA_TYPE: Final = re.compile("[a-z]{1,12}/[a-z.+-]{1,30}")


class FailedResponse(Exception):
    """A response to a signed request that is not the answer of its operation.

    status: 2xx as well, if the body is not the operation's.
    error_names: names of errors that it carries, the most trustworthy first, without namespaces. They may be anyone's.
    message: the sentence that comes with them, or the reason why a 2xx body is unusable.
    media_type: of the body, for the log.
    request_id: AWS's id of the call, None without one.
    retry_after: seconds, None without one.
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
    """Return a good response, with its JSON object.

    Args:
        headers: The headers, which can be looked up by lower-case names.
        fields: The names that the operation's output has. An object with other names only is another server's.

    Raises:
        FailedResponse: If the status is not 2xx, or if the body is not the operation's.
    """
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
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
    """Yield the names in all places that AWS's services use.

    Both `NotFoundException:http://internal.amazon.com/` and `com.amazonaws.chime#NotFoundException` are in use.
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
    """Return AWS's id of a call. It goes out to callers and to traces, and the header may hold anything."""
    request_id = headers.get("x-amzn-requestid", "")
    return request_id if _REQUEST_ID.fullmatch(request_id) else None


def _media_type(headers: Mapping[str, str]) -> str:
    media_type = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if not media_type:
        return "no content type"
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else "another content type"


def retry_after_seconds(field: str | None, now: datetime) -> float | None:
    """Seconds to wait, 0 or more; None where nothing that can be read was said.

    field: seconds, or a date.
    """
    if field is None:
        return None
    if re.fullmatch("[0-9]{1,9}", field.strip()):
        return float(field)
    try:
        date = parsedate_to_datetime(field)
    except ValueError:
        return None
    # A date in "-0000" has no zone of its own; HTTP's are all UTC.
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
