"""A client that leaves ends what is under way for it upstream, unless somebody else waits for the same."""

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

# Far beyond the few seconds that anything here takes: what passes without it has not waited for a deadline.
TIMEOUT_SECONDS = 20


class SlowUpstream:
    """Answers nothing until it is told to; notes each call, and each that was given up.

    asked, given_up: released once a call has come, or has been given up.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.asked = threading.Semaphore(0)
        self.given_up = threading.Semaphore(0)
        self.may_answer = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        self.calls.append(scope["path"])
        self.asked.release()
        await receive()
        leaving = asyncio.ensure_future(receive())
        answering = asyncio.ensure_future(asyncio.to_thread(self.may_answer.wait, TIMEOUT_SECONDS))
        await asyncio.wait((leaving, answering), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
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
        slow.may_answer.set()


@pytest.fixture
def settings(upstream: tuple[SlowUpstream, str]) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=upstream[1], request_timeout_seconds=300)


async def is_released(semaphore: threading.Semaphore) -> bool:
    """Whether it comes to this before patience ends."""
    return await asyncio.to_thread(semaphore.acquire, timeout=TIMEOUT_SECONDS)


async def leave(gateway: Gateway, upstream: SlowUpstream, document: str) -> None:
    """Ask in a connection of its own and, once the upstream is asked, be gone."""
    async with httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS) as client:
        asking = asyncio.ensure_future(client.post("/graphql", json={"query": document}))
        assert await is_released(upstream.asked)
        asking.cancel()
        await asyncio.wait([asking])


@pytest.mark.parametrize("document", [LISTED, LOOKED_UP, ORDERS], ids=["a page", "a lookup", "orders"])
async def test_what_a_client_asked_for_is_given_up_when_it_leaves(
    gateway: Gateway, upstream: tuple[SlowUpstream, str], document: str, caplog: pytest.LogCaptureFixture
) -> None:
    slow, _ = upstream
    await leave(gateway, slow, document)
    assert await is_released(slow.given_up)
    assert len(slow.calls) == 1
    assert [record.getMessage() for record in caplog.records] == []


async def test_what_two_clients_asked_for_is_given_to_the_one_that_stays(
    gateway: Gateway, upstream: tuple[SlowUpstream, str]
) -> None:
    slow, _ = upstream
    staying = asyncio.ensure_future(gateway.http.post("/graphql", json={"query": LISTED}))
    assert await is_released(slow.asked)
    async with httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS) as client:
        joining = asyncio.ensure_future(client.post("/graphql", json={"query": LISTED}))
        # A request behind it in the same connection pool: by its answer the one before has been read.
        assert (await client.get("/healthz")).text == "ok\n"
        joining.cancel()
        await asyncio.wait([joining])
    # Somebody else who leaves after it: when that is noticed, so was the leaving before.
    await leave(gateway, slow, LOOKED_UP)
    assert await is_released(slow.given_up)
    slow.may_answer.set()
    answer = (await staying).json()
    assert answer == {"data": {"phoneNumbers": {"nodes": [{"e164PhoneNumber": "+12065550000"}]}}}
    assert slow.calls.count("/phone-numbers") == 1


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_client_that_waits_long_gets_its_answer(
    gateway: Gateway, upstream: tuple[SlowUpstream, str], method: str
) -> None:
    slow, _ = upstream
    if method == "GET":
        asking = gateway.http.get("/graphql", params={"query": LISTED})
    else:
        asking = gateway.http.post("/graphql", json={"query": LISTED})
    waiting = asyncio.ensure_future(asking)
    assert await is_released(slow.asked)
    # A client that comes later and is known to have left: the one that waits is watched as well by then.
    await leave(gateway, slow, LOOKED_UP)
    assert await is_released(slow.given_up)
    slow.may_answer.set()
    assert (await waiting).status_code == 200
    # Over the same connection.
    assert (await gateway.http.post("/graphql", json={"query": LISTED})).status_code == 200
