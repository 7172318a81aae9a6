"""Faults out, once: what a caller may read of an error, and what goes to the log instead."""

import logging
import math
from typing import Any, Final

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import StrawberryInputCoercionError

from gateway.errors import CallerFault, UpstreamBadResponse, UpstreamFault
from gateway.request_record import REQUEST_RECORD

logger = logging.getLogger("gateway")

MASKED: Final = "The gateway failed on this. It has been logged under the request's id."
# Characters of a message: graphql-core's quote what was sent, which may be a whole body, in each of up to 100 errors.
MAX_MESSAGE: Final = 500


def present_error(error: GraphQLError, *, before_execution: bool) -> dict[str, Any]:
    """One entry of an answer's `errors`.

    A CallerFault is shown as it stands; an UpstreamFault as its one sentence, with operation, retryable, AWS's
    request id and, where it is known, the seconds to wait; GraphQL's own errors in graphql-core's words; all else is
    masked.
    before_execution: the document itself was refused, by syntax or by validation.
    """
    cause, record = _cause(error), REQUEST_RECORD.get()
    entry: dict[str, Any] = {"message": _shortened(error.message)}
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    match cause:
        case CallerFault():
            entry["extensions"] = {"code": cause.code}
        case UpstreamFault():
            entry["message"] = cause.sentence
            entry["extensions"] = {
                "code": cause.code,
                "operation": cause.operation,
                "retryable": cause.retryable,
                "requestId": cause.request_id,
            }
            if cause.retry_after is not None:
                entry["extensions"]["retryAfter"] = max(1, math.ceil(cause.retry_after))
            logger.warning("request %s: %s %s: %s", record.id, cause.operation, cause.code, cause.detail)
        # A variable, or an argument's text, is not what its place takes: graphql-core points there, not at a field.
        case GraphQLError() if error.path is not None and _is_about_an_argument(error, cause):
            entry["extensions"] = {"code": "BAD_USER_INPUT"}
        # graphql-core could not write a value: a record holds what its field's type does not allow.
        case GraphQLError() if error.path is not None:
            entry["message"] = UpstreamBadResponse.sentence
            entry["extensions"] = {"code": UpstreamBadResponse.code, "retryable": UpstreamBadResponse.retryable}
            # The path may hold the caller's own words, as aliases; the field's name is the schema's.
            field = error.nodes[0] if error.nodes else None
            name = field.name.value if isinstance(field, FieldNode) else "a field"
            logger.warning("request %s: a value of %s cannot be written", record.id, name)
        case GraphQLSyntaxError():
            entry["extensions"] = {"code": "GRAPHQL_PARSE_FAILED"}
        case GraphQLError() if before_execution:
            entry["extensions"] = {"code": "GRAPHQL_VALIDATION_FAILED"}
        # No field was reached: the variables do not fit.
        case GraphQLError():
            entry["extensions"] = {"code": "BAD_USER_INPUT"}
        case _ if before_execution:
            entry["message"] = "The document holds a value that cannot be read."
            entry["extensions"] = {"code": "GRAPHQL_VALIDATION_FAILED"}
        case _:
            entry["message"] = MASKED
            entry["extensions"] = {"code": "INTERNAL_SERVER_ERROR"}
            logger.error("request %s: %r", record.id, cause, exc_info=cause)
    record.error_codes.append(entry["extensions"]["code"])
    return entry


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} ..."


def _is_about_an_argument(error: GraphQLError, cause: GraphQLError) -> bool:
    pointed_at = error.nodes[0] if error.nodes else None
    return isinstance(cause, StrawberryInputCoercionError) or not isinstance(pointed_at, FieldNode | None)


def _cause(error: GraphQLError) -> Exception:
    """What was raised at first, beneath the errors that GraphQL has wrapped it in."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause
