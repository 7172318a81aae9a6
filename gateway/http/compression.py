"""Compression of responses by gzip or zstd. The parts of a streamed response are compressed and flushed one by one."""

import asyncio
import sys
import zlib
from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Send

from gateway.errors import Headers
from gateway.http.accept_encoding import GZIP, ZSTD

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A smaller body fits into one packet with its headers, so compressing it saves no time. nginx's example has 1,000.
MIN_BYTES: Final = 1024
# The fastest level. 99 numbers with cursors shrink from 71 kB to 16 kB by gzip in 0.2 ms. zlib's default level takes
# 0.5 ms for 14 kB (benchmarks/compression.py).
LEVEL: Final = 1
# Larger bodies and parts are compressed in a thread, so that the event loop does not wait. gzip takes 1 ms for so many
# bytes. Passing them to a thread takes 0.1 ms.
MAX_INLINE_BYTES: Final = 128 * 1024
# zlib's window of 32 kB, with gzip's head and checksum.
_GZIP_WBITS: Final = 31


class _Gzip:
    """A gzip stream.

    `part` returns the compressed bytes of a part, flushed so that the client can read all of it. `end` returns those of
    the last part, with the end of the stream.
    """

    def __init__(self) -> None:
        self._stream = zlib.compressobj(LEVEL, wbits=_GZIP_WBITS)

    def part(self, content: bytes) -> bytes:
        return self._stream.compress(content) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self, content: bytes) -> bytes:
        return self._stream.compress(content) + self._stream.flush()


class _Zstd:
    """A zstd stream, with the methods of the gzip stream."""

    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(LEVEL)

    def part(self, content: bytes) -> bytes:
        return self._stream.compress(content, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self, content: bytes) -> bytes:
        return self._stream.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)


COMPRESSORS: Final[Mapping[str, type[_Gzip | _Zstd]]] = {GZIP: _Gzip, ZSTD: _Zstd}


def compress(content: bytes, coding: str) -> bytes:
    """Return a whole body in a coding, GZIP or ZSTD."""
    return COMPRESSORS[coding]().end(content)


class CompressingSend:
    """A `send` that compresses one response.

    A whole body is compressed if it is large enough. A streamed body is always compressed, because its size is unknown
    when it begins. A response without a body stays as it is. The response to HEAD gets the headers of GET's.

    Args:
        send: ASGI's `send`.
        coding: GZIP or ZSTD.
        min_bytes: The size from which a body is compressed. It is above 0.
    """

    def __init__(self, send: Send, coding: str, min_bytes: int) -> None:
        self._send = send
        self._coding = coding
        self._min_bytes = min_bytes
        self._start: Message | None = None
        self._compressor: _Gzip | _Zstd | None = None

    async def __call__(self, message: Message) -> None:
        """Send a message of the response. Its head waits for the first part of the body, which decides its headers."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is None:
            await self._send({**message, "body": await self._compress(body, more=more)})
            return
        start, self._start = self._start, None
        names = {name for name, _ in start["headers"]}
        is_streamed = b"content-type" in names and b"content-length" not in names
        if is_streamed or len(body) >= self._min_bytes:
            self._compressor = COMPRESSORS[self._coding]()
            body = await self._compress(body, more=more)
            start = {**start, "headers": self._headers(start["headers"], None if is_streamed else len(body))}
        await self._send(start)
        await self._send({**message, "body": body})

    def _headers(self, headers: Headers, length: int | None) -> list[tuple[bytes, bytes]]:
        kept = [(name, value) for name, value in headers if name != b"content-length"]
        sized = [] if length is None else [(b"content-length", b"%d" % length)]
        return [*kept, (b"content-encoding", self._coding.encode()), *sized]

    async def _compress(self, content: bytes, *, more: bool) -> bytes:
        if self._compressor is None:
            return content
        compress = self._compressor.part if more else self._compressor.end
        return compress(content) if len(content) <= MAX_INLINE_BYTES else await asyncio.to_thread(compress, content)
