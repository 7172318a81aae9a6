"""A client of incremental delivery: it reads the parts of a response one by one and merges them, in both formats."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

INCREMENTAL_V0_2 = "multipart/mixed"
DEFER_2022 = "multipart/mixed;deferSpec=20220824, application/json"
_LINE = b"\r\n---"


class Parts:
    """The parts of one response, in the order of their arrival."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.headers["content-type"] == 'multipart/mixed; boundary="-"', response.headers
        self.response = response
        self._bytes = response.aiter_bytes()
        # The delimiter of the first part has no line break before it.
        self._read = b"\r\n"

    async def next(self) -> Any:
        """Return the next part. It is complete when the next delimiter has arrived."""
        while self._read.count(_LINE) < 2:
            self._read += await anext(self._bytes)
        before, part, rest = self._read.split(_LINE, 2)
        assert before == b""
        head, body = part.split(b"\r\n\r\n")
        assert head == b"\r\nContent-Type: application/json; charset=utf-8"
        self._read = _LINE + rest
        return json.loads(body)

    async def rest(self) -> list[Any]:
        """Return all further parts. Check the delimiter that ends the response."""
        parts = [await self.next()]
        while parts[-1]["hasNext"]:
            parts.append(await self.next())
        async for more in self._bytes:
            self._read += more
        assert self._read == _LINE + b"--\r\n"
        return parts


@asynccontextmanager
async def stream_parts(
    http: httpx.AsyncClient, document: str, *, accept: str = INCREMENTAL_V0_2, **body: Any
) -> AsyncIterator[Parts]:
    """Send a query, and read the parts of its response while the block runs."""
    headers = {"accept": accept}
    async with http.stream("POST", "/graphql", json={"query": document, **body}, headers=headers) as response:
        yield Parts(response)


async def fetch_parts(
    http: httpx.AsyncClient, document: str, *, accept: str = INCREMENTAL_V0_2, **body: Any
) -> list[Any]:
    """Return all parts of the response to a query."""
    async with stream_parts(http, document, accept=accept, **body) as parts:
        return await parts.rest()


def merge_parts(parts: Iterable[Any]) -> Any:
    """Return the data of all parts merged, by their ids or by their paths."""
    first, *following = parts
    data = first["data"]
    places: dict[str, list[Any]] = {each["id"]: each["path"] for each in first.get("pending", ())}
    for part in following:
        places |= {each["id"]: each["path"] for each in part.get("pending", ())}
        for piece in part.get("incremental", ()):
            if "id" in piece:
                path = [*places[piece["id"]], *piece.get("subPath", ())]
            else:
                path = piece["path"][:-1] if "items" in piece else piece["path"]
            place = data
            for key in path:
                place = place[key]
            if "items" in piece:
                assert "id" in piece or piece["path"][-1] == len(place)
                place.extend(piece["items"])
            else:
                _merge(place, piece["data"])
        for done in part.get("completed", ()):
            del places[done["id"]]
    assert places == {}
    return data


def _merge(whole: Any, part: Any) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            _merge(whole[key], value)
        else:
            whole[key] = value
