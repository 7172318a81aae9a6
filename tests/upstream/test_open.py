"""The gateway's connections to AWS."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.app import create_app
from gateway.errors import UpstreamUnreachable
from gateway.server.run import serving_in_thread
from gateway.settings import Settings
from gateway.upstream.aws.response_parser import parse_response
from gateway.upstream.aws.session import AwsKeyPair, aws_session
from gateway.upstream.call import UpstreamResponse
from gateway.upstream.open import open_upstream
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.retry import MAX_ATTEMPTS
from tests.conftest import Gateway
from tests.support.aws import Aws

NUMBERS = "{ phoneNumbers(first: 1) { nodes { id } } }"


@asynccontextmanager
async def hanging_up() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve an upstream that closes the connection on all but its first request. Yield the URL and the requests."""
    heads: list[bytes] = []
    response = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if len(heads) == 1:
            writer.write(response)
            heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", heads


async def test_broken_connection_is_tried_exactly_three_times() -> None:
    """A repeat by aiohttp, on a keep-alive connection, would be missing from our count."""
    async with hanging_up() as (url, heads):
        settings = Settings(upstream_api="chime", upstream_endpoint_url=url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with open_upstream(settings, AwsKeyPair("local", "local")) as upstream:
            deadline = asyncio.get_running_loop().time() + 10
            await upstream.list_phone_numbers(None, 1, requester=Requester(deadline))
            with pytest.raises(UpstreamUnreachable):
                await upstream.list_phone_numbers(None, 1, requester=Requester(deadline))
    assert len(heads) == 1 + MAX_ATTEMPTS


def test_memory_of_botocores_models_is_released_at_start_up(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    sessions: list[weakref.ref[Any]] = []

    def remembered_session(key_pair: AwsKeyPair | None) -> Any:
        session = aws_session(key_pair)
        sessions.append(weakref.ref(session))
        return session

    monkeypatch.setattr("gateway.upstream.aws.open_transport.aws_session", remembered_session)
    settings = Settings(upstream_api="chime", upstream_endpoint_url=aws.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
    app = create_app(settings, AwsKeyPair("local", "local"))
    # No other collection may release it first, or move it to the old objects.
    gc.disable()
    try:
        with serving_in_thread(app):
            assert [session() for session in sessions] == [None]
    finally:
        gc.enable()


async def test_connection_is_reused_for_successive_queries(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    for _ in range(5):
        await gateway.query(NUMBERS)
    assert len(aws.calls) == 5
    assert len(aws.clients) == 1


async def test_concurrent_calls_stay_within_the_setting(aws: Aws) -> None:
    aws.holds(inventory=20)
    aws.takes_ms(30)
    settings = Settings(upstream_api="chime", upstream_endpoint_url=aws.url, upstream_concurrency=3)  # type: ignore[arg-type]  # Pydantic parses the URL.
    async with open_upstream(settings, AwsKeyPair("local", "local")) as upstream:
        deadline = asyncio.get_running_loop().time() + 10
        await asyncio.gather(
            *(upstream.get_phone_number(f"+1206555{n:04d}", requester=Requester(deadline)) for n in range(20))
        )
    assert (aws.most_at_once, len(aws.calls), len(aws.clients)) == (3, 20, 3)


def test_response_body_is_returned_with_timestamps_as_text() -> None:
    body = b'{"PhoneNumber":{"CreatedTimestamp":"2019-08-12T22:10:20.504Z"}}'
    assert parse_response(200, {"x-amzn-requestid": "a-1"}, body, {"PhoneNumber"}) == UpstreamResponse(
        {"PhoneNumber": {"CreatedTimestamp": "2019-08-12T22:10:20.504Z"}}, len(body), 200, "a-1"
    )
