"""An AWS account that holds calls back until a test releases them, and notices which calls were cancelled meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.server.run import serving_in_thread
from tests.support.aws import Aws

# Only a failing test waits so long. Nothing here takes more than a few seconds.
TIMEOUT_SECONDS = 20


class GatedAws(Aws):
    """One account. It responds to every call at once until `hold_back`.

    Attributes:
        responded: Number of responses so far.
        called: A semaphore that each incoming call releases once.
        given_up: A semaphore that each cancelled call releases once.
    """

    def __init__(self) -> None:
        emulator = create_emulator(EmulatorOptions(api="chime", numbers=0, orders=0))
        super().__init__("chime", emulator)
        self._app: ASGIApp = emulator
        self._gate: threading.Semaphore | None = None
        self._holds_back = False
        self.responded = 0
        self.called = threading.Semaphore(0)
        self.given_up = threading.Semaphore(0)

    def hold_back(self) -> None:
        """Hold back every call from now on, until `release` releases it."""
        self._gate = threading.Semaphore(0)
        self._holds_back = True

    def lets_pass(self) -> None:
        """Hold back no later call. Those that are held back now still wait to be released."""
        self._holds_back = False

    def release(self, calls: int) -> None:
        """Release so many calls."""
        assert self._gate is not None
        self._gate.release(calls)

    def release_all(self) -> None:
        """Release all calls that are held back."""
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
        self.called.release()
        request = await receive()
        if self._gate is not None and self._holds_back:
            disconnect = asyncio.ensure_future(receive())
            release = asyncio.ensure_future(asyncio.to_thread(self._gate.acquire, timeout=TIMEOUT_SECONDS))
            await asyncio.wait((disconnect, release), return_when=asyncio.FIRST_COMPLETED)
            if not release.done():
                self.given_up.release()
                return
            disconnect.cancel()
        self.responded += 1

        async def receive_again() -> Message:
            return request

        await self._app(scope, receive_again, send)


@contextmanager
def gated_aws() -> Iterator[GatedAws]:
    """Serve a gated account while the block runs."""
    account = GatedAws()
    with serving_in_thread(account) as url:
        account.url = url
        try:
            yield account
        finally:
            account.release_all()


async def is_released(semaphore: threading.Semaphore) -> bool:
    """Return whether the semaphore is released within TIMEOUT_SECONDS."""
    return await asyncio.to_thread(semaphore.acquire, timeout=TIMEOUT_SECONDS)
