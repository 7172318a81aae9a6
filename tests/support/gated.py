"""An account that answers no call before it is let, and notes which calls were given up meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.server.run import serving_in_thread
from tests.support.aws import Aws

# Far beyond the few seconds that anything here takes.
TIMEOUT_SECONDS = 20


class GatedAws(Aws):
    """One account; until `holds_back` every call is answered.

    answered: how many calls were. asked, given_up: released once a call has come, or has been given up.
    """

    def __init__(self) -> None:
        emulator = create_emulator(EmulatorOptions(api="chime", numbers=0, orders=0))
        super().__init__("chime", emulator)
        self._app: ASGIApp = emulator
        self._gate: threading.Semaphore | None = None
        self.answered = 0
        self.asked = threading.Semaphore(0)
        self.given_up = threading.Semaphore(0)

    def holds_back(self) -> None:
        """Answer no call from now on that is not let."""
        self._gate = threading.Semaphore(0)

    def lets(self, calls: int) -> None:
        """Answer so many more calls."""
        assert self._gate is not None
        self._gate.release(calls)

    def lets_all(self) -> None:
        """Answer whatever is still held back."""
        if self._gate is not None:
            self._gate.release(1_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _, kind, *key = scope["path"].split("/")
        noun = {"phone-numbers": "PhoneNumber", "phone-number-orders": "PhoneNumberOrder"}[kind]
        self.calls.append(f"Get{noun}" if key else f"List{noun}s")
        self.queries.append(scope["query_string"].decode())
        self.asked.release()
        request = await receive()
        if self._gate is not None:
            leaving = asyncio.ensure_future(receive())
            letting = asyncio.ensure_future(asyncio.to_thread(self._gate.acquire, timeout=TIMEOUT_SECONDS))
            await asyncio.wait((leaving, letting), return_when=asyncio.FIRST_COMPLETED)
            if not letting.done():
                self.given_up.release()
                return
            leaving.cancel()
        self.answered += 1

        async def receive_again() -> Message:
            return request

        await self._app(scope, receive_again, send)


@contextmanager
def gated_aws() -> Iterator[GatedAws]:
    """Serve such an account while the block runs."""
    account = GatedAws()
    with serving_in_thread(account) as url:
        account.url = url
        try:
            yield account
        finally:
            account.lets_all()


async def happens(semaphore: threading.Semaphore) -> bool:
    """Whether it comes to this before patience ends."""
    return await asyncio.to_thread(semaphore.acquire, timeout=TIMEOUT_SECONDS)
