"""One request and its response: applications that break the rules of ASGI, and the bodies that they read."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl

from gateway.server.exchange import Exchange
from tests.support.raw_http import post, wire
from tests.support.scripted import lifespan
from tests.support.serving import served

Respond = Callable[[Receive, Send], Awaitable[None]]


def app_that(responds: Respond) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (lifespan(receive, send) if scope["type"] == "lifespan" else responds(receive, send))

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def sends(*messages: Message) -> Respond:
    async def respond(_receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return respond


async def fails(_receive: Receive, _send: Send) -> None:
    raise ValueError("of the application")


@pytest.mark.parametrize(
    "respond",
    [
        fails,
        sends(),
        sends(body(b"a")),
        sends(start((b"x-a", b"b\r\nx-c: d"))),
        sends(start((b"x-a", b"b\nx-c: d"))),
        sends(start((b"x-a", b"b\0"))),
        sends(start((b"x-a", b"b\x7f"))),
        sends(start((b"x-a\r\nx-c", b"d"))),
        sends(start()),
        sends(start(), start()),
        sends(start((b"content-length", b"4")), body(b"abc")),
        sends(start((b"content-length", b"4")), body(b"abcde")),
        sends(start(status=204), body(b"a")),
    ],
    ids=[
        *("exception", "nothing", "body first", "line break", "lone LF", "null byte", "DEL", "line break in a name"),
        *("no body", "two heads", "too short", "too long", "body of a 204"),
    ],
)
def test_application_that_cannot_start_its_response_sends_500_and_closes(respond: Respond) -> None:
    with served(app_that(respond)) as url, wire(url) as connection:
        connection.sends(post(b"content-length: 0", body=b""))
        response = connection.read_response()
        assert (response.status, response.body) == (500, b"Internal Server Error")
        assert (response.header("connection"), response.header("x-c")) == ("close", None)
        assert connection.closed()


LENGTH = (b"content-length", b"4")


@pytest.mark.parametrize(
    ("respond", "received"),
    [
        (sends(start(), body(b"abc", more=True)), b"3\r\nabc\r\n"),
        (sends(start(LENGTH), body(b"abc", more=True)), b"abc"),
        (sends(start(LENGTH), body(b"ab", more=True), body(b"c")), b"ab"),
        (sends(start(LENGTH), body(b"ab", more=True), body(b"cde")), b"ab"),
        (sends(start(LENGTH), body(b"ab", more=True), start()), b"ab"),
    ],
    ids=["unfinished", "unfinished length", "too short", "too long", "second start"],
)
def test_application_that_breaks_its_response_closes_within_it(respond: Respond, received: bytes) -> None:
    with served(app_that(respond)) as url, wire(url) as connection:
        connection.sends(post(b"content-length: 0", body=b""))
        data = b""
        while part := connection.socket.recv(1 << 16):
            data += part
        assert data.count(b"HTTP/1.1 ") == 1
        assert data.partition(b"\r\n\r\n")[2] == received


class Written(asyncio.Transport):
    """A connection that keeps each written piece. Each is a system call of a real one."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))


@pytest.mark.parametrize(("size", "pieces"), [(0, 1), (64 * 1024, 1), (64 * 1024 + 1, 2)])
async def test_head_is_written_together_with_a_small_body(size: int, pieces: int) -> None:
    written = Written()
    exchange = Exchange(
        {"method": "GET"}, written, FlowControl(written), [], lambda: None, keep_alive=True, expects_continue=False
    )
    await exchange.send(start((b"content-length", b"%d" % size)))
    assert written.pieces == []
    await exchange.send(body(b"x" * size))
    assert b"".join(written.pieces) == b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    assert len(written.pieces) == pieces


def test_response_after_the_response_is_not_sent() -> None:
    respond = sends(start(LENGTH), body(b"abcd"), start(LENGTH), body(b"efgh"))
    with served(app_that(respond)) as url, wire(url) as connection:
        connection.sends(post(b"content-length: 0", body=b""))
        assert connection.read_response().body == b"abcd"
        assert connection.closed()


def test_response_without_length_is_sent_in_chunks() -> None:
    respond = sends(start(), body(b"ab", more=True), body(more=True), body(b"cde", more=True), body())
    with served(app_that(respond)) as url, httpx.Client(base_url=url) as client:
        for _ in range(2):
            response = client.get("/")
            assert (response.headers["transfer-encoding"], response.content) == ("chunked", b"abcde")
        assert "transfer-encoding" not in client.head("/").headers


def test_status_without_a_name_is_sent() -> None:
    with served(app_that(sends(start(LENGTH, status=599), body(b"abcd")))) as url:
        response = httpx.get(url)
    assert (response.status_code, response.content) == (599, b"abcd")


def test_response_with_connection_close_closes() -> None:
    with served(app_that(sends(start(LENGTH, (b"connection", b"close")), body(b"abcd")))) as url, wire(url) as client:
        client.sends(post(b"content-length: 0", body=b""))
        response = client.read_response()
        assert (response.header("connection"), response.body) == ("close", b"abcd")
        assert client.closed()


def test_application_reads_a_body_in_many_chunks() -> None:
    async def echoes(receive: Receive, send: Send) -> None:
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message["body"], message["more_body"]
        await send(start((b"content-length", b"%d" % len(content))))
        await send(body(content))

    sent = b"0123456789" * 20_000
    parts = (sent[at : at + 7] for at in range(0, len(sent), 7))
    with served(app_that(echoes)) as url:
        assert httpx.post(url, content=parts).content == sent


async def test_tab_in_a_header_is_sent() -> None:
    written = Written()
    exchange = Exchange(
        {"method": "GET"}, written, FlowControl(written), [], lambda: None, keep_alive=True, expects_continue=False
    )
    await exchange.send(start((b"x-a", b"b\tc"), (b"content-length", b"0")))
    await exchange.send(body())
    assert written.pieces == [b"HTTP/1.1 200 OK\r\nx-a: b\tc\r\ncontent-length: 0\r\n\r\n"]
