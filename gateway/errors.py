"""All error classes of the gateway, and the part of each error that a client may read.

    GatewayError
    |-- CallerError             the caller can correct it, so the response shows its message
    |   |-- BadUserInput            BAD_USER_INPUT
    |   |   `-- PageOutOfRange
    |   |-- BadCursor               BAD_CURSOR
    |   |-- PageLimitExceeded       PAGE_LIMIT_EXCEEDED
    |   |-- Forbidden               FORBIDDEN
    |   |-- DocumentTooComplex      DOCUMENT_TOO_COMPLEX
    |   |-- DocumentNotTrusted      DOCUMENT_NOT_TRUSTED
    |   `-- PersistedQueryNotFound  PERSISTED_QUERY_NOT_FOUND
    |-- HttpError               has an HTTP status; subclasses are defined beside the code that raises them
    |-- UpstreamError           the response shows a fixed message per class, never AWS's text
    |   |-- UpstreamBadRequest      BAD_REQUEST
    |   |   `-- WrongUpstreamApi
    |   |-- CursorExpired           CURSOR_EXPIRED
    |   |-- CursorTooLong           CURSOR_TOO_LONG
    |   |-- UpstreamUnauthorized    UPSTREAM_UNAUTHORIZED
    |   |   `-- CredentialsUnavailable  retryable if the source's error is transient
    |   |-- UpstreamForbidden       UPSTREAM_FORBIDDEN
    |   |-- UpstreamNotFound        NOT_FOUND
    |   |-- Throttled               THROTTLED              retryable
    |   |-- UpstreamFailure         UPSTREAM_FAILURE       retryable
    |   |-- UpstreamUnavailable     UPSTREAM_UNAVAILABLE   retryable
    |   |-- UpstreamTimeout         UPSTREAM_TIMEOUT       retryable
    |   |-- UpstreamUnreachable     UPSTREAM_UNREACHABLE   retryable
    |   `-- UpstreamBadResponse     UPSTREAM_BAD_RESPONSE  retryable
    `-- ConfigurationError      printed in one line at start-up, never part of a response

gateway/execution/error_formatter.py shows every other exception as INTERNAL_SERVER_ERROR.
"""

from typing import ClassVar

Headers = tuple[tuple[bytes, bytes], ...]


class GatewayError(Exception):
    """The base class of all errors that the gateway defines."""


class CallerError(GatewayError):
    """An error in the request. The message tells the caller how to correct it."""

    code: ClassVar[str]


class BadUserInput(CallerError):
    """An argument value that the schema's types allow and the gateway does not."""

    code = "BAD_USER_INPUT"


class PageOutOfRange(BadUserInput):
    """A `first` or `last` that is above or below the limits of one page.

    The gateway checks it before the call, because AWS's own error names MaxResults, which is not in the request.
    """


class BadCursor(CallerError):
    """A cursor that was not issued for this list. It is forged, damaged, or from another list, filter or caller."""

    code = "BAD_CURSOR"


class PageLimitExceeded(CallerError):
    """A connection that needs more upstream pages than one request may read."""

    code = "PAGE_LIMIT_EXCEEDED"


class Forbidden(CallerError):
    """A field whose scope the caller does not have."""

    code = "FORBIDDEN"


class DocumentTooComplex(CallerError):
    """A document above a limit on tokens, depth, aliases, root fields, directives or cost."""

    code = "DOCUMENT_TOO_COMPLEX"


class DocumentNotTrusted(CallerError):
    """A document that is not among the trusted documents, if only these are run."""

    code = "DOCUMENT_NOT_TRUSTED"


class PersistedQueryNotFound(CallerError):
    """A hash without a registered document, or whose document has left the cache.

    Clients recognize the exact message, and then send the hash with the document.
    """

    code = "PERSISTED_QUERY_NOT_FOUND"


class HttpError(GatewayError):
    """A request is rejected with an HTTP status. The client reads the message as it is."""

    code: str = "BAD_USER_INPUT"
    status: int
    headers: Headers = ()


class UpstreamError(GatewayError):
    """A call to AWS that failed, or that the gateway did not make.

    Attributes:
        message: The fixed text that a response shows.
        operation: The AWS operation, or None if the error belongs to no operation.
        status: The status of the response from AWS or from a proxy, or None without a response.
        request_id: The id that AWS gave the call, or None.
        retry_after: Seconds until a retry may succeed, reported by AWS or by the gateway's own limits. None if unknown.
        detail: The cause, for the log. It may name the host, and has only the plain words of AWS's text. `/readyz`
            shows it if credentials are missing.
        was_sent: Whether the call was sent to AWS. It is not if an own limit or missing credentials held it back.
    """

    code: ClassVar[str]
    message: ClassVar[str]
    retryable: bool = False
    was_sent: bool = True

    def __init__(
        self,
        operation: str | None,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(self.message)
        self.operation = operation
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.detail = detail


class UpstreamBadRequest(UpstreamError):
    """BadRequestException or ValidationException: a value is outside the service's restrictions."""

    code = "BAD_REQUEST"
    message = "The upstream rejected the values in the request."


class WrongUpstreamApi(UpstreamBadRequest):
    """A 400 for a page size that the gateway itself chose. So the upstream is the other API, `chime`."""

    message = (
        "The upstream rejected a page size that the chime-sdk-voice API accepts. "
        "If it is the chime API, set GATEWAY_UPSTREAM_API=chime."
    )


class CursorExpired(UpstreamError):
    """BadRequestException for a call whose only new value is a token that AWS issued itself.

    The token comes from the previous page or from a cursor. A damaged or foreign cursor would have been a BadCursor, so
    AWS rejects the token.
    """

    code = "CURSOR_EXPIRED"
    message = "The upstream no longer accepts its own page token. Start again from the first page."


class CursorTooLong(UpstreamError):
    """A page token, or a value to sort by, that makes a cursor longer than the gateway accepts or can issue."""

    code = "CURSOR_TOO_LONG"
    message = (
        "The upstream's page token, or the value by which the list is sorted, is too long for a cursor. "
        "Request the rows without their cursors."
    )


class UpstreamUnauthorized(UpstreamError):
    """UnauthorizedClientException, or credentials that AWS does not know."""

    code = "UPSTREAM_UNAUTHORIZED"
    message = "The upstream does not accept the gateway's credentials."


class CredentialsUnavailable(UpstreamUnauthorized):
    """A failure to obtain AWS credentials, so that no call was made.

    Attributes:
        retryable: Whether the source of the credentials failed with a transient error.
    """

    message = "The gateway has no credentials for the upstream."
    was_sent = False

    def __init__(self, operation: str | None, *, retryable: bool, retry_after: float | None, detail: str) -> None:
        super().__init__(operation, retry_after=retry_after, detail=detail)
        self.retryable = retryable


class UpstreamForbidden(UpstreamError):
    """ForbiddenException or AccessDenied."""

    code = "UPSTREAM_FORBIDDEN"
    message = "The gateway's credentials do not allow this call to the upstream."


class UpstreamNotFound(UpstreamError):
    """NotFoundException for a list, whose filter names a resource that does not exist."""

    code = "NOT_FOUND"
    message = "The upstream has no such resource."


class Throttled(UpstreamError):
    """ThrottledClientException, Throttled, Throttling or any 429, or a call that would wait beyond its deadline."""

    code = "THROTTLED"
    message = "The upstream receives too many calls. Try again later."
    retryable = True


class UpstreamFailure(UpstreamError):
    """ServiceFailureException, or a 5xx without a known error name."""

    code = "UPSTREAM_FAILURE"
    message = "The upstream failed. Try again later."
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """ServiceUnavailableException, any 502, 503 or 504, or an open circuit breaker."""

    code = "UPSTREAM_UNAVAILABLE"
    message = "The upstream is unavailable. Try again later."
    retryable = True


class UpstreamTimeout(UpstreamError):
    """No response before the request's deadline."""

    code = "UPSTREAM_TIMEOUT"
    message = "The upstream did not respond in time. Try again later."
    retryable = True


class UpstreamUnreachable(UpstreamError):
    """No connection, or a connection that was lost."""

    code = "UPSTREAM_UNREACHABLE"
    message = "The upstream could not be reached. Try again later."
    retryable = True


class UpstreamBadResponse(UpstreamError):
    """A response that did not come from the API, or that breaks its contract.

    An error without one of the API's error names did not come from it. A response breaks the contract if it is not
    JSON, has no list, or repeats a page token.
    """

    code = "UPSTREAM_BAD_RESPONSE"
    message = "The upstream's response could not be read. Try again later."
    retryable = True


class ConfigurationError(GatewayError):
    """A setting that keeps the gateway from starting. The message names it."""
