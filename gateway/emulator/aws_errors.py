"""AWS's errors as they are sent over HTTP, and the error for users who start the emulator."""

from dataclasses import dataclass

import orjson


class EmulatorError(Exception):
    """The emulator cannot start with the given options. The message is for the user."""


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An error of the API.

    Attributes:
        name: The exception's name, in the header x-amzn-ErrorType.
        code: The value of Code in the body.
        status: The HTTP status.
        message: The sentence in AWS's API reference.
    """

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

# The API reference of the four operations does not list these two. The ErrorCode enum of their service model has both,
# and AWS's shared front end sends them.
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

# Services with the rest-json protocol send this error if they do not know the path or method.
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
    """A request failed with an error of the API."""

    def __init__(self, shape: ErrorShape, message: str | None = None, *, send_error_type: bool = True) -> None:
        """Use `message`, or the shape's message if it is not given.

        Without `send_error_type`, the response has no header x-amzn-ErrorType, and only the body names the error.
        """
        super().__init__(message or shape.message)
        self.shape = shape
        self.send_error_type = send_error_type

    def body(self) -> bytes:
        """Return the response body, `{"Code":...,"Message":...}` in both APIs."""
        return orjson.dumps({"Code": self.shape.code, "Message": str(self)})
