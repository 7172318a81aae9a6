"""One connection: what is refused as HTTP, how much is taken, and for how long a client is waited for."""

import asyncio
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from starlette.types import Receive, Scope, Send

from gateway.connection import MAX_PIPELINED
from gateway.request_checks import Limits
from gateway.settings import Settings, read_settings
from tests.aws import Aws, emulated_aws
from tests.edge.wire import PATIENCE_SECONDS, Wire, post, query, wire
from tests.scripted import lifespan
from tests.serving import served, served_gateway

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

IMPATIENT = Limits(receive_seconds=0.3, idle_seconds=0.5)
# Bytes that a slow client sends one by one, each after a pause; the server gives up long before the last.
SLOW_BYTES = 300
PAUSE_SECONDS = 0.05


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as aws:
        aws.holds(inventory=1)
        yield aws


@pytest.fixture(scope="module")
def settings(account: Aws) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=account.url)


@pytest.fixture(scope="module")
def patient(settings: Settings) -> Iterator[str]:
    """The URL of a gateway with the limits that it has by itself."""
    with served_gateway(settings) as url:
        yield url


@pytest.fixture(scope="module")
def impatient(settings: Settings) -> Iterator[str]:
    """The URL of one that waits for a moment only."""
    with served_gateway(settings, IMPATIENT) as url:
        yield url


@pytest.fixture(autouse=True)
def _none_asked_before(account: Aws) -> None:
    account.calls.clear()


def sends_slowly(connection: Wire, byte: bytes) -> bool:
    """Send a byte now and then until the server says something or closes; whether it did."""
    for _ in range(SLOW_BYTES):
        if select.select([connection.socket], [], [], PAUSE_SECONDS)[0]:
            return True
        connection.sends(byte)
    return False


REFUSED_AS_HTTP = {
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


@pytest.mark.parametrize("sent", REFUSED_AS_HTTP.values(), ids=REFUSED_AS_HTTP.keys())
def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    patient: str, account: Aws, sent: bytes
) -> None:
    with wire(patient) as connection:
        connection.sends(sent + WHOLE)
        answer = connection.answer()
        assert answer.status == 400
        assert answer.refused()
        assert connection.closed()
    assert account.calls == []


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b""])
def test_another_version_of_http_is_refused(patient: str, account: Aws, version: bytes) -> None:
    with wire(patient) as connection:
        connection.sends(GET.replace(b" HTTP/1.1", b" " + version if version else b"") + b"host: gateway\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 400
        assert answer.refused()
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
def test_requests_follow_each_other_on_a_connection_at_once_or_one_by_one(
    patient: str, account: Aws, sent: bytes
) -> None:
    with wire(patient) as connection:
        connection.sends(sent + WHOLE)
        assert [connection.answer().body for _ in range(2)] == [DATA, DATA]
        for byte in sent:
            connection.sends(bytes([byte]))
        assert connection.answer().body == DATA
    assert len(account.calls) == 3


def test_trailers_are_no_fields_of_the_head() -> None:
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
        assert connection.answer().status == 200
    assert [name for name, _ in fields] == [b"host", b"content-type", b"transfer-encoding"]


def test_a_body_is_sent_on_only_when_asked_for_and_never_one_that_is_too_large(patient: str) -> None:
    with wire(patient) as connection:
        connection.sends(post(LENGTH, b"expect: 100-continue", body=b""))
        assert connection.answer().status == 100
        connection.sends(BODY)
        assert connection.answer().body == DATA
        connection.sends(post(b"content-length: 1000001", b"expect: 100-continue", body=b""))
        assert connection.answer().status == 413
        assert connection.closed()


TOO_MUCH = {
    "a body by its length": (413, post(b"content-length: 1000001", body=b"")),
    "a body in chunks": (413, post(CHUNKED, body=(b"186a0\r\n" + b" " * 100_000 + b"\r\n") * 11)),
    "chunks that are mostly framing": (413, post(CHUNKED, body=b"1;" + b"x" * 2_100_000)),
    "a URL": (414, b"GET /graphql?query=" + b"a" * 8_192 + b" HTTP/1.1\r\nhost: gateway\r\n\r\n"),
    "a URL without an end": (414, b"GET /graphql?query=" + b"a" * 70_000),
    "fields": (431, post(*[b"x: y"] * 98, LENGTH, body=BODY)),
    "a field": (431, post(b"x: " + b"y" * 16_384, LENGTH, body=BODY)),
    "a field without an end": (431, HALF_A_HEAD + b"y" * 600_000),
}


@pytest.mark.parametrize(("status", "sent"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_more_than_is_taken_is_refused_as_soon_as_it_shows(
    patient: str, account: Aws, status: int, sent: bytes
) -> None:
    with wire(patient) as connection:
        connection.sends(sent)
        answer = connection.answer()
        assert answer.status == status
        assert any(character.isdigit() for character in answer.refused())
        assert connection.closed()
    assert account.calls == []


def test_as_much_as_is_taken_is_answered(patient: str) -> None:
    padded = BODY + b" " * (1_000_000 - len(BODY))
    url = GET.replace(b" HTTP", b"&x=" + b"a" * 8_000 + b" HTTP")
    with wire(patient) as connection:
        for sent in (
            post(b"content-length: 1000000", body=padded),
            post(*[b"x: y"] * 97, LENGTH, body=BODY),
            post(b"x: " + b"y" * 16_000, LENGTH, body=BODY),
            url + b"host: gateway\r\n\r\n",
        ):
            connection.sends(sent)
            assert connection.answer().body == DATA


def test_a_client_that_sends_on_still_reads_why_its_body_was_refused(patient: str) -> None:
    with wire(patient) as connection:
        connection.sends(post(b"content-length: 20000000", body=b" " * 20_000_000))
        assert connection.answer().status == 413


def test_a_pipeline_is_short(patient: str) -> None:
    with wire(patient) as connection:
        connection.sends(WHOLE * (MAX_PIPELINED + 2))
        assert connection.answer().status == 400
        assert connection.closed()


def test_what_is_under_way_ends_where_something_behind_it_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written behind the refusal, nor is the refusal written into an answer."""
    let_go, ended = threading.Event(), threading.Semaphore(0)

    async def says_its_head_and_waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.to_thread(let_go.wait, PATIENCE_SECONDS)
        if scope["path"] != "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"more"})
        ended.release()

    get, broken = b"GET %s HTTP/1.1\r\nhost: gateway\r\n\r\n", b"x : y\r\n\r\n"
    with served(says_its_head_and_waits) as url, wire(url) as half, wire(url) as none:
        half.sends(get % b"/half")
        assert half.answer().status == 200
        half.sends(get % b"/none" + broken)
        assert half.closed()
        none.sends(get % b"/none" + get % b"/none" + broken)
        assert none.answer().status == 400
        let_go.set()
        assert all(ended.acquire(timeout=PATIENCE_SECONDS) for _ in range(2))
        assert none.closed()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize(("begun", "byte", "part"), [(HALF_A_HEAD, b"y", "head"), (HALF_A_BODY, b" ", "body")])
def test_a_client_that_sends_slowly_is_given_up_while_others_are_answered(
    impatient: str, account: Aws, begun: bytes, byte: bytes, part: str
) -> None:
    with wire(impatient) as slow, wire(impatient) as quick:
        slow.sends(begun)
        quick.sends(WHOLE)
        assert quick.answer().body == DATA
        asked = list(account.calls)
        assert sends_slowly(slow, byte)
        answer = slow.answer()
        assert answer.status == 408
        assert part in answer.refused()
        assert slow.closed()
    assert account.calls == asked


@pytest.mark.parametrize("before", [b"", WHOLE])
@pytest.mark.parametrize("byte", [b"", b"\r\n"])
def test_a_connection_that_says_nothing_is_closed_without_a_word(impatient: str, before: bytes, byte: bytes) -> None:
    """Before its first request, and after one. Empty lines say nothing."""
    with wire(impatient) as connection:
        connection.sends(before)
        if before:
            assert connection.answer().body == DATA
        assert sends_slowly(connection, byte)
        assert connection.closed()


def test_a_request_may_take_longer_to_answer_than_to_send() -> None:
    """The time of what comes in is not that of what goes out."""

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        await asyncio.sleep(2 * (IMPATIENT.receive_seconds + IMPATIENT.idle_seconds))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with served(waits, IMPATIENT) as url, wire(url) as connection:
        connection.sends(WHOLE)
        assert connection.answer().status == 204


@pytest.mark.parametrize("bytes_at_a_time", [0, 16])
def test_a_client_that_does_not_take_its_answer_or_a_few_bytes_now_and_then_is_given_up(bytes_at_a_time: int) -> None:
    let_go = threading.Event()

    async def says_much(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        # More than any system keeps for a client that reads nothing; the rest is let go once the client is.
        await send({"type": "http.response.body", "body": b" " * 100_000_000, "more_body": True})
        await send({"type": "http.response.body"})
        let_go.set()

    with served(says_much, IMPATIENT) as url, wire(url) as connection:
        connection.sends(WHOLE)
        for _ in range(SLOW_BYTES):
            if let_go.wait(PAUSE_SECONDS):
                break
            connection.socket.recv(bytes_at_a_time)
        assert let_go.is_set()


def test_a_client_that_takes_its_answer_gets_all_of_it_however_long_it_is() -> None:
    async def says_much(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"40000000")]})
        await send({"type": "http.response.body", "body": b" " * 40_000_000})

    with served(says_much, Limits(receive_seconds=1, idle_seconds=1)) as url, wire(url) as connection:
        connection.sends(WHOLE)
        taken = 0
        while taken < 40_000_000:
            data = connection.socket.recv(1_000_000)
            assert data, taken
            taken += len(data)
            # So that the server looks several times at what is left.
            time.sleep(PAUSE_SECONDS)


def test_past_the_most_connections_the_one_that_was_silent_longest_makes_room(account: Aws) -> None:
    settings = read_settings(upstream_api="chime", upstream_endpoint_url=account.url)
    with served_gateway(settings, Limits(connections=3)) as url, ExitStack() as opened:
        connections = []
        for index in range(3):
            connections.append(opened.enter_context(wire(url)))
            connections[-1].sends(WHOLE if index == 1 else HALF_A_HEAD)
            if index == 1:
                assert connections[1].answer().body == DATA
        newcomer = opened.enter_context(wire(url))
        newcomer.sends(WHOLE)
        assert newcomer.answer().body == DATA
        assert connections[0].closed()
        connections[1].sends(WHOLE)
        assert connections[1].answer().body == DATA


def test_where_all_connections_wait_for_answers_a_newcomer_is_told_so() -> None:
    answering, let_go = threading.Event(), threading.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        answering.set()
        await asyncio.to_thread(let_go.wait, PATIENCE_SECONDS)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with served(waits, Limits(connections=1)) as url, wire(url) as first:
        first.sends(WHOLE)
        assert answering.wait(PATIENCE_SECONDS)
        with wire(url) as newcomer:
            answer = newcomer.answer()
            assert answer.status == 503
            assert "1 connections" in answer.refused("OVERLOADED")
            assert newcomer.closed()
        let_go.set()
        assert first.answer().status == 204


def test_a_hundred_slow_clients_leave_the_others_alone(patient: str) -> None:
    with ExitStack() as slow:
        connections = [slow.enter_context(wire(patient)) for _ in range(100)]
        for index, connection in enumerate(connections):
            connection.sends((HALF_A_HEAD, HALF_A_BODY)[index % 2])
        with wire(patient) as quick:
            quick.sends(WHOLE)
            assert quick.answer().body == DATA
        # It was answered while all of them were waited for.
        assert select.select([connection.socket for connection in connections], [], [], 0)[0] == []
