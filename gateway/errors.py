"""Every fault that can end in an answer, and what a caller may read of it.

    GatewayError
    |-- CallerError             shown as it stands: the caller can mend it
    |   |-- BadUserInput            BAD_USER_INPUT
    |   |   `-- PageOutOfRange
    |   |-- BadCursor               BAD_CURSOR
    |   |-- PageLimitExceeded               PAGE_LIMIT_EXCEEDED
    |   |-- Forbidden               FORBIDDEN
    |   |-- DocumentTooComplex      DOCUMENT_TOO_COMPLEX
    |   |-- DocumentNotTrusted      DOCUMENT_NOT_TRUSTED
    |   `-- PersistedQueryNotFound  PERSISTED_QUERY_NOT_FOUND
    |-- HttpError               an HTTP status of its own; defined beside the code that raises it
    |-- UpstreamError           shown as one fixed sentence, never in AWS's words
    |   |-- UpstreamBadRequest      BAD_REQUEST
    |   |   `-- WrongUpstreamApi
    |   |-- CursorExpired           CURSOR_EXPIRED
    |   |-- CursorTooLong           CURSOR_TOO_LONG
    |   |-- UpstreamUnauthorized    UPSTREAM_UNAUTHORIZED
    |   |   `-- CredentialsUnavailable  retryable if the source's error may pass
    |   |-- UpstreamForbidden       UPSTREAM_FORBIDDEN
    |   |-- UpstreamNotFound        NOT_FOUND
    |   |-- Throttled               THROTTLED              retryable
    |   |-- UpstreamFailure         UPSTREAM_FAILURE       retryable
    |   |-- UpstreamUnavailable     UPSTREAM_UNAVAILABLE   retryable
    |   |-- UpstreamTimeout         UPSTREAM_TIMEOUT       retryable
    |   |-- UpstreamUnreachable     UPSTREAM_UNREACHABLE   retryable
    |   `-- UpstreamBadResponse     UPSTREAM_BAD_RESPONSE  retryable
    `-- Misconfigured           said at start-up in one line; no request ever sees it

Anything else that is raised is masked as INTERNAL_SERVER_ERROR (gateway/execution/error_formatter.py).
"""

from typing import ClassVar

Headers = tuple[tuple[bytes, bytes], ...]


class GatewayError(Exception):
    """A fault that this gateway knows by name."""


class CallerError(GatewayError):
    """The caller asked for something that cannot be answered; the words say how to ask instead."""

    code: ClassVar[str]


class BadUserInput(CallerError):
    """An argument is outside what the schema's types can say about it."""

    code = "BAD_USER_INPUT"


class PageOutOfRange(BadUserInput):
    """`first` or `last` asks for more, or less, than one answer may hold.

    Said before AWS says it: its 400 names MaxResults, a word our caller never wrote.
    """


class BadCursor(CallerError):
    """A cursor that was not given out for this list: forged, damaged, or of another list or filter."""

    code = "BAD_CURSOR"


class PageLimitExceeded(CallerError):
    """The answer lies more upstream pages away than one request may walk."""

    code = "PAGE_LIMIT_EXCEEDED"


class Forbidden(CallerError):
    """The caller is known, and lacks the scope for this field."""

    code = "FORBIDDEN"


class DocumentTooComplex(CallerError):
    """A document asks for more than one may: too many tokens, levels, aliases, root fields, directives or points."""

    code = "DOCUMENT_TOO_COMPLEX"


class DocumentNotTrusted(CallerError):
    """Only the documents of a file are run, and this is none of them."""

    code = "DOCUMENT_NOT_TRUSTED"


class PersistedQueryNotFound(CallerError):
    """A hash that nobody has registered here, or not lately. By these very words clients know to send the text."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class HttpError(GatewayError):
    """A request is rejected with an HTTP status. The client reads the message as it is."""

    code: str = "BAD_USER_INPUT"
    status: int
    headers: Headers = ()


class UpstreamError(GatewayError):
    """AWS, or the way to it, failed.

    The message is one fixed sentence a code. What AWS itself said stays in `detail`, for the log: it may name
    accounts, ARNs and URLs.
    status: of AWS's answer, or a proxy's; None where there was none.
    retry_after: seconds after which asking again may help, by AWS or by what holds its calls back; None: not known.
    """

    code: ClassVar[str]
    sentence: ClassVar[str]
    retryable: bool = False

    def __init__(
        self,
        operation: str | None,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(self.sentence)
        self.operation = operation
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.detail = detail


class UpstreamBadRequest(UpstreamError):
    """BadRequestException or ValidationException: an input does not match the service's restrictions."""

    code = "BAD_REQUEST"
    sentence = "The upstream refused the request's values."


class WrongUpstreamApi(UpstreamBadRequest):
    """400 for a page size that the gateway chose by its API: the upstream is another one, `chime`."""

    sentence = (
        "The upstream refused a page size that the chime-sdk-voice API takes. "
        "If it is the chime API, set GATEWAY_UPSTREAM_API=chime."
    )


class CursorExpired(UpstreamError):
    """BadRequestException to a call whose only news is the upstream's own token, of the page before or of a cursor.

    The cursor is undamaged and for this very list, or it had been a BadCursor: so it is its token that is refused.
    """

    code = "CURSOR_EXPIRED"
    sentence = "The upstream no longer accepts its own page token. Start again from the first page."


class CursorTooLong(UpstreamError):
    """A page token makes a cursor longer than the gateway accepts, so the cursor is not given out."""

    code = "CURSOR_TOO_LONG"
    sentence = "The upstream's page token is too long for a cursor. Request the rows without their cursors."


class UpstreamUnauthorized(UpstreamError):
    """UnauthorizedClientException, or credentials that AWS does not know."""

    code = "UPSTREAM_UNAUTHORIZED"
    sentence = "The upstream does not accept the gateway's credentials."


class CredentialsUnavailable(UpstreamUnauthorized):
    """The gateway could not obtain AWS credentials, so no call was made.

    Args:
        retryable: Whether the credentials' source failed in a way that may pass.
    """

    sentence = "The gateway has no credentials for the upstream."

    def __init__(self, operation: str | None, *, retryable: bool, retry_after: float | None, detail: str) -> None:
        super().__init__(operation, retry_after=retry_after, detail=detail)
        self.retryable = retryable


class UpstreamForbidden(UpstreamError):
    """ForbiddenException or AccessDenied."""

    code = "UPSTREAM_FORBIDDEN"
    sentence = "The gateway's credentials may not do this upstream."


class UpstreamNotFound(UpstreamError):
    """NotFoundException for a list: its filter names a resource that does not exist."""

    code = "NOT_FOUND"
    sentence = "The upstream knows no such resource."


class Throttled(UpstreamError):
    """ThrottledClientException, Throttled or Throttling; any 429; or a call's turn would come too late."""

    code = "THROTTLED"
    sentence = "The upstream is being asked too often. Try again later."
    retryable = True


class UpstreamFailure(UpstreamError):
    """ServiceFailureException, or a 5xx without a name that is known."""

    code = "UPSTREAM_FAILURE"
    sentence = "The upstream failed. Try again later."
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """ServiceUnavailableException; any 502, 503 or 504; or the operation failed lately and is not asked."""

    code = "UPSTREAM_UNAVAILABLE"
    sentence = "The upstream is unavailable. Try again later."
    retryable = True


class UpstreamTimeout(UpstreamError):
    """No answer within the request's deadline."""

    code = "UPSTREAM_TIMEOUT"
    sentence = "The upstream did not answer in time. Try again later."
    retryable = True


class UpstreamUnreachable(UpstreamError):
    """No connection, or one that broke."""

    code = "UPSTREAM_UNREACHABLE"
    sentence = "The upstream could not be reached. Try again later."
    retryable = True


class UpstreamBadResponse(UpstreamError):
    """A response that is not the API's (an error without one of its names), or is not what it promises.

    The latter is no JSON, no list, or a page token that repeats.
    """

    code = "UPSTREAM_BAD_RESPONSE"
    sentence = "The upstream's answer could not be read. Try again later."
    retryable = True


class ConfigurationError(GatewayError):
    """The gateway cannot start; the words say which setting to mend."""
