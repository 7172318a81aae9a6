"""The one place that formats GraphQL errors: the response's entry, the log line and the code in the request record."""

import logging
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import StrawberryInputCoercionError

from gateway.errors import CallerError, UpstreamBadResponse, UpstreamError
from gateway.telemetry.request_record import current_record

logger = logging.getLogger("gateway")

INTERNAL_SERVER_ERROR: Final = "INTERNAL_SERVER_ERROR"
MASKED: Final = "An internal error occurred. The gateway's log has the cause under this response's x-request-id."
# Characters of a message. graphql-core's messages quote the request, which may be a whole body, in up to 100 errors.
MAX_MESSAGE: Final = 500
# Characters of a quotation in a message. The reason often stands behind the quoted value. graphql-core also quotes the
# reason that a scalar gives, and the longest one has 104 characters.
MAX_QUOTATION: Final = 150
# A quotation in a message. An apostrophe follows a letter, so it starts none.
_QUOTATION: Final = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*")""")


class ErrorEntry(NamedTuple):
    """One error as a client reads it.

    Attributes:
        extra: The extensions beside the code.
        log: The log line, unless the error is not logged.
    """

    code: str
    message: str
    extra: Mapping[str, Any] = MappingProxyType({})
    log: str | None = None


def format_error(error: GraphQLError, *, before_execution: bool = False) -> dict[str, Any]:
    """Return one entry of a response's `errors`. Log the error if needed, and note its code in the request record.

    Args:
        error: The error, as graphql-core or this gateway raised it.
        before_execution: Whether parsing or validation found the error, so that the document was not executed.
    """
    cause, record = _cause(error), current_record()
    code, message, extra, log = classify(error, cause, before_execution=before_execution)
    if code == INTERNAL_SERVER_ERROR:
        logger.error("request %s: %s", record.id, log, exc_info=cause)
    elif log is not None:
        logger.warning("request %s: %s", record.id, log)
    record.error_codes.append(code)
    entry: dict[str, Any] = {"message": _shortened(message)}
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    entry["extensions"] = {"code": code, **extra}
    return entry


def classify(  # noqa: PLR0911  # One return for each kind of error.
    error: GraphQLError, cause: Exception, *, before_execution: bool
) -> ErrorEntry:
    """Return the code and message that a client reads, and the line for the log.

    The caller's errors keep their message. An upstream error has one fixed message a code, and AWS's own words go to
    the log. GraphQL's errors keep graphql-core's message. Every other error is masked.

    Args:
        error: The error, as in `format_error`.
        cause: The exception that GraphQL's errors wrap.
        before_execution: As in `format_error`.
    """
    message = error.message
    match cause:
        case CallerError():
            return ErrorEntry(cause.code, message)
        case UpstreamError():
            extra: dict[str, Any] = {"operation": cause.operation, "retryable": cause.retryable}
            extra["requestId"] = cause.request_id
            if cause.retry_after is not None:
                extra["retryAfter"] = max(1, math.ceil(cause.retry_after))
            return ErrorEntry(cause.code, cause.message, extra, f"{cause.operation} {cause.code}: {cause.detail}")
        # A variable or an argument does not fit its type: graphql-core points at the argument, not at a field.
        case GraphQLError() if error.path is not None and _is_about_an_argument(error, cause):
            return ErrorEntry("BAD_USER_INPUT", message)
        # graphql-core cannot write a value: a record holds one that the field's type does not allow.
        case GraphQLError() if error.path is not None:
            extra = {"retryable": UpstreamBadResponse.retryable}
            log = f"the value of {_field_name(error)} does not have the field's type"
            return ErrorEntry(UpstreamBadResponse.code, UpstreamBadResponse.message, extra, log)
        case GraphQLSyntaxError():
            return ErrorEntry("GRAPHQL_PARSE_FAILED", message)
        case GraphQLError() if before_execution:
            return ErrorEntry("GRAPHQL_VALIDATION_FAILED", message)
        # Execution did not reach a field: the variables do not fit, or the document has no such operation.
        case GraphQLError():
            return ErrorEntry("BAD_USER_INPUT", message)
        case _ if before_execution:
            return ErrorEntry("GRAPHQL_VALIDATION_FAILED", "The document contains a value that cannot be read.")
        case _:
            return ErrorEntry(INTERNAL_SERVER_ERROR, MASKED, log=repr(cause))


def _shortened(message: str) -> str:
    """Return a message with short quotations. If it is still too long, leave out its middle."""
    # Quotations of a whole body would take long to find. What is left still holds their starts and ends.
    message = _QUOTATION.sub(_shortened_quotation, _without_middle(message, 8 * MAX_MESSAGE))
    return _without_middle(message, MAX_MESSAGE)


def _without_middle(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def _shortened_quotation(quotation: re.Match[str]) -> str:
    mark, text = quotation[0][0], quotation[0][1:-1]
    return quotation[0] if len(text) <= MAX_QUOTATION else f"{mark}{text[:MAX_QUOTATION]}...{mark}"


def _is_about_an_argument(error: GraphQLError, cause: GraphQLError) -> bool:
    node = error.nodes[0] if error.nodes else None
    return isinstance(cause, StrawberryInputCoercionError) or not isinstance(node, FieldNode | None)


def _field_name(error: GraphQLError) -> str:
    """Return the field's name for the log. The error's path may hold the caller's own words, as aliases."""
    node = error.nodes[0] if error.nodes else None
    return node.name.value if isinstance(node, FieldNode) else "a field"


def _cause(error: GraphQLError) -> Exception:
    """Return the exception that was raised first, inside the errors that GraphQL has wrapped it in."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause
