"""HTTP errors, and the one place that builds error responses: body, headers and request id."""

from dataclasses import dataclass
from http import HTTPStatus
from random import getrandbits
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response as StarletteResponse
from starlette.types import Send

from gateway.errors import Headers, HttpError
from gateway.http.content_negotiation import GRAPHQL_RESPONSE, JSON
from gateway.http.headers import SECURITY_HEADERS
from gateway.telemetry.request_record import current_record

METHODS: Final = "GET, HEAD, POST, OPTIONS"

_CONTENT_TYPE: Final = {kind: (b"content-type", f"{kind}; charset=utf-8".encode()) for kind in (JSON, GRAPHQL_RESPONSE)}


@dataclass(slots=True)
class Response:
    """A whole HTTP response.

    It is not frozen, because a frozen dataclass takes twice as long to make.

    Attributes:
        is_encoded: Whether the body has the content coding that it is to be sent in.
    """

    status: int
    headers: Headers
    body: bytes = b""
    is_encoded: bool = False

    async def send(self, send: Send) -> None:
        """Send the response, its body also to HEAD: the server leaves the body out."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def new_request_id() -> str:
    """Return a random id of 32 hexadecimal digits.

    It only has to be unique. The system's own randomness would make it unpredictable, and takes 18 microseconds.
    """
    return getrandbits(128).to_bytes(16, "big").hex()


def response_headers(request_id: str) -> Headers:
    """Return the headers that every response of the gateway has."""
    return ((b"x-request-id", request_id.encode()), *SECURITY_HEADERS)


def json_response(
    status: int, body: bytes, headers: Headers, media_type: str = JSON, coding: str | None = None
) -> Response:
    """Build a response with a JSON body.

    Args:
        status: The HTTP status.
        body: The JSON text.
        headers: All headers but the body's own.
        media_type: JSON or GRAPHQL_RESPONSE.
        coding: The content coding that the body has, if it has one.
    """
    encoding = () if coding is None else ((b"content-encoding", coding.encode()),)
    length = (b"content-length", b"%d" % len(body))
    return Response(status, (*headers, _CONTENT_TYPE[media_type], *encoding, length), body, coding is not None)


def error_response(error: HttpError, headers: Headers, media_type: str = JSON) -> Response:
    """Build the response to an HTTP error: a GraphQL result that has one error and no data.

    Args:
        error: Its status, code, message and own headers are sent.
        headers: The `response_headers`, and further ones.
        media_type: JSON or GRAPHQL_RESPONSE.
    """
    body = orjson.dumps({"errors": [{"message": str(error), "extensions": {"code": error.code}}]})
    return json_response(error.status, body, (*headers, *error.headers), media_type)


def reject(error: HttpError) -> Response:
    """Build the response to a request that does not reach the GraphQL endpoint. Give the request an id."""
    record = current_record()
    record.id = new_request_id()
    record.error_codes.append(error.code)
    return error_response(error, response_headers(record.id))


async def reject_path(_request: Request, error: Exception, found: str = "GraphQL is at /graphql.") -> StarletteResponse:
    """Build the response if Starlette finds no route for a path, or none for its method.

    Args:
        error: Starlette's error, with the status and the allowed methods.
        found: A sentence that says which paths exist.
    """
    allowed = error.headers if isinstance(error, HTTPException) and error.status_code != HTTPStatus.NOT_FOUND else None
    rejection = reject(
        NotFound(f"This path does not exist. {found}")
        if allowed is None
        else MethodNotAllowed(
            "This path does not support this method. The Allow header lists its methods.", allow=allowed["Allow"]
        )
    )
    response = StarletteResponse(rejection.body, rejection.status)
    response.raw_headers = list(rejection.headers)
    return response


class BadRequest(HttpError):
    """The body or the query string does not hold the parameters of a GraphQL request."""

    status = 400


class CrossSiteRequest(HttpError):
    """A browser sends the request for a page of another origin, and no setting names that origin."""

    code = "FORBIDDEN"
    status = 403


class NotFound(HttpError):
    """The path does not exist."""

    status = 404


class MethodNotAllowed(HttpError):
    """The path, or this operation, does not have this method."""

    status = 405

    def __init__(self, message: str, *, allow: str = METHODS) -> None:
        super().__init__(message)
        self.headers = ((b"allow", allow.encode()),)


class NotAcceptable(HttpError):
    """The client accepts no media type that the gateway can send."""

    status = 406


class UnsupportedMediaType(HttpError):
    """The body is not JSON in UTF-8. The response names the accepted type. RFC 9110, 15.5.16."""

    status = 415
    headers = ((b"accept", b"application/json"),)


class UnsupportedContentEncoding(UnsupportedMediaType):
    """The body is compressed."""

    headers = ((b"accept-encoding", b"identity"),)


class MisdirectedRequest(HttpError):
    """The Host header is not one of the gateway's names. RFC 9110, 15.5.20."""

    status = 421


class RateLimited(HttpError):
    """The caller has spent its points."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, retry_after_seconds: int, headers: Headers) -> None:
        super().__init__(
            f"Rate limit exceeded. Retry in {retry_after_seconds} seconds (GATEWAY_RATE_LIMIT_POINTS_PER_MINUTE)."
        )
        self.headers = ((b"retry-after", b"%d" % retry_after_seconds), *headers)


class InternalError(HttpError):
    """The gateway failed. The log has the cause."""

    code = "INTERNAL_SERVER_ERROR"
    status = 500


class ShuttingDown(HttpError):
    """The gateway is shutting down, and the request was still in flight at the shutdown timeout."""

    code = "SHUTTING_DOWN"
    status = 503

    def __init__(self) -> None:
        super().__init__("The gateway is shutting down and this request did not finish in time. Retry it.")
