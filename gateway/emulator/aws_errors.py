"""AWS's errors, as they stand on the wire, and the one for the person who starts the emulator."""

from dataclasses import dataclass

import orjson


class EmulatorError(Exception):
    """The emulator cannot start as it was asked to; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An error of the API: `name` goes into x-amzn-ErrorType, `code` into the body, `message` is the page's own."""

    name: str
    code: str
    status: int
    message: str


BAD_REQUEST = ErrorShape(
    "BadRequestException",
    "BadRequest",
    400,
    "The input parameters don't match the service's restrictions.",
)
UNAUTHORIZED = ErrorShape(
    "UnauthorizedClientException",
    "Unauthorized",
    401,
    "The client is not currently authorized to make the request.",
)
FORBIDDEN = ErrorShape(
    "ForbiddenException",
    "Forbidden",
    403,
    "The client is permanently forbidden from making the request.",
)
NOT_FOUND = ErrorShape(
    "NotFoundException",
    "NotFound",
    404,
    "One or more of the resources in the request does not exist in the system.",
)
THROTTLED = ErrorShape(
    "ThrottledClientException",
    "Throttled",
    429,
    "The client exceeded its request rate limit.",
)
SERVICE_FAILURE = ErrorShape(
    "ServiceFailureException",
    "ServiceFailure",
    500,
    "The service encountered an unexpected error.",
)
SERVICE_UNAVAILABLE = ErrorShape(
    "ServiceUnavailableException",
    "ServiceUnavailable",
    503,
    "The service is currently unavailable.",
)

# On no page of the four operations; the ErrorCode list of their model has both words, and AWS's front doors say them.
ACCESS_DENIED = ErrorShape(
    "AccessDeniedException",
    "AccessDenied",
    403,
    "You do not have sufficient access to perform this action.",
)
THROTTLING = ErrorShape(
    "ThrottlingException",
    "Throttling",
    429,
    "The request was denied due to request throttling.",
)

# What a service of the rest-json protocol says to a path or method that is none of its own.
UNKNOWN_OPERATION = ErrorShape(
    "UnknownOperationException",
    "UnknownOperation",
    404,
    "There is no such operation.",
)

FAULTS = (
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    THROTTLED,
    SERVICE_FAILURE,
    SERVICE_UNAVAILABLE,
    ACCESS_DENIED,
    THROTTLING,
)


class AwsError(Exception):
    """One request ends in an error of the API."""

    def __init__(self, shape: ErrorShape, message: str | None = None, *, send_error_type: bool = True) -> None:
        """Say `message`, or the page's own sentence. Without `send_error_type` only the body tells what it is."""
        super().__init__(message or shape.message)
        self.shape = shape
        self.send_error_type = send_error_type

    def body(self) -> bytes:
        """The error's JSON, for both generations: `{"Code":...,"Message":...}`."""
        return orjson.dumps({"Code": self.shape.code, "Message": str(self)})
