"""An account whose upstream fails in several ways: AWS's own errors, latency, throttling, and invalid responses."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.fault_injection import RequestRateLimiter
from gateway.upstream.aws.http_session import MAX_RESPONSE_BODY_BYTES
from tests.support.aws import Aws
from tests.support.serving import served

NUMBERS = 420
ORDERS = 60
# Invalid bodies of responses with status 200. A body without a list would be valid, because AWS omits empty values. So
# would a list of rows without usable keys, because the gateway leaves such rows out.
ODD_BODIES = (
    b'{"PhoneNumbers": [',
    b"<html>Bad gateway</html>",
    b'{"PhoneNumbers": 7, "PhoneNumberOrders": {}, "PhoneNumber": [], "PhoneNumberOrder": null}',
    b'{"PhoneNumbers": "[]", "PhoneNumberOrders": true, "PhoneNumber": {}, "PhoneNumberOrder": {"Status": "Failed"}}',
    b" " * (MAX_RESPONSE_BODY_BYTES + 500_000),
    b"",
)


class StormyAws(Aws):
    """One account with the sample records.

    Attributes:
        came: Number of calls so far. They are only counted, because there are hundreds of thousands.
    """

    def __init__(self) -> None:
        emulator = create_emulator(EmulatorOptions(api="chime-sdk-voice", numbers=NUMBERS, orders=ORDERS))
        super().__init__("chime-sdk-voice", emulator)
        self.came = 0
        self._app: ASGIApp = emulator
        self._conditions = emulator.state.fault_injection
        self._odd_bodies = cycle(ODD_BODIES)
        self._garbling = False

    def ends_failures(self) -> None:
        """End all failures."""
        self.recovers()
        self.takes_ms(0)
        self._conditions.rate_limiter = None
        self._garbling = False

    def throttles(self, rate: int) -> None:
        """Limit calls to so many per second. Other calls get a 429."""
        self._conditions.rate_limiter = RequestRateLimiter(rate)

    def garbles(self) -> None:
        """Send an invalid response to every other call."""
        self._garbling = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.came += 1
        if not self._garbling or self.came % 2:
            await self._app(scope, receive, send)
            return
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": next(self._odd_bodies)})


STORMS: Mapping[str, Callable[[StormyAws], None]] = {
    # First, because the process returns the memory of its long responses only a little later.
    "garbling": StormyAws.garbles,
    "slow": lambda aws: aws.takes_ms(100),
    "throttling": lambda aws: aws.throttles(40),
    "failing": lambda aws: aws.fails("*", "ServiceFailure"),
    "orders unavailable": lambda aws: aws.fails("ListPhoneNumberOrders", "ServiceUnavailable"),
    "gets forbidden": lambda aws: aws.fails("GetPhoneNumber", "Forbidden"),
    "hanging": lambda aws: aws.takes_ms(5_000),
}


@contextmanager
def stormy_aws() -> Iterator[StormyAws]:
    """Serve the account while the block runs. It starts without failures."""
    aws = StormyAws()
    with served(aws) as url:
        aws.url = url
        yield aws
