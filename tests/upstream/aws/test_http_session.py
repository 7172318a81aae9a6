"""HTTP sessions: time-outs, cookies, responses without a length, and connections that are used again."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

import aiohttp
import pytest
from botocore.exceptions import HTTPClientError
from yarl import URL

from gateway.upstream.aws.http_session import HttpSession


@asynccontextmanager
async def responding(*responses: bytes) -> AsyncIterator[tuple[str, list[list[bytes]]]]:
    """Serve each connection these responses, then close it. Yield the address and the request heads by connection."""
    connections: list[list[bytes]] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads: list[bytes] = []
        connections.append(heads)
        for response in responses:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(response)
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(serve, "localhost", 0, family=socket.AF_INET)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}", connections
        await served.wait()


@contextmanager
def silent() -> Iterator[str]:
    """Accept connections, and send nothing. Yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("scheme", "seconds", "error"),
    [
        # The silent server never completes the handshake.
        ("https", (0.05, 60), aiohttp.ConnectionTimeoutError),
        ("http", (60, 0.05), aiohttp.SocketTimeoutError),
    ],
)
async def test_each_timeout_has_its_own_error(
    scheme: str, seconds: tuple[float, float], error: type[Exception]
) -> None:
    with silent() as address:
        async with HttpSession(timeout=seconds) as http:
            with pytest.raises(error):
                await asyncio.wait_for(http.get(URL(f"{scheme}://{address}/"), {}, None), timeout=20)


async def test_response_without_a_length_ends_with_its_connection() -> None:
    response = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 100_000
    async with responding(response) as (address, _), HttpSession(timeout=(5, 5)) as http:
        assert (await http.get(URL(f"http://{address}/"), {}, None))[2] == b"x" * 100_000


async def test_connection_is_used_again_and_cookies_are_not_kept() -> None:
    response = b"HTTP/1.1 200 OK\r\nset-cookie: session=1; path=/\r\ncontent-length: 2\r\n\r\n{}"
    async with responding(response, response) as (address, connections), HttpSession(timeout=(5, 5)) as http:
        for _ in range(2):
            assert (await http.get(URL(f"http://{address}/"), {}, None))[2] == b"{}"
    [heads] = connections
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http:///without-a-host"])
async def test_botocore_gets_its_own_error_if_a_request_cannot_be_sent(url: str) -> None:
    request = SimpleNamespace(method="POST", url=url, headers={"x": b"y"}, body=b"z")
    async with HttpSession(timeout=(5, 5)) as http:
        with pytest.raises(HTTPClientError):
            await http.send(request)
