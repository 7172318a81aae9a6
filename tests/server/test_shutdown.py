"""Shutdown of `chime-gateway serve`: requests in flight are completed, up to a time, and idle connections closed."""

import json
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.gated import gated_aws
from tests.support.processes import BIN, Started, environment, started
from tests.support.raw_http import post, wire

COMMAND = str(BIN / "chime-gateway")
HEALTHZ, READYZ, QUERY = (
    b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % path
    for path in (b"/healthz", b"/readyz", b"/graphql?query={__typename}")
)
WORKERS = ["1", pytest.param("2", marks=pytest.mark.slow)]


def query(number: int) -> dict[str, str]:
    """Return a query that shares its upstream call with no other query."""
    return {"query": f"{{ phoneNumbers(first: {number + 1}) {{ nodes {{ id }} }} }}"}


@contextmanager
def serving(home: Path, upstream: str, *options: str, lines: int = 3, **variables: str) -> Iterator[Started]:
    env = environment(
        home,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        GATEWAY_UPSTREAM_API="chime",
        GATEWAY_UPSTREAM_ENDPOINT_URL=upstream,
        **variables,
    )
    with started(COMMAND, "serve", "--port", "0", *options, env=env, lines=lines) as serve:
        yield serve


def admin_url(serve: Started) -> str:
    return serve.lines[3].split()[1].removesuffix("/metrics")


def shutdown_lines(serve: Started) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the log lines of an ended gateway at the beginning and at the end of its shutdown, one of each worker."""
    assert serve.process.stdout is not None
    lines = [json.loads(line) for line in serve.process.stdout.read().splitlines()]
    begins, ends = ([each for each in lines if each["event"] == f"shutdown {event}"] for event in ("begins", "ended"))
    return begins, ends


def url_of(serve: Started) -> str:
    return serve.lines[0].split()[1]


def wait_for_calls(calls: Sequence[str | bytes], times: int) -> None:
    """Wait until so many calls were made."""
    for _ in range(3000):
        if len(calls) >= times:
            return
        time.sleep(0.01)
    pytest.fail(f"{len(calls)} of {times} calls were made")


@contextmanager
def hanging_upstream() -> Iterator[tuple[str, list[bytes]]]:
    """Serve an upstream that never responds. Yield its URL and the calls that it receives."""
    calls: list[bytes] = []

    class NeverResponds(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while call := self.request.recv(65_536):
                calls.append(call)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), NeverResponds) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", calls
        finally:
            server.shutdown()


def wait_until_refused(url: str) -> None:
    parts = urlsplit(url)
    for _ in range(3000):
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=30).close()
        except ConnectionError:
            return
        time.sleep(0.01)
    pytest.fail("connections are still accepted")


@pytest.mark.parametrize("workers", WORKERS)
def test_shutdown_completes_requests_in_flight(tmp_path: Path, workers: str) -> None:
    with (
        gated_aws() as upstream,
        serving(tmp_path, upstream.url, "--workers", workers) as serve,
        ThreadPoolExecutor(20) as pool,
    ):
        upstream.hold_back()
        url = url_of(serve)
        requests = [pool.submit(httpx.post, url, json=query(each), timeout=60) for each in range(20)]
        wait_for_calls(upstream.calls, 20)
        serve.process.send_signal(signal.SIGTERM)
        wait_until_refused(url)
        upstream.release_all()
        responses = [request.result() for request in requests]
        assert [response.status_code for response in responses] == [200] * 20
        assert {response.text for response in responses} == {'{"data":{"phoneNumbers":{"nodes":[]}}}'}
        assert {response.headers["connection"] for response in responses} == {"close"}
        assert serve.process.wait(30) == 0
        begins, ends = shutdown_lines(serve)
        assert len(begins) == len(ends) == int(workers)
        assert sum(each["requests_in_flight"] for each in begins) == 20
        assert (sum(each["finished"] for each in ends), sum(each["cut_off"] for each in ends)) == (20, 0)


@pytest.mark.parametrize("workers", WORKERS)
def test_admin_port_responds_until_the_requests_in_flight_are_finished(tmp_path: Path, workers: str) -> None:
    """It is watched every 50 ms, by a new connection each time, as the kubelet and Prometheus watch it."""
    with (
        gated_aws() as upstream,
        serving(tmp_path, upstream.url, "--workers", workers, lines=4, GATEWAY_ADMIN_PORT="0") as serve,
        ThreadPoolExecutor(1) as pool,
        wire(admin_url(serve)) as scrape,
    ):
        admin = admin_url(serve)
        upstream.hold_back()
        assert httpx.get(f"{admin}/readyz", timeout=30).status_code == 503 or upstream.calls
        calls = len(upstream.calls)
        in_flight = pool.submit(httpx.post, url_of(serve), json=query(0), timeout=60)
        wait_for_calls(upstream.calls, calls + 1)
        scrape.sends(HEALTHZ + b"GET /metrics HTTP/1.1\r\n")
        assert scrape.read_response().status == 200
        serve.process.send_signal(signal.SIGTERM)
        wait_until_refused(url_of(serve))
        for _ in range(10):
            time.sleep(0.05)
            assert httpx.get(f"{admin}/healthz", timeout=30).status_code == 200
            ready = httpx.get(f"{admin}/readyz", timeout=30)
            assert (ready.status_code, ready.json()["reason"]) == (503, "this process is shutting down")
            assert "chime_gateway_requests_in_flight 1.0" in httpx.get(f"{admin}/metrics", timeout=30).text
        assert not in_flight.done()
        scrape.sends(b"host: localhost\r\n\r\n")
        response = scrape.read_response()
        assert (response.status, b"chime_gateway_requests_in_flight 1.0" in response.body) == (200, True)
        upstream.release_all()
        assert in_flight.result().status_code == 200
        assert serve.process.wait(30) == 0
        assert scrape.closed()


@pytest.mark.slow
def test_probe_in_flight_at_shutdown_gets_its_response(tmp_path: Path) -> None:
    """The upstream never responds, so the probe takes its whole 2 s."""
    with (
        hanging_upstream() as (url, calls),
        serving(tmp_path, url, lines=4, GATEWAY_ADMIN_PORT="0") as serve,
        ThreadPoolExecutor(1) as pool,
    ):
        probe = pool.submit(httpx.get, f"{admin_url(serve)}/readyz", timeout=60)
        wait_for_calls(calls, 1)
        assert serve.stop(signal.SIGTERM) == 0
        assert (probe.result().status_code, probe.result().json()["ready"]) == (503, False)


@pytest.mark.parametrize("workers", WORKERS)
def test_shutdown_ends_hanging_requests_after_the_drain_time(tmp_path: Path, workers: str) -> None:
    """Their deadline is 300 s, and the upstream never responds. A pipelined request behind one is never begun."""
    options = ("--workers", workers)
    times = {"GATEWAY_SHUTDOWN_TIMEOUT_SECONDS": "1", "GATEWAY_REQUEST_TIMEOUT_SECONDS": "300"}
    with (
        hanging_upstream() as (url, calls),
        serving(tmp_path, url, *options, lines=3, **times) as serve,
        ThreadPoolExecutor(2) as pool,
        wire(url_of(serve).removesuffix("/graphql")) as pipelined,
    ):
        hung = [pool.submit(httpx.post, url_of(serve), json=query(each), timeout=60) for each in range(2)]
        bodies = [json.dumps(query(each)).encode() for each in range(2, 5)]
        sent = (post(b"content-length: %d" % len(each), body=each, host=b"host: localhost") for each in bodies)
        pipelined.sends(b"".join(sent))
        wait_for_calls(calls, 3)
        assert serve.stop(signal.SIGTERM) == 0
        assert len(calls) == 3
        response = pipelined.read_response()
        assert (response.status, response.header("connection")) == (503, "close")
        assert pipelined.closed()
        ended = [each.result() for each in hung]
        assert [each.status_code for each in ended] == [503, 503]
        assert {each.json()["errors"][0]["extensions"]["code"] for each in ended} == {"SHUTTING_DOWN"}
        begins, ends = shutdown_lines(serve)
        assert sum(each["requests_in_flight"] for each in begins) == 5
        assert (sum(each["finished"] for each in ends), sum(each["cut_off"] for each in ends)) == (0, 5)
        assert all(each["seconds"] > 0 for each in ends)


@pytest.mark.parametrize("workers", WORKERS)
def test_shutdown_closes_idle_connections_and_serves_requests_begun_before(tmp_path: Path, workers: str) -> None:
    """One request is in flight all the while, so that the processes do not end before the others are checked."""
    with (
        gated_aws() as upstream,
        serving(tmp_path, upstream.url, "--workers", workers, GATEWAY_KEEP_ALIVE_TIMEOUT_SECONDS="600") as serve,
        ThreadPoolExecutor(1) as pool,
        ExitStack() as opened,
    ):
        upstream.hold_back()
        url = url_of(serve)
        used, unused, query_begun, readyz_begun = (
            opened.enter_context(wire(url.removesuffix("/graphql"))) for _ in range(4)
        )
        used.sends(HEALTHZ)
        # The response to the first request shows that the server has read the beginning of the second as well.
        query_begun.sends(HEALTHZ + QUERY[:20])
        readyz_begun.sends(HEALTHZ + READYZ[:20])
        assert [connection.read_response().status for connection in (used, query_begun, readyz_begun)] == [200] * 3
        in_flight = pool.submit(httpx.post, url, json=query(0), timeout=60)
        wait_for_calls(upstream.calls, 1)
        serve.process.send_signal(signal.SIGTERM)
        # Each worker notices the signal by itself.
        wait_until_refused(url)
        assert used.closed()
        assert unused.closed()
        query_begun.sends(QUERY[20:])
        readyz_begun.sends(READYZ[20:])
        response = query_begun.read_response()
        assert (response.status, response.header("connection")) == (200, "close")
        response = readyz_begun.read_response()
        assert (response.status, response.header("connection")) == (503, "close")
        assert json.loads(response.body) == {"ready": False, "reason": "this process is shutting down"}
        assert query_begun.closed()
        assert readyz_begun.closed()
        assert not in_flight.done()
        upstream.release_all()
        assert in_flight.result().status_code == 200
        assert serve.process.wait(30) == 0
