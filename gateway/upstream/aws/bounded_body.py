"""The body of an HTTP answer, read no further than it may go: it is whoever answers that decides how long it is."""

import aiohttp


class BodyTooLong(Exception):
    """More bytes than were to be read; the rest was not."""


async def bounded_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, of so many bytes at most.

    Raises: BodyTooLong; aiohttp's ClientError; TimeoutError.
    """
    parts: list[bytes] = []
    left = most
    while part := await response.content.readany():
        left -= len(part)
        if left < 0:
            raise BodyTooLong(f"more than {most:,} bytes")
        parts.append(part)
    return b"".join(parts)
