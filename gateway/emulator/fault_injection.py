"""Latency, throttling and errors that can be switched on to test a client."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gateway.emulator.aws_errors import FAULTS, THROTTLED, AwsError, ErrorShape
from gateway.emulator.service_model import OPERATION_NAMES, OperationName

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """An error for each call of an operation.

    Attributes:
        operation: One of the four operation names, or `*` for all of them.
        code: The error in either spelling, `Throttled` or `ThrottledClientException`.
        send_error_type: Whether the response has the header x-amzn-ErrorType. Clients that find the header report the
            exception's name. Other clients report the body's Code.

    Raises:
        ValueError: If the API does not have the operation or the error.
    """

    operation: str
    code: str
    send_error_type: bool = True

    def __post_init__(self) -> None:
        if self.operation not in (*OPERATION_NAMES, "*"):
            operations = ", ".join(OPERATION_NAMES)
            raise ValueError(f"There is no operation {self.operation!r}. Use {operations} or *.")
        if not any(self.code in (shape.name, shape.code) for shape in FAULTS):
            codes = ", ".join(shape.code for shape in FAULTS)
            raise ValueError(f"There is no error {self.code!r}. Use one of {codes}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `ListPhoneNumbers=Throttled` or `*=ServiceUnavailableException`.

        Raises:
            ValueError: If the text is not a fault. The message is for users.
        """
        operation, equals, code = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not a fault. Write OPERATION=ERROR, such as ListPhoneNumbers=Throttled.")
        return cls(operation.strip(), code.strip())

    @property
    def shape(self) -> ErrorShape:
        """The error that this fault raises."""
        return next(shape for shape in FAULTS if self.code in (shape.name, shape.code))


class RequestRateLimiter:
    """A token bucket in the form of the generic cell rate algorithm (GCRA).

    The bucket is full at the start and holds one second's requests.
    """

    def __init__(self, rate: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`rate` is in requests a second, at least 1. `clock` returns nanoseconds.

        With whole nanoseconds, rounding cannot take a request from the burst.
        """
        self._interval = _NANOSECONDS // rate
        self._burst = rate
        self._clock = clock
        # The theoretical arrival time: the next request's time if requests came exactly at the rate.
        self._tat = clock()

    def check(self) -> None:
        """Take one request from the bucket.

        Raises:
            AwsError: Throttled if the bucket is empty. Throttled requests do not count.
        """
        now = self._clock()
        tat = max(self._tat, now)
        if tat - now > (self._burst - 1) * self._interval:
            raise AwsError(THROTTLED, "Rate exceeded")
        self._tat = tat + self._interval


@dataclass(slots=True)
class FaultInjection:
    """The emulator's current latency, rate limit and faults. You can change them while it runs."""

    latency_ms: int = 0
    rate_limiter: RequestRateLimiter | None = None
    faults: list[Fault] = field(default_factory=list)

    def check(self, operation: OperationName) -> None:
        """Raise the error that a call of `operation` must end with, if there is one.

        Raises:
            AwsError: Throttled if the rate is exceeded, otherwise the operation's first fault.
        """
        if self.rate_limiter is not None:
            self.rate_limiter.check()
        for fault in self.faults:
            if fault.operation in (operation, "*"):
                raise AwsError(fault.shape, send_error_type=fault.send_error_type)
