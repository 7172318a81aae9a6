"""An answer in parts: `multipart/mixed`, a part for what is there at once and one for each thing that follows.

The parts are in one of two forms. The present one names what is pending by an id; Apollo Client 3 and 4.0 and their
contemporaries know that of August 2022 alone, by paths, and say so (`deferSpec=20220824`).
Source: GraphQL over HTTP, RFC "Incremental Delivery over HTTP"; GraphQL specification, pull request 1110, and as it
was at commit 48cf726.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import orjson
from graphql import ExperimentalIncrementalExecutionResults, GraphQLError
from graphql.execution import (
    IncrementalStreamResult,
    InitialIncrementalExecutionResult,
    PendingResult,
    SubsequentIncrementalExecutionResult,
)
from starlette.types import Send

from gateway.http.content_negotiation import DEFER_2022, INCREMENTAL_V0_2, incremental_format

logger = logging.getLogger("gateway")

# No line of JSON can be it: within a text a line's end is escaped.
_LINE: Final = b"---"
_LAST_LINE: Final = b"-----\r\n"
_CONTENT_TYPE: Final = (b"content-type", b'multipart/mixed; boundary="-"')
_PART_HEAD: Final = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"

PresentError = Callable[[GraphQLError], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MultipartResponse:
    """How one request's answer goes out in parts.

    head: the answer's header fields but for its type. body: False to HEAD, which is told the head alone.
    """

    form: type["IncrementalFormat | Incremental2022Format"]
    sending: Send
    head: Sequence[tuple[bytes, bytes]]
    body: bool

    async def send(
        self,
        results: ExperimentalIncrementalExecutionResults,
        present: PresentError,
        extensions_now: Callable[[], dict[str, Any]],
        further_head: Sequence[tuple[bytes, bytes]],
    ) -> None:
        """Send what there is and what follows, as it comes: no more than one page is worked on before it is asked for.

        extensions_now: the entry that the first part has, and the last one where it is another by then.
        """
        form = self.form(present)
        head = [*self.head, *further_head, _CONTENT_TYPE]
        await self.sending({"type": "http.response.start", "status": 200, "headers": head})
        if not self.body:
            await self._body(b"", more=False)
            return
        extensions = extensions_now()
        # The line that ends a part goes with it, so that its reader need not wait for the next one.
        await self._body(_LINE + _part(form.first(results.initial_result) | extensions) + _LINE, more=True)
        try:
            async with aclosing(results.subsequent_results) as following:
                async for result in following:
                    content, end = form.following(result), _LINE if result.has_next else _LAST_LINE
                    if not result.has_next and (now := extensions_now()) != extensions:
                        content |= now
                    await self._body(_part(content) + end, more=result.has_next)
        # The head is out: an end without its mark tells the client. Cancelled it is by a server whose time to drain is
        # up, or because nobody reads it any more.
        except asyncio.CancelledError:
            await self._body(b"", more=False)
        except Exception:
            logger.exception("an answer in parts broke off")
            await self._body(b"", more=False)

    async def _body(self, content: bytes, *, more: bool) -> None:
        await self.sending({"type": "http.response.body", "body": content, "more_body": more})


def delivery_in_parts(
    accept: str, send: Send, head: Sequence[tuple[bytes, bytes]], *, body: bool
) -> MultipartResponse | None:
    """How a client is sent parts; None where its Accept takes none."""
    form = incremental_format(accept)
    return None if form is None else MultipartResponse(_FORMS[form], send, head, body)


def _part(content: dict[str, Any]) -> bytes:
    return _PART_HEAD + orjson.dumps(content) + b"\r\n"


class IncrementalFormat:
    """The present form: what graphql-core gives."""

    def __init__(self, present: PresentError) -> None:
        self._present = present

    def first(self, part: InitialIncrementalExecutionResult) -> dict[str, Any]:
        """What is there at once."""
        return {"data": part.data, **self._errors(part.errors), **self._pending(part.pending), "hasNext": True}

    def following(self, part: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        """What has come since."""
        content: dict[str, Any] = self._pending(part.pending)
        if part.incremental:
            content["incremental"] = [
                {
                    "id": each.id,
                    **({"items": each.items} if isinstance(each, IncrementalStreamResult) else {"data": each.data}),
                    **({"subPath": each.sub_path} if each.sub_path else {}),
                    **self._errors(each.errors),
                }
                for each in part.incremental
            ]
        if part.completed:
            content["completed"] = [{"id": each.id, **self._errors(each.errors)} for each in part.completed]
        return {**content, "hasNext": part.has_next}

    def _pending(self, pending: Sequence[PendingResult] | None) -> dict[str, Any]:
        if not pending:
            return {}
        return {
            "pending": [
                {"id": each.id, "path": each.path, **({} if each.label is None else {"label": each.label})}
                for each in pending
            ]
        }

    def _errors(self, errors: Sequence[GraphQLError] | None) -> dict[str, Any]:
        return {"errors": [self._present(error) for error in errors]} if errors else {}


class _Place:
    """What is pending in the form of 2022: where it goes, and, of a stream, the index that comes next."""

    def __init__(self, pending: PendingResult) -> None:
        self.path = pending.path
        self.label = {} if pending.label is None else {"label": pending.label}
        self.index: int | None = None

    @property
    def at(self) -> list[str | int]:
        return self.path if self.index is None else [*self.path, self.index]


class Incremental2022Format:
    """The form of August 2022: each piece says its whole path, a stream's the index of its first item as well."""

    def __init__(self, present: PresentError) -> None:
        self._present = present
        self._places: dict[str, _Place] = {}
        self._new: set[str] = set()

    def first(self, part: InitialIncrementalExecutionResult) -> dict[str, Any]:
        """What is there at once."""
        self._note(part.pending)
        self._find_streams([([], part.data)])
        return {"data": part.data, **self._errors(part.errors), "hasNext": True}

    def following(self, part: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        """What has come since."""
        self._note(part.pending)
        pieces: list[dict[str, Any]] = []
        for each in part.incremental or ():
            place = self._places[each.id]
            content: dict[str, Any]
            if isinstance(each, IncrementalStreamResult):
                content = {"path": place.at, "items": each.items}
                start = place.index or 0
                sent = [([*place.path, at], item) for at, item in enumerate(each.items, start)]
                place.index = start + len(each.items)
            else:
                content = {"path": [*place.path, *(each.sub_path or ())], "data": each.data}
                sent = [(content["path"], each.data)]
            self._find_streams(sent)
            pieces.append({**content, **place.label, **self._errors(each.errors)})
        for done in part.completed or ():
            place = self._places.pop(done.id)
            self._new.discard(done.id)
            if done.errors:
                nothing: dict[str, Any] = {"data": None} if place.index is None else {"items": None}
                pieces.append({"path": place.at, **nothing, **place.label, **self._errors(done.errors)})
        return {**({"incremental": pieces} if pieces else {}), "hasNext": part.has_next}

    def _note(self, pending: Sequence[PendingResult] | None) -> None:
        self._places |= {each.id: _Place(each) for each in pending or ()}
        self._new = {each.id for each in pending or ()}

    def _find_streams(self, sent: Sequence[tuple[list[str | int], Any]]) -> None:
        """Tell which of what is newly pending are streams: each goes on from a list that is sent along with it."""
        for name in self._new:
            place = self._places[name]
            for path, content in sent:
                begun = _found(content, place.path[len(path) :]) if place.path[: len(path)] == path else None
                if isinstance(begun, list) and place.index is None:
                    place.index = len(begun)

    def _errors(self, errors: Sequence[GraphQLError] | None) -> dict[str, Any]:
        return {"errors": [self._present(error) for error in errors]} if errors else {}


def _found(content: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return None
    return content


_FORMS: Final[Mapping[str, type[IncrementalFormat | Incremental2022Format]]] = {
    INCREMENTAL_V0_2: IncrementalFormat,
    DEFER_2022: Incremental2022Format,
}
