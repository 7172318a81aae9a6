"""Compressed responses over HTTP: whole ones, streamed ones, and those that stay as they are."""

import asyncio
import gzip
import json
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gateway.http import compression
from gateway.http.compression import COMPRESSORS, MAX_INLINE_BYTES, MIN_BYTES, CompressingSend
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import e164
from tests.support.gated import GatedAws, gated_aws
from tests.support.multipart import INCREMENTAL_V0_2
from tests.support.serving import gateway_to_nowhere

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODINGS = pytest.mark.parametrize("coding", ["gzip", "zstd"])
DECOMPRESS = {"gzip": gzip.decompress, "zstd": zstd.decompress}
LISTED = "{ phoneNumbers(first: 99) { nodes { id e164PhoneNumber status createdTimestamp } } }"
TYPENAME = "{ __typename }"


@pytest.fixture
def aws() -> Iterator[GatedAws]:
    with gated_aws() as account:
        yield account


@pytest.fixture
def settings(aws: GatedAws) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=aws.url)


async def fetch(
    http: httpx.AsyncClient, document: str, accept_encoding: str, method: str = "POST"
) -> tuple[httpx.Response, bytes]:
    """Return a response and its body as it was sent."""
    sent: dict[str, Any] = {"json": {"query": document}} if method == "POST" else {"params": {"query": document}}
    headers = {"accept-encoding": accept_encoding}
    async with http.stream(method, "/graphql", headers=headers, **sent) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


@CODINGS
async def test_a_long_response_is_compressed(gateway: Gateway, aws: GatedAws, coding: str) -> None:
    aws.holds(inventory=99)
    plain, body = await fetch(gateway.http, LISTED, "identity")
    assert "content-encoding" not in plain.headers
    response, sent = await fetch(gateway.http, LISTED, coding)
    assert response.headers["content-encoding"] == coding
    assert response.headers["content-length"] == str(len(sent))
    assert len(sent) < len(body) / 4
    assert DECOMPRESS[coding](sent) == body
    assert response.headers["content-type"] == plain.headers["content-type"]


async def test_every_response_depends_on_accept_encoding(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=99)
    for document in (LISTED, TYPENAME, "{"):
        for accept_encoding in ("identity", "gzip", ""):
            response, _ = await fetch(gateway.http, document, accept_encoding)
            assert response.headers["vary"] == "Accept, Accept-Encoding"


async def test_a_short_response_is_not_compressed(gateway: Gateway) -> None:
    response, sent = await fetch(gateway.http, TYPENAME, "gzip, zstd")
    assert "content-encoding" not in response.headers
    assert len(sent) < MIN_BYTES
    assert json.loads(sent) == {"data": {"__typename": "Query"}}


async def test_the_limit_is_a_kibibyte(gateway: Gateway) -> None:
    async def compressed(length: int) -> bool:
        aliases = " ".join(f"{'a' * 99}{index}: __typename" for index in range(8))
        document = f"{{ {aliases} {'b' * length}: __typename }}"
        response, sent = await fetch(gateway.http, document, "gzip")
        is_compressed = "content-encoding" in response.headers
        sizes.append(len(gzip.decompress(sent) if is_compressed else sent))
        return is_compressed

    sizes: list[int] = []
    kinds = [await compressed(length) for length in range(1, 129)]
    assert [size >= MIN_BYTES for size in sizes] == kinds
    assert MIN_BYTES - 1 in sizes
    assert MIN_BYTES in sizes


@CODINGS
async def test_a_long_error_is_compressed(gateway: Gateway, coding: str) -> None:
    document = "{ " + " ".join(f"{'x' * 100}{index}" for index in range(9)) + " }"
    response, sent = await fetch(gateway.http, document, coding)
    assert response.headers["content-encoding"] == coding
    assert [error["extensions"]["code"] for error in json.loads(DECOMPRESS[coding](sent))["errors"]] == [
        "GRAPHQL_VALIDATION_FAILED"
    ] * 9


@CODINGS
async def test_a_client_that_excludes_identity_gets_a_short_response_compressed(gateway: Gateway, coding: str) -> None:
    for document in (TYPENAME, "{"):
        response, sent = await fetch(gateway.http, document, f"{coding}, identity;q=0")
        assert response.headers["content-encoding"] == coding
        assert isinstance(json.loads(DECOMPRESS[coding](sent)), dict)


@pytest.mark.parametrize("accept_encoding", ["identity;q=0", "br, *;q=0", "br, identity;q=0"])
async def test_a_client_that_can_read_no_coding_gets_406(gateway: Gateway, aws: GatedAws, accept_encoding: str) -> None:
    response, sent = await fetch(gateway.http, LISTED, accept_encoding)
    assert response.status_code == 406
    assert "content-encoding" not in response.headers
    [error] = json.loads(sent)["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "Accept one of zstd, gzip, identity." in error["message"]
    assert aws.calls == []


@pytest.mark.parametrize("accept", ["application/json", INCREMENTAL_V0_2])
@CODINGS
async def test_head_has_the_headers_of_get(gateway: Gateway, aws: GatedAws, coding: str, accept: str) -> None:
    aws.holds(inventory=99)
    gateway.http.headers["accept"] = accept
    document = "{ phoneNumbers(first: 99) { nodes @stream { id e164PhoneNumber status createdTimestamp } } }"
    got, body = await fetch(gateway.http, document, coding, "GET")
    head, nothing = await fetch(gateway.http, document, coding, "HEAD")
    assert body
    assert nothing == b""
    assert head.headers["content-encoding"] == coding
    variable = {"x-request-id": "", "date": ""}
    # HTTP frames a body, and HEAD has none.
    framing = {"transfer-encoding": "chunked"}
    assert {**framing, **head.headers, **variable} == {**framing, **got.headers, **variable}


async def test_a_response_without_a_body_has_no_coding(gateway: Gateway) -> None:
    response = await gateway.http.options("/graphql", headers={"accept-encoding": "gzip, identity;q=0"})
    assert (response.status_code, response.content) == (204, b"")
    assert "content-encoding" not in response.headers


async def test_compression_can_be_turned_off(aws: GatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_COMPRESSION", "false")
    aws.holds(inventory=99)
    async with gateway_over(read_settings(upstream_api="chime", upstream_endpoint_url=aws.url)) as gateway:
        response, sent = await fetch(gateway.http, LISTED, "gzip, zstd")
        assert "content-encoding" not in response.headers
        assert response.headers["vary"] == "Accept"
        assert len(json.loads(sent)["data"]["phoneNumbers"]["nodes"]) == 99
        refused, _ = await fetch(gateway.http, LISTED, "gzip, identity;q=0")
        assert refused.status_code == 406


def test_admin_endpoints_are_not_compressed() -> None:
    with gateway_to_nowhere() as http:
        for path in ("/healthz", "/metrics"):
            assert "content-encoding" not in http.get(path, headers={"accept-encoding": "gzip"}).headers


# Streamed responses


class _Reader:
    """A client that decompresses what has arrived, as browsers do."""

    def __init__(self, response: httpx.Response, coding: str) -> None:
        self._chunks: AsyncIterator[bytes] = response.aiter_raw()
        self._decompress = (
            zlib.decompressobj(wbits=31).decompress if coding == "gzip" else zstd.ZstdDecompressor().decompress
        )
        self.text = ""

    async def reads(self, expected: str) -> None:
        """Read until the text holds the expected one. Fail if the response ends before."""
        while expected not in self.text:
            self.text += self._decompress(await anext(self._chunks)).decode()

    async def reads_all(self) -> None:
        async for chunk in self._chunks:
            self.text += self._decompress(chunk).decode()


@CODINGS
async def test_each_part_can_be_read_while_the_next_is_in_flight(gateway: Gateway, aws: GatedAws, coding: str) -> None:
    aws.holds(inventory=250)
    aws.hold_back()
    document = "{ phoneNumbers(first: 250) { nodes @stream(initialCount: 99) { e164PhoneNumber } } }"
    headers = {"accept": INCREMENTAL_V0_2, "accept-encoding": coding}
    aws.release(1)
    async with gateway.http.stream("POST", "/graphql", json={"query": document}, headers=headers) as response:
        assert response.headers["content-encoding"] == coding
        assert response.headers["vary"] == "Accept, Accept-Encoding"
        assert "content-length" not in response.headers
        reader = _Reader(response, coding)
        await reader.reads(f'"{e164(98)}"')
        assert aws.responded == 1
        aws.release(1)
        await reader.reads(f'"{e164(197)}"')
        assert aws.responded == 2
        aws.release(1)
        await reader.reads_all()
    assert reader.text.endswith("\r\n-----\r\n")
    assert reader.text.count('"e164PhoneNumber"') == 250


class _Sent(list[dict[str, Any]]):
    async def __call__(self, message: Any) -> None:
        self.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self[1:])


@CODINGS
async def test_the_event_loop_runs_while_a_large_body_is_compressed(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_ran = threading.Event()

    class WaitingCompressor:
        def __init__(self) -> None:
            self._compressor = COMPRESSORS[coding]()

        def end(self, content: bytes) -> bytes:
            assert loop_ran.wait(10)
            return self._compressor.end(content)

    monkeypatch.setattr(compression, "COMPRESSORS", {coding: WaitingCompressor})
    body = json.dumps(list(range(MAX_INLINE_BYTES))).encode()
    sent = _Sent()
    send = CompressingSend(sent, coding, MIN_BYTES)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    asyncio.get_running_loop().call_soon(loop_ran.set)
    await send({"type": "http.response.body", "body": body})
    assert DECOMPRESS[coding](sent.body) == body
    assert (b"content-length", b"%d" % len(sent.body)) in sent[0]["headers"]
