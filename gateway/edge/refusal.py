"""What HTTP itself refuses, before any GraphQL is looked at: a status for programs, words for people."""

from collections.abc import Mapping
from http import HTTPStatus
from secrets import token_hex
from typing import ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.answer_headers import SECURITY_HEADERS
from gateway.errors import CallerFault, refusal_body
from gateway.request_record import REQUEST_RECORD

Headers = tuple[tuple[bytes, bytes], ...]

METHODS: Final = "GET, HEAD, POST, OPTIONS"


class Refusal(CallerFault):
    """A request that is no GraphQL request, or not one for this caller."""

    code = "BAD_USER_INPUT"
    status: ClassVar[int]
    headers: Headers = ()


class BadRequest(Refusal):
    """The body, or the URL's query, does not hold the parameters of a GraphQL request."""

    status = 400


class Unauthenticated(Refusal):
    """Nobody that may ask: what says who asks is missing, or wrong."""

    code = "UNAUTHENTICATED"
    status = 401

    def __init__(self, message: str, *, challenge: bytes) -> None:
        super().__init__(message)
        # A 401 must name a challenge. RFC 9110, 15.5.2.
        self.headers = ((b"www-authenticate", challenge),)


class KeysUnavailable(Refusal):
    """The keys that tokens are verified with could not be fetched yet: the token may be right all the same."""

    code = "AUTHENTICATION_UNAVAILABLE"
    status = 503

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Access tokens cannot be verified for now. Try again later.")
        self.headers = ((b"retry-after", b"%d" % retry_after_seconds),)


class RateLimited(Refusal):
    """The caller has asked as much as it may for now."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"You have asked as much as you may for now. Ask again in {retry_after_seconds} seconds.")
        self.headers = ((b"retry-after", b"%d" % retry_after_seconds),)


class Stopping(Refusal):
    """The server stops, and the request was still under way when its time to drain was up."""

    code = "GATEWAY_STOPPING"
    status = 503
    words = "The gateway stops, and this took longer than it could wait. Ask again: another one may answer."


class CrossSite(Refusal):
    """A browser asks on behalf of a page that is not this gateway's, and that no setting names."""

    code = "FORBIDDEN"
    status = 403


class Misdirected(Refusal):
    """The request's Host is none of this gateway's names. RFC 9110, 15.5.20."""

    status = 421


class MethodNotAllowed(Refusal):
    """Another method than those that the endpoint, or this operation on it, has."""

    status = 405

    def __init__(self, message: str, *, allow: str = METHODS) -> None:
        super().__init__(message)
        self.headers = ((b"allow", allow.encode()),)


class NotAcceptable(Refusal):
    """The client takes none of the media types that an answer can be in."""

    status = 406


class UnsupportedMediaType(Refusal):
    """A body that is not JSON in UTF-8. The answer says what is taken instead. RFC 9110, 15.5.16."""

    status = 415
    headers = ((b"accept", b"application/json"),)


class UnsupportedCoding(UnsupportedMediaType):
    """A compressed body."""

    headers = ((b"accept-encoding", b"identity"),)


async def refuse_elsewhere(_request: Request, error: Exception) -> Response:
    """The answer to a path other than the endpoint's that is not there, or has no such method."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    words = (
        "Nothing is here; GraphQL is at /graphql."
        if status == HTTPStatus.NOT_FOUND
        else "This path has no such method."
    )
    return refused(words, status, headers or {})


def refused(words: str, status: int, headers: Mapping[str, str]) -> Response:
    """A refusal of another path than the endpoint's, or of all of them."""
    record = REQUEST_RECORD.get()
    record.id = token_hex(16)
    own = {"x-request-id": record.id, "content-type": "application/json; charset=utf-8"}
    response = Response(refusal_body(words, Refusal.code), status, {**own, **headers})
    response.raw_headers.extend(SECURITY_HEADERS)
    return response
