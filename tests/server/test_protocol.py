"""The HTTP/1.1 protocol: requests that it rejects, its limits on size, and its timeouts."""

import asyncio
import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.app import create_app
from gateway.server.http1_checks import MAX_HEAD_BYTES, ConnectionLimits
from gateway.server.protocol import LINGER_SECONDS, MAX_PIPELINED
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.support.aws import Aws, emulated_aws
from tests.support.loop_clock import ClockedServer, served_on_clock
from tests.support.raw_http import TIMEOUT_SECONDS, post, query, wire
from tests.support.scripted import lifespan
from tests.support.serving import served, served_gateway

BODY = query("{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }")
DATA = b'{"data":{"phoneNumbers":{"nodes":[{"e164PhoneNumber":"+12065550000"}]}}}'
LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
SIZE = b"%x" % len(BODY)
CHUNKS = SIZE + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
WHOLE = post(LENGTH, body=BODY)
GET = b"GET /graphql?query={phoneNumbers(first:1){nodes{e164PhoneNumber}}} HTTP/1.1\r\n"
HALF_A_HEAD = b"POST /graphql HTTP/1.1\r\nhost: gateway\r\nx-slow: "
HALF_A_BODY = post(LENGTH, body=BODY[:10])

# By the clock of the server's loop, which the tests move. So long that no slow machine comes to their end by itself.
LIMITS = ConnectionLimits(read_timeout_seconds=100, keep_alive_timeout_seconds=200)
# More bytes than any system buffers for a client that does not read.
UNBUFFERED_BYTES = 100_000_000


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as aws:
        aws.holds(inventory=1)
        yield aws


@pytest.fixture(scope="module")
def settings(account: Aws) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=account.url)


@pytest.fixture(scope="module")
def gateway(settings: Settings) -> Iterator[str]:
    """Return the URL of a gateway with the default limits."""
    with served_gateway(settings) as url:
        yield url


@pytest.fixture(scope="module")
def clocked(settings: Settings) -> Iterator[ClockedServer]:
    """Return a gateway with LIMITS, on a clock that the test moves."""
    with served_on_clock(create_app(settings, AwsKeyPair("local", "local")), LIMITS) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_calls(account: Aws) -> None:
    account.calls.clear()


async def responds_empty(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


REJECTED = {
    "a length beside chunks": post(LENGTH, CHUNKED, body=CHUNKS),
    "chunks beside a length": post(CHUNKED, LENGTH, body=CHUNKS),
    "two lengths": post(LENGTH, b"content-length: 5", body=BODY),
    "a length twice": post(LENGTH, LENGTH, body=BODY),
    "lengths in a list": post(LENGTH + b", %d" % len(BODY), body=BODY),
    "a length with a sign": post(b"content-length: +%d" % len(BODY), body=BODY),
    "a negative length": post(b"content-length: -1", body=BODY),
    "a length in hexadecimals": post(b"content-length: 0x" + SIZE, body=BODY),
    "a length past 64 bits": post(b"content-length: %d" % (2**64 + len(BODY)), body=BODY),
    "a length of 5,000 digits": post(b"content-length: " + b"%d" % len(BODY) * 2_500, body=BODY),
    "a length with a space before its colon": post(LENGTH.replace(b":", b" :"), body=BODY),
    "an unknown coding": post(b"transfer-encoding: xchunked", body=CHUNKS),
    "identity as a coding": post(b"transfer-encoding: identity", body=BODY),
    "identity before chunked": post(b"transfer-encoding: identity, chunked", body=CHUNKS),
    "gzip before chunked": post(b"transfer-encoding: gzip, chunked", body=CHUNKS),
    "chunked before another": post(b"transfer-encoding: chunked, identity", body=CHUNKS),
    "chunked twice": post(CHUNKED, CHUNKED, body=CHUNKS),
    "a coding in quotes": post(b'transfer-encoding: "chunked"', body=CHUNKS),
    "a coding after a vertical tab": post(b"transfer-encoding: \x0bchunked", body=CHUNKS),
    "an empty coding": post(b"transfer-encoding:", body=CHUNKS),
    "a coding with a space before its colon": post(b"transfer-encoding : chunked", body=CHUNKS),
    "a folded coding": post(b"transfer-encoding:\r\n chunked", body=CHUNKS),
    "chunks in HTTP/1.0": post(CHUNKED, body=CHUNKS, line=b"POST /graphql HTTP/1.0"),
    "a folded line": post(b"x-a: b\r\n c", LENGTH, body=BODY),
    "a line without a colon": post(b"x-a", LENGTH, body=BODY),
    "a field without a name": post(b": a", LENGTH, body=BODY),
    "a name with a space": post(b"x a: b", LENGTH, body=BODY),
    "a null byte in a name": post(b"x\x00a: b", LENGTH, body=BODY),
    "a null byte in a value": post(b"x-a: b\x00c", LENGTH, body=BODY),
    "a lone CR in a value": post(b"x-a: b\rc", LENGTH, body=BODY),
    "a lone LF between fields": post(b"x-a: b\nx-b: c", LENGTH, body=BODY),
    "LF for every CRLF": WHOLE.replace(b"\r\n", b"\n"),
    "a lone LF at the head's end": WHOLE.replace(b"\r\n\r\n", b"\r\n\n"),
    "a chunk's size with a sign": post(CHUNKED, body=b"+" + CHUNKS),
    "a chunk's size with 0x": post(CHUNKED, body=b"0x" + CHUNKS),
    "a chunk's size with a space": post(CHUNKED, body=CHUNKS.replace(b"\r\n", b" \r\n", 1)),
    "a chunk's size past 64 bits": post(CHUNKED, body=b"10000000000000000" + CHUNKS),
    "a chunk without a size": post(CHUNKED, body=CHUNKS.removeprefix(SIZE)),
    "a chunk's line that ends with LF": post(CHUNKED, body=CHUNKS.replace(b"\r\n", b"\n", 1)),
    "a chunk longer than its size": post(CHUNKED, body=CHUNKS.replace(BODY, BODY + b"x")),
    "a length among the trailers": post(CHUNKED, body=CHUNKS[:-2] + LENGTH + b"\r\n\r\n"),
    "no host": post(LENGTH, body=BODY, host=b"x-no: host"),
    "an empty host": post(LENGTH, body=BODY, host=b"host:"),
    "two hosts": post(b"host: other", LENGTH, body=BODY),
    "a host that is a list": post(LENGTH, body=BODY, host=b"host: gateway, other"),
    "a host with a user": post(LENGTH, body=BODY, host=b"host: user@gateway"),
    "another host in the URL": post(LENGTH, body=BODY, line=b"POST http://other/graphql HTTP/1.1"),
    "a WebSocket": GET + b"host: gateway\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
    "HTTP/2 in clear": post(LENGTH, b"connection: upgrade, http2-settings", b"upgrade: h2c", body=BODY),
    "a tunnel": b"CONNECT gateway:80 HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "an unknown method": b"BREW /graphql HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "a URL in Latin-1": b"GET /graphql?query=\xff HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "a URL in UTF-8": b"GET /\xc3\xa9 HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "no URL": b"GET  HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
}


@pytest.mark.parametrize("sent", REJECTED.values(), ids=REJECTED.keys())
def test_rejects_ambiguous_framing_and_closes(gateway: str, account: Aws, sent: bytes) -> None:
    with wire(gateway) as connection:
        connection.sends(sent + WHOLE)
        response = connection.read_response()
        assert response.status == 400
        assert response.refused()
        assert connection.closed()
    assert account.calls == []


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b""])
def test_rejects_other_http_versions_and_closes(gateway: str, account: Aws, version: bytes) -> None:
    with wire(gateway) as connection:
        connection.sends(GET.replace(b" HTTP/1.1", b" " + version if version else b"") + b"host: gateway\r\n\r\n")
        response = connection.read_response()
        assert response.status == 400
        assert response.refused()
        assert connection.closed()
    assert account.calls == []


@pytest.mark.parametrize(
    "sent",
    [
        WHOLE,
        post(CHUNKED, body=CHUNKS),
        post(b"Transfer-Encoding: Chunked", body=CHUNKS.replace(b"\r\n", b";of=one\r\n", 1)),
        post(LENGTH, body=BODY, line=b"POST http://gateway/graphql HTTP/1.1"),
        post(LENGTH, body=BODY, host=b"host: [::1]:8000"),
        GET + b"host: gateway\r\n\r\n",
        b"\r\n" + WHOLE,
    ],
)
def test_serves_requests_pipelined_or_byte_by_byte(gateway: str, account: Aws, sent: bytes) -> None:
    with wire(gateway) as connection:
        connection.sends(sent + WHOLE)
        assert [connection.read_response().body for _ in range(2)] == [DATA, DATA]
        for byte in sent:
            connection.sends(bytes([byte]))
        assert connection.read_response().body == DATA
    assert len(account.calls) == 3


def test_trailers_are_not_passed_on_as_headers() -> None:
    fields = []

    async def notes(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        while (await receive())["more_body"]:
            pass
        fields.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    with served(notes) as url, wire(url) as connection:
        connection.sends(post(CHUNKED, body=CHUNKS[:-2] + b"x-router-secret: forged\r\n\r\n"))
        assert connection.read_response().status == 200
    assert [name for name, _ in fields] == [b"host", b"content-type", b"transfer-encoding"]


def test_100_continue_is_sent_unless_the_body_is_too_large(gateway: str) -> None:
    with wire(gateway) as connection:
        connection.sends(post(LENGTH, b"expect: 100-continue", body=b""))
        assert connection.read_response().status == 100
        connection.sends(BODY)
        assert connection.read_response().body == DATA
        connection.sends(post(b"content-length: 1000001", b"expect: 100-continue", body=b""))
        assert connection.read_response().status == 413
        assert connection.closed()


def test_rejected_request_gets_no_100_continue_after_its_response(
    gateway: str, account: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    """The application begins to read the body only after the protocol has rejected the request."""
    with wire(gateway) as connection:
        connection.sends(post(CHUNKED, b"expect: 100-continue", body=b"zz\r\n"))
        assert connection.read_response().status == 400
        assert connection.closed()
    with wire(gateway) as later:
        later.sends(WHOLE)
        assert later.read_response().body == DATA
    assert caplog.records == []
    assert len(account.calls) == 1


OVERSIZED = {
    "a body by its length": (413, post(b"content-length: 1000001", body=b"")),
    "a body in chunks": (413, post(CHUNKED, body=(b"186a0\r\n" + b" " * 100_000 + b"\r\n") * 11)),
    "chunks that are mostly framing": (413, post(CHUNKED, body=b"1;" + b"x" * 2_100_000)),
    "a URL": (414, b"GET /graphql?query=" + b"a" * 8_192 + b" HTTP/1.1\r\nhost: gateway\r\n\r\n"),
    "a URL without an end": (414, b"GET /graphql?query=" + b"a" * 70_000),
    "fields": (431, post(*[b"x: y"] * 98, LENGTH, body=BODY)),
    "a field": (431, post(b"x: " + b"y" * 16_384, LENGTH, body=BODY)),
    "a field without an end": (431, HALF_A_HEAD + b"y" * 600_000),
}


@pytest.mark.parametrize(("status", "sent"), OVERSIZED.values(), ids=OVERSIZED.keys())
def test_rejects_oversized_requests_before_their_end(gateway: str, account: Aws, status: int, sent: bytes) -> None:
    with wire(gateway) as connection:
        connection.sends(sent)
        response = connection.read_response()
        assert response.status == status
        assert any(character.isdigit() for character in response.refused())
        assert connection.closed()
    assert account.calls == []


def test_serves_requests_at_the_size_limits(gateway: str) -> None:
    padded = BODY + b" " * (1_000_000 - len(BODY))
    url = GET.replace(b" HTTP", b"&x=" + b"a" * 8_000 + b" HTTP")
    with wire(gateway) as connection:
        for sent in (
            post(b"content-length: 1000000", body=padded),
            post(*[b"x: y"] * 97, LENGTH, body=BODY),
            post(b"x: " + b"y" * 16_000, LENGTH, body=BODY),
            url + b"host: gateway\r\n\r\n",
        ):
            connection.sends(sent)
            assert connection.read_response().body == DATA


def test_client_that_keeps_sending_still_gets_the_413(gateway: str) -> None:
    with wire(gateway) as connection:
        connection.sends(post(b"content-length: 20000000", body=b" " * 20_000_000))
        assert connection.read_response().status == 413


def rejected_by_its_head(rest: bytes) -> bytes:
    """Return a request that the application rejects before its body arrives, because of its media type."""
    return post(CHUNKED, b"accept: text/plain", body=rest)


@pytest.mark.parametrize(
    "rest",
    [(b"186a0\r\n" + b" " * 100_000 + b"\r\n") * 11, b"1;" + b"x" * 2_100_000, b"zz\r\n"],
    ids=["an oversized body", "chunks that are mostly framing", "a malformed chunk"],
)
def test_a_request_with_a_response_gets_no_second_one(gateway: str, rest: bytes) -> None:
    with wire(gateway) as connection:
        connection.sends(rejected_by_its_head(b""))
        assert connection.read_response().status == 406
        connection.sends(rest)
        assert connection.closed()


def test_a_slow_body_after_the_response_gets_no_408(clocked: ClockedServer) -> None:
    with clocked.wire() as slow:
        slow.sends(rejected_by_its_head(b""))
        assert slow.read_response().status == 406
        clocked.advance(LIMITS.read_timeout_seconds + 1)
        assert slow.closed()


def test_rejects_too_many_pipelined_requests(gateway: str) -> None:
    with wire(gateway) as connection:
        connection.sends(WHOLE * (MAX_PIPELINED + 2))
        assert connection.read_response().status == 400
        assert connection.closed()


def test_rejection_ends_the_responses_before_it(caplog: pytest.LogCaptureFixture) -> None:
    """The rejection is the last response, and it is not written into another response."""
    release, ended = threading.Event(), threading.Semaphore(0)

    async def sends_a_part_and_waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
        await asyncio.to_thread(release.wait, TIMEOUT_SECONDS)
        if scope["path"] != "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"more"})
        ended.release()

    get, broken = b"GET %s HTTP/1.1\r\nhost: gateway\r\n\r\n", b"x : y\r\n\r\n"
    with served(sends_a_part_and_waits) as url, wire(url) as half, wire(url) as none:
        half.sends(get % b"/half")
        assert half.socket.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        half.sends(get % b"/none" + broken)
        assert half.closed()
        none.sends(get % b"/none" + get % b"/none" + broken)
        assert none.read_response().status == 400
        release.set()
        assert all(ended.acquire(timeout=TIMEOUT_SECONDS) for _ in range(2))
        assert none.closed()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize(("begun", "byte", "part"), [(HALF_A_HEAD, b"y", "head"), (HALF_A_BODY, b" ", "body")])
def test_slow_request_gets_408_while_others_are_served(
    clocked: ClockedServer, account: Aws, begun: bytes, byte: bytes, part: str
) -> None:
    with clocked.wire() as slow, clocked.wire() as quick:
        slow.sends(begun)
        quick.sends(WHOLE)
        assert quick.read_response().body == DATA
        calls = list(account.calls)
        for _ in range(9):
            clocked.advance(10)
            slow.sends(byte)
        clocked.advance(10)
        response = slow.read_response()
        assert response.status == 408
        assert part in response.refused()
        assert slow.closed()
    assert account.calls == calls


def test_head_and_body_each_have_the_whole_time_limit(clocked: ClockedServer) -> None:
    with clocked.wire() as connection:
        for _ in range(2):
            for part in (WHOLE[:20], WHOLE[20:-20], WHOLE[-20:]):
                clocked.advance(90)
                connection.sends(part)
            assert connection.read_response().body == DATA


@pytest.mark.parametrize("before", [b"", WHOLE])
@pytest.mark.parametrize("byte", [b"", b"\r\n"])
def test_idle_connection_is_closed_without_a_response(clocked: ClockedServer, before: bytes, byte: bytes) -> None:
    """Before the first request, and after one. Empty lines are not a request."""
    with clocked.wire() as connection:
        connection.sends(before)
        if before:
            assert connection.read_response().body == DATA
        for _ in range(19):
            clocked.advance(10)
            connection.sends(byte)
        clocked.advance(10)
        assert connection.closed()


def test_connection_used_within_the_idle_limit_stays_open(clocked: ClockedServer) -> None:
    with clocked.wire() as connection:
        for _ in range(3):
            clocked.advance(190)
            connection.sends(WHOLE)
            assert connection.read_response().body == DATA


def test_response_may_take_longer_than_the_time_limits() -> None:
    begun, release = threading.Event(), threading.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        begun.set()
        await asyncio.to_thread(release.wait, TIMEOUT_SECONDS)
        await responds_empty(send)

    with served_on_clock(waits, LIMITS) as server, server.wire() as connection:
        connection.sends(WHOLE)
        assert begun.wait(TIMEOUT_SECONDS)
        server.settle()
        for _ in range(10):
            server.advance(LIMITS.keep_alive_timeout_seconds)
        release.set()
        assert connection.read_response().status == 204


@pytest.mark.parametrize("bytes_at_a_time", [0, 16])
def test_client_that_reads_too_slowly_is_disconnected(bytes_at_a_time: int) -> None:
    ended = threading.Event()

    async def sends_much(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b" " * UNBUFFERED_BYTES, "more_body": True})
        await send({"type": "http.response.body"})
        ended.set()

    with served_on_clock(sends_much, LIMITS) as server, server.wire() as connection:
        connection.sends(WHOLE)
        for _ in range(TIMEOUT_SECONDS * 100):
            if ended.wait(0.01):
                break
            connection.socket.recv(bytes_at_a_time)
            server.advance(LIMITS.read_timeout_seconds / 2)
        assert ended.is_set()


def test_client_that_reads_fast_enough_gets_a_long_response() -> None:
    async def sends_much(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        headers = [(b"content-length", b"%d" % UNBUFFERED_BYTES)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b" " * UNBUFFERED_BYTES})

    with served_on_clock(sends_much, LIMITS) as server, server.wire() as connection:
        connection.sends(WHOLE)
        received = 0
        while received < UNBUFFERED_BYTES:
            data = connection.socket.recv(1_000_000)
            assert data, received
            received += len(data)
            # 300 kB/s, over at least 3 checks.
            server.advance(len(data) / 300_000)


def test_client_beyond_the_connection_limit_gets_503_while_others_are_served(settings: Settings) -> None:
    with served_gateway(settings, ConnectionLimits(connections=3)) as url, ExitStack() as opened:
        used, slow, silent = (opened.enter_context(wire(url)) for _ in range(3))
        used.sends(WHOLE)
        assert used.read_response().body == DATA
        slow.sends(WHOLE[:20])
        for _ in range(5):
            with wire(url) as newcomer:
                response = newcomer.read_response()
                assert response.status == 503
                assert "3 open connections" in response.refused("OVERLOADED")
                assert newcomer.closed()
        slow.sends(WHOLE[20:])
        used.sends(WHOLE)
        silent.sends(WHOLE)
        assert [connection.read_response().body for connection in (used, slow, silent)] == [DATA] * 3


def test_client_is_served_again_once_a_connection_is_closed(settings: Settings) -> None:
    with served_gateway(settings, ConnectionLimits(connections=1)) as url:
        for _ in range(3):
            with wire(url) as connection:
                connection.sends(WHOLE)
                assert connection.read_response().body == DATA
                connection.sends(b"\r\n" + WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
                assert connection.read_response().body == DATA
                assert connection.closed()


def test_head_limit_holds_behind_other_requests(clocked: ClockedServer) -> None:
    with clocked.wire() as connection:
        connection.sends(WHOLE + HALF_A_HEAD + b"y" * (2 * MAX_HEAD_BYTES))
        assert connection.read_response().body == DATA
        clocked.settle()
        connection.sends(b"\r\n\r\n")
        assert connection.read_response().status == 431
        assert connection.closed()


def test_head_limit_does_not_count_the_body_before_it(clocked: ClockedServer) -> None:
    padded = post(b"content-length: 200000", body=BODY + b" " * (200_000 - len(BODY)))
    with clocked.wire() as connection:
        connection.sends(padded[:-60_000])
        clocked.settle()
        connection.sends(padded[-60_000:] + WHOLE[:20])
        assert connection.read_response().body == DATA
        connection.sends(WHOLE[20:])
        assert connection.read_response().body == DATA


def protocol_of(receive: Receive) -> Any:
    """Return the protocol of a request. `receive` is a method of the exchange, and its callback one of the protocol."""
    receiver: Any = receive
    return receiver.__self__._on_complete.__self__  # noqa: SLF001  # A connection has no public name.


def test_state_follows_the_request_being_read() -> None:
    protocols: list[Any] = []
    release = threading.Semaphore(0)

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        protocols.append(protocol_of(receive))
        if scope["path"] != "/early":
            await asyncio.to_thread(release.acquire, timeout=TIMEOUT_SECONDS)
        await responds_empty(send)

    early = WHOLE.replace(b"/graphql", b"/early")
    head, body = WHOLE[:20], WHOLE[-20:]
    with served_on_clock(waits, LIMITS) as server, server.wire() as connection:

        def state_after(sent: bytes) -> str:
            connection.sends(sent)
            server.settle()
            return repr(protocols[0])

        assert state_after(WHOLE) == "<LimitedHttpProtocol [RESPONDING, responses to send: 1]>"
        assert state_after(head) == "<LimitedHttpProtocol [READING_HEAD, responses to send: 1]>"
        assert state_after(WHOLE[20:-20]) == "<LimitedHttpProtocol [READING_BODY, responses to send: 2]>"
        release.release()
        assert connection.read_response().status == 204
        assert state_after(b"") == "<LimitedHttpProtocol [READING_BODY, responses to send: 1]>"
        assert state_after(body) == "<LimitedHttpProtocol [RESPONDING, responses to send: 1]>"
        release.release()
        assert connection.read_response().status == 204
        assert state_after(b"") == "<LimitedHttpProtocol [IDLE, responses to send: 0]>"
        assert state_after(early[:-20]) == "<LimitedHttpProtocol [READING_BODY, responses to send: 0]>"
        assert state_after(body) == "<LimitedHttpProtocol [IDLE, responses to send: 0]>"
        assert connection.read_response().status == 204
        assert state_after(head) == "<LimitedHttpProtocol [READING_HEAD, responses to send: 0]>"
        assert state_after(b"x : y\r\n") == "<LimitedHttpProtocol [CLOSING, responses to send: 0]>"
        assert connection.read_response().status == 400


@pytest.mark.parametrize("behind", [GET + b"host: gateway\r\n\r\n", b"x : y\r\n\r\n"], ids=["a request", "no request"])
def test_bytes_behind_the_last_request_are_ignored_while_draining(behind: bytes) -> None:
    """The application responds before it has the whole body. The end of the body closes the connection."""
    protocols: list[Any] = []

    async def responds_early(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        protocols.append(protocol_of(receive))
        headers = [(b"content-length", b"%d" % UNBUFFERED_BYTES)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b" " * UNBUFFERED_BYTES})

    with served_on_clock(responds_early, LIMITS) as server, server.wire() as connection:
        connection.sends(HALF_A_BODY)
        received = len(connection.socket.recv(1))
        server.loop.call_soon_threadsafe(protocols[0].shutdown)
        server.settle()
        connection.sends(BODY[10:] + behind)
        server.settle()
        assert repr(protocols[0]) == "<LimitedHttpProtocol [CLOSING, responses to send: 0, draining]>"
        # A rejection would end the response after this time.
        server.advance(LINGER_SECONDS + 1)
        while data := connection.socket.recv(1_000_000):
            received += len(data)
    assert received > UNBUFFERED_BYTES
    assert len(protocols) == 1


@pytest.mark.parametrize("last", [b"", GET + b"\r\n", b"x : y\r\n\r\n"], ids=["a response", "no host", "malformed"])
def test_closed_connection_is_freed_without_the_garbage_collector(last: bytes) -> None:
    freed = threading.Event()

    async def responds(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        receiver: Any = receive
        weakref.finalize(receiver.__self__._on_complete.__self__, freed.set)  # noqa: SLF001  # A connection has no public name.
        await responds_empty(send)

    gc.disable()
    try:
        with served_on_clock(responds, LIMITS) as server, server.wire() as connection:
            connection.sends(WHOLE)
            assert connection.read_response().status == 204
            # The check of the timeouts notes which response was being read.
            server.advance(LIMITS.read_timeout_seconds + 1)
            connection.sends(last)
            if last:
                assert connection.read_response().status == 400
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.closed()
            server.settle()
            assert freed.is_set()
    finally:
        gc.enable()


def test_a_hundred_slow_clients_do_not_delay_others(clocked: ClockedServer) -> None:
    with ExitStack() as opened:
        slow = [opened.enter_context(clocked.wire()) for _ in range(100)]
        for index, connection in enumerate(slow):
            connection.sends(WHOLE[: (20, -20)[index % 2]])
        clocked.settle()
        with clocked.wire() as quick:
            quick.sends(WHOLE)
            assert quick.read_response().body == DATA
        for index, connection in enumerate(slow):
            connection.sends(WHOLE[(20, -20)[index % 2] :])
            assert connection.read_response().body == DATA
