"""A client that disconnects cancels its upstream calls, unless another client waits for the same call."""

import asyncio
import threading
from collections.abc import Iterator

import httpx
import orjson
import pytest
from starlette.types import Receive, Scope, Send

from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import number_record
from tests.support.scripted import lifespan
from tests.support.serving import served

LISTED = "{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"
LOOKED_UP = '{ phoneNumber(e164PhoneNumber: "+12065550100") { id } }'
ORDERS = "{ phoneNumberOrders(first: 1) { nodes { id } } }"

# Far more than the few seconds that each test takes, so that a test that passes has not waited for a timeout.
TIMEOUT_SECONDS = 20


class SlowUpstream:
    """An upstream that does not respond until the test allows it.

    Attributes:
        calls: The path of each call.
        called: Released for each call that arrives.
        given_up: Released for each call that the gateway cancels.
        may_answer: Set by the test to let the upstream respond.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.called = threading.Semaphore(0)
        self.given_up = threading.Semaphore(0)
        self.may_respond = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        self.calls.append(scope["path"])
        self.called.release()
        await receive()
        leaving = asyncio.ensure_future(receive())
        responding = asyncio.ensure_future(asyncio.to_thread(self.may_respond.wait, TIMEOUT_SECONDS))
        await asyncio.wait((leaving, responding), return_when=asyncio.FIRST_COMPLETED)
        if not responding.done():
            self.given_up.release()
            return
        leaving.cancel()
        content = orjson.dumps({"PhoneNumbers": [number_record(0)], "NextToken": None})
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture
def upstream() -> Iterator[tuple[SlowUpstream, str]]:
    slow = SlowUpstream()
    with served(slow) as url:
        yield slow, url
        slow.may_respond.set()


@pytest.fixture
def settings(upstream: tuple[SlowUpstream, str]) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=upstream[1], request_timeout_seconds=300)


async def is_released(semaphore: threading.Semaphore) -> bool:
    """Return whether the semaphore is released before the timeout."""
    return await asyncio.to_thread(semaphore.acquire, timeout=TIMEOUT_SECONDS)


async def leave(gateway: Gateway, upstream: SlowUpstream, document: str) -> None:
    """Send a request over its own connection, and disconnect once its upstream call has arrived."""
    async with httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS) as client:
        asking = asyncio.ensure_future(client.post("/graphql", json={"query": document}))
        assert await is_released(upstream.called)
        asking.cancel()
        await asyncio.wait([asking])


@pytest.mark.parametrize("document", [LISTED, LOOKED_UP, ORDERS], ids=["a page", "a lookup", "orders"])
async def test_a_disconnect_cancels_the_upstream_call(
    gateway: Gateway, upstream: tuple[SlowUpstream, str], document: str, caplog: pytest.LogCaptureFixture
) -> None:
    slow, _ = upstream
    await leave(gateway, slow, document)
    assert await is_released(slow.given_up)
    assert len(slow.calls) == 1
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_shared_upstream_call_goes_on_for_the_client_that_stays(
    gateway: Gateway, upstream: tuple[SlowUpstream, str]
) -> None:
    slow, _ = upstream
    staying = asyncio.ensure_future(gateway.http.post("/graphql", json={"query": LISTED}))
    assert await is_released(slow.called)
    async with httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS) as client:
        joining = asyncio.ensure_future(client.post("/graphql", json={"query": LISTED}))
        # This request is sent after it. When its response arrives, the gateway has read the one before.
        assert (await client.get("/healthz")).text == "ok\n"
        joining.cancel()
        await asyncio.wait([joining])
    # Another client disconnects later. When the gateway notices this, it has noticed the first disconnect as well.
    await leave(gateway, slow, LOOKED_UP)
    assert await is_released(slow.given_up)
    slow.may_respond.set()
    response = (await staying).json()
    assert response == {"data": {"phoneNumbers": {"nodes": [{"e164PhoneNumber": "+12065550000"}]}}}
    assert slow.calls.count("/phone-numbers") == 1


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_client_that_waits_for_a_slow_upstream_gets_its_response(
    gateway: Gateway, upstream: tuple[SlowUpstream, str], method: str
) -> None:
    slow, _ = upstream
    if method == "GET":
        asking = gateway.http.get("/graphql", params={"query": LISTED})
    else:
        asking = gateway.http.post("/graphql", json={"query": LISTED})
    waiting = asyncio.ensure_future(asking)
    assert await is_released(slow.called)
    # A later client disconnects. When the gateway notices this, it watches the waiting client as well.
    await leave(gateway, slow, LOOKED_UP)
    assert await is_released(slow.given_up)
    slow.may_respond.set()
    assert (await waiting).status_code == 200
    # The connection can be used again.
    assert (await gateway.http.post("/graphql", json={"query": LISTED})).status_code == 200
