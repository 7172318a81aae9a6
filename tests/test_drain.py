"""How `chime-gateway serve` stops: no request in flight fails, none holds it up, and idle connections are let go of."""

import json
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.processes import BIN, Started, environment, started
from tests.scripted import Says, scripted_upstream

COMMAND = str(BIN / "chime-gateway")
PAGE = Says({"PhoneNumbers": []})
WORKERS = ["1", pytest.param("2", marks=pytest.mark.slow)]


def query(number: int) -> dict[str, str]:
    """A query whose upstream call is shared with no other's."""
    return {"query": f"{{ phoneNumbers(first: {number + 1}) {{ nodes {{ id }} }} }}"}


@contextmanager
def serving(home: Path, upstream: str, *options: str, **variables: str) -> Iterator[Started]:
    env = environment(
        home,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=upstream,
        **variables,
    )
    with started(COMMAND, "serve", "--port", "0", *options, env=env, lines=3) as serve:
        yield serve


def url_of(serve: Started) -> str:
    return serve.lines[0].split()[1]


def until_asked(asked: Sequence[str | bytes], times: int) -> None:
    """Wait until so many calls have come."""
    for _ in range(3000):
        if len(asked) >= times:
            return
        time.sleep(0.01)
    pytest.fail(f"{len(asked)} of {times} calls came")


@contextmanager
def hanging_upstream() -> Iterator[tuple[str, list[bytes]]]:
    """An upstream that hears each call, says nothing, and waits until the gateway leaves; its URL, and the calls."""
    asked: list[bytes] = []

    class Hears(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while call := self.request.recv(65_536):
                asked.append(call)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hears) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()


class Kept:
    """A connection that is kept, on which requests are sent one by one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = f"{parts.hostname}:{parts.port}"
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=30)

    def get(self, path: str) -> tuple[str, dict[str, str], bytes]:
        """Status line, header fields and body of the answer to a request."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._more()
        lines, _, body = head.partition(b"\r\n\r\n")
        status, *fields = lines.decode().split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        while len(body) < int(headers["content-length"]):
            body += self._more()
        return status, headers, body

    def is_closed(self) -> bool:
        """Wait for what comes next, the last thing that is looked at: whether it is the end."""
        with self._socket:
            return self._socket.recv(65_536) == b""

    def _more(self) -> bytes:
        more = self._socket.recv(65_536)
        assert more, "closed before the answer was out"
        return more


def until_nothing_is_accepted(url: str) -> None:
    parts = urlsplit(url)
    for _ in range(3000):
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=30).close()
        except ConnectionError:
            return
        time.sleep(0.01)
    pytest.fail("connections are still accepted")


@pytest.mark.parametrize("workers", WORKERS)
def test_of_twenty_requests_in_flight_none_fails(tmp_path: Path, workers: str) -> None:
    with (
        scripted_upstream(Says(PAGE.body, after_seconds=1.5)) as upstream,
        serving(tmp_path, upstream.url, "--workers", workers) as serve,
        ThreadPoolExecutor(20) as pool,
    ):
        answers = [pool.submit(httpx.post, url_of(serve), json=query(each), timeout=60) for each in range(20)]
        until_asked(upstream.asked, 20)
        serve.process.send_signal(signal.SIGTERM)
        done = [answer.result() for answer in answers]
        assert [answer.status_code for answer in done] == [200] * 20
        assert {answer.text for answer in done} == {'{"data":{"phoneNumbers":{"nodes":[]}}}'}
        assert {answer.headers["connection"] for answer in done} == {"close"}
        assert serve.process.wait(30) == 0


@pytest.mark.parametrize("workers", WORKERS)
def test_requests_that_hang_are_ended_at_the_setting(tmp_path: Path, workers: str) -> None:
    """Neither their deadline nor the upstream would end them in this test's time."""
    env = {"GATEWAY_DRAIN_SECONDS": "1", "GATEWAY_REQUEST_DEADLINE_SECONDS": "300"}
    with (
        hanging_upstream() as (url, asked),
        serving(tmp_path, url, "--workers", workers, **env) as serve,
        ThreadPoolExecutor(2) as pool,
    ):
        hung = [pool.submit(httpx.post, url_of(serve), json=query(each), timeout=60) for each in range(2)]
        until_asked(asked, 2)
        assert serve.stop(signal.SIGTERM) == 0
        ended = [each.result() for each in hung]
        assert [each.status_code for each in ended] == [503, 503]
        assert {each.json()["errors"][0]["extensions"]["code"] for each in ended} == {"SHUTTING_DOWN"}


@pytest.mark.parametrize("workers", WORKERS)
def test_while_it_stops_kept_connections_get_a_last_answer_and_idle_ones_are_closed(
    tmp_path: Path, workers: str
) -> None:
    """One request is in flight all the while, so that it does not stop before."""
    with (
        scripted_upstream(Says(PAGE.body, after_seconds=6)) as upstream,
        serving(tmp_path, upstream.url, "--workers", workers, GATEWAY_IDLE_SECONDS="600") as serve,
        ThreadPoolExecutor(1) as pool,
    ):
        url = url_of(serve)
        asking, asking_readyz, idle, silent = Kept(url), Kept(url), Kept(url), Kept(url)
        for kept in (asking, asking_readyz, idle):
            assert kept.get("/healthz")[0] == "HTTP/1.1 200 OK"
        slow = pool.submit(httpx.post, url, json=query(0), timeout=60)
        until_asked(upstream.asked, 1)
        serve.process.send_signal(signal.SIGTERM)
        until_nothing_is_accepted(url)
        status, headers, _ = asking.get("/graphql?query={__typename}")
        assert (status, headers["connection"]) == ("HTTP/1.1 200 OK", "close")
        status, headers, body = asking_readyz.get("/readyz")
        assert (status, headers["connection"]) == ("HTTP/1.1 503 Service Unavailable", "close")
        assert json.loads(body) == {"ready": False, "reason": "this process is stopping"}
        for kept in (asking, asking_readyz, idle, silent):
            assert kept.is_closed()
        assert not slow.done()
        assert slow.result().status_code == 200
        assert serve.process.wait(30) == 0
