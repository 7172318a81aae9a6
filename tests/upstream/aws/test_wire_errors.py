"""Upstreams that break HTTP or respond slowly. Each call ends in an error code before the request's deadline."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from gateway.settings import Settings
from gateway.upstream.aws.http_session import MAX_RESPONSE_BODY_BYTES
from tests.conftest import gateway_over
from tests.support.aws import e164, number_record
from tests.support.scripted import ScriptedResponse, scripted_upstream

NUMBERS = "{ phoneNumbers(first: 2) { nodes { id } } }"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

Responder = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def never(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter, drop: bytes) -> None:
    """Send `drop` repeatedly, each time sooner than any timeout between two reads."""
    while not writer.is_closing():
        writer.write(drop)
        await asyncio.sleep(0.05)


async def a_head_that_drips(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"x-slow: ")
    await drips(writer, b"a")


async def heads_that_drip(writer: asyncio.StreamWriter) -> None:
    await drips(writer, b"HTTP/1.1 100 Continue\r\n\r\n")


async def a_body_that_drips(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"content-length: 1000000\r\n\r\n")
    await drips(writer, b" ")


async def chunks_that_drip(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    await drips(writer, b"1\r\n \r\n")


async def a_reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def a_reset_amid_the_head(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await writer.drain()
    await a_reset(writer)


async def an_end_amid_the_body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b'content-length: 100\r\n\r\n{"PhoneNumbers": [')


async def an_end_without_a_word(_writer: asyncio.StreamWriter) -> None:
    return


async def a_tls_alert(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46")


async def a_greeting_in_smtp(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def a_head_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"x-long: " + b"a" * 1_000_000)


async def too_long_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % (MAX_RESPONSE_BODY_BYTES + 2_000_000))
    writer.write(b" " * (MAX_RESPONSE_BODY_BYTES + 2_000_000))


@asynccontextmanager
async def responding(response: Responder) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve this response to each request on a raw socket, then close it. Yield the URL and the requests."""
    heads: list[bytes] = []
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        gone = asyncio.ensure_future(reader.read())
        response_now = asyncio.ensure_future(response(writer))
        await asyncio.wait((gone, response_now), return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, response_now):
            task.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
        # Wait until the sockets are closed, before the loop closes.
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


def over(url: str, deadline: float) -> Settings:
    return Settings(upstream_api="chime", upstream_endpoint_url=url, request_timeout_seconds=deadline)  # type: ignore[arg-type]  # Pydantic parses the URL.


def codes(response: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in response["errors"]]


@pytest.mark.parametrize("response", [never, a_head_that_drips, heads_that_drip, a_body_that_drips, chunks_that_drip])
async def test_endless_response_times_out_at_the_deadline_after_one_call(response: Responder) -> None:
    async with responding(response) as (url, heads), gateway_over(over(url, 0.5)) as gateway:
        assert codes(await gateway.execute(NUMBERS)) == ["UPSTREAM_TIMEOUT"]
    assert len(heads) == 1


@pytest.mark.parametrize(
    "response",
    [a_reset, a_reset_amid_the_head, an_end_amid_the_body, an_end_without_a_word, a_tls_alert, a_greeting_in_smtp],
)
async def test_broken_connection_is_tried_three_times(response: Responder) -> None:
    async with responding(response) as (url, heads), gateway_over(over(url, 10)) as gateway:
        assert codes(await gateway.execute(NUMBERS)) == ["UPSTREAM_UNREACHABLE"]
    assert len(heads) == 3


@pytest.mark.parametrize(
    ("response", "code", "calls"),
    [(a_head_without_end, "UPSTREAM_UNREACHABLE", 3), (too_long_a_body, "UPSTREAM_BAD_RESPONSE", 1)],
)
async def test_oversized_response_is_not_read(response: Responder, code: str, calls: int) -> None:
    async with responding(response) as (url, heads), gateway_over(over(url, 10)) as gateway:
        assert codes(await gateway.execute(NUMBERS)) == [code]
    assert len(heads) == calls


async def test_walk_of_slow_pages_ends_at_the_request_deadline() -> None:
    """Each page alone is fast enough, but the deadline applies to all of them."""
    page = {"PhoneNumbers": [number_record(0)]}
    pages = [ScriptedResponse({**page, "NextToken": str(count)}, after_seconds=0.2) for count in range(100)]
    with scripted_upstream(*pages) as upstream:
        async with gateway_over(over(upstream.url, 1)) as gateway:
            assert codes(await gateway.execute("{ phoneNumbers(first: 1) { totalCount } }")) == ["UPSTREAM_TIMEOUT"]
        assert 2 <= len(upstream.requests) <= 5


async def test_many_slow_gets_end_at_the_request_deadline() -> None:
    aliases = " ".join(f'n{n}: phoneNumber(e164PhoneNumber: "{e164(n)}") {{ id }}' for n in range(10))
    with scripted_upstream(ScriptedResponse({}, after_seconds=60)) as upstream:
        async with gateway_over(over(upstream.url, 0.5)) as gateway:
            response = await gateway.execute(f"{{ {aliases} }}")
        assert set(codes(response)) == {"UPSTREAM_TIMEOUT"}
        assert len(response["errors"]) == 10
