"""What stands between a request and its answer on a bad day: latency, a rate limit, faults."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gateway.emulator.aws_errors import FAULTS, THROTTLED, AwsError, ErrorShape
from gateway.emulator.service_model import OPERATION_NAMES, OperationName


@dataclass(frozen=True, slots=True)
class Fault:
    """Every call of `operation` ends in the error `code`.

    operation: one of the four operations' names, or `*` for all of them.
    code: the error in either spelling, `Throttled` or `ThrottledClientException`.
    send_error_type: whether the response has the header x-amzn-ErrorType. Clients that find the header report the
        exception's name. Other clients report the body's Code.
    Raises: ValueError for an operation or an error that the API does not have.
    """

    operation: str
    code: str
    send_error_type: bool = True

    def __post_init__(self) -> None:
        if self.operation not in (*OPERATION_NAMES, "*"):
            raise ValueError(f"no such operation: {self.operation} (there are {', '.join(OPERATION_NAMES)} and *)")
        if not any(self.code in (shape.name, shape.code) for shape in FAULTS):
            codes = ", ".join(shape.code for shape in FAULTS)
            raise ValueError(f"no such error: {self.code} (there are {codes})")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ListPhoneNumbers=Throttled` or `*=ServiceUnavailableException`.

        Raises: ValueError in words for a person.
        """
        operation, equals, code = text.partition("=")
        if not equals:
            raise ValueError(f"a fault reads OPERATION=ERROR, like ListPhoneNumbers=Throttled, not {text!r}")
        return cls(operation.strip(), code.strip())

    @property
    def shape(self) -> ErrorShape:
        """The error that this fault ends in."""
        return next(shape for shape in FAULTS if self.code in (shape.name, shape.code))


class RequestRateLimiter:
    """Lets so many requests through in any one second."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate` is in requests a second; `clock` in seconds."""
        self._passed_at: deque[float] = deque(maxlen=rate)
        self._clock = clock

    def check(self) -> None:
        """Raises Throttled where `rate` requests went through within the last second."""
        now = self._clock()
        if len(self._passed_at) == self._passed_at.maxlen and now - self._passed_at[0] < 1:
            raise AwsError(THROTTLED, "Rate exceeded")
        self._passed_at.append(now)


@dataclass(slots=True)
class FaultInjection:
    """The weather: may be changed while the emulator runs."""

    latency_ms: int = 0
    rate_limiter: RequestRateLimiter | None = None
    faults: list[Fault] = field(default_factory=list)

    def check(self, operation: OperationName) -> None:
        """Raises Throttled past the rate, then the first fault that was set for `operation`."""
        if self.rate_limiter is not None:
            self.rate_limiter.check()
        for fault in self.faults:
            if fault.operation in (operation, "*"):
                raise AwsError(fault.shape, send_error_type=fault.send_error_type)
