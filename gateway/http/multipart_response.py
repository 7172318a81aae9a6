"""Incremental delivery: a `multipart/mixed` response with an initial part, and a part for each later result.

Parts are in one of two formats. The current one refers to pending results by id. The one of August 2022 refers to them
by path. Apollo Client 3 and 4.0, and clients of their time, read only the latter and request it by
`deferSpec=20220824`.

Source: GraphQL over HTTP, RFC "Incremental Delivery over HTTP"; GraphQL specification, pull request 1110, and its state
at commit 48cf726 for the format of 2022.
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

from gateway.errors import Headers
from gateway.execution.error_formatter import format_error
from gateway.http.content_negotiation import DEFER_2022, INCREMENTAL_V0_2
from gateway.telemetry.request_record import current_record

logger = logging.getLogger("gateway")

# The boundary is "-". It cannot occur within a part, because JSON escapes line ends within strings.
_BOUNDARY_LINE: Final = b"---"
_LAST_BOUNDARY_LINE: Final = b"-----\r\n"
_CONTENT_TYPE: Final = (b"content-type", b'multipart/mixed; boundary="-"')
_PART_HEAD: Final = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"


@dataclass(frozen=True, slots=True)
class MultipartResponse:
    """The response to one request, in parts.

    Attributes:
        incremental_format: INCREMENTAL_V0_2 or DEFER_2022.
        headers: All headers but the content type.
        has_body: Whether to send the parts. The response to HEAD has only headers.
    """

    incremental_format: str
    headers: Headers
    has_body: bool

    async def send(
        self,
        send: Send,
        results: ExperimentalIncrementalExecutionResults,
        extensions: Callable[[], dict[str, Any]],
    ) -> None:
        """Send the initial result, then each later result when it completes.

        At most one page is fetched before the client has read the parts so far.

        Args:
            send: ASGI's callable.
            results: The parts, as graphql-core makes them.
            extensions: Return the entry `extensions` as of now. The first part has it. The last part has it, too, if it
                has changed by then.
        """

        async def send_body(content: bytes, *, more: bool) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers, _CONTENT_TYPE]})
        if not self.has_body:
            await send_body(b"", more=False)
            return
        formatted, first_extensions = _FORMATS[self.incremental_format](), extensions()
        # The boundary that ends a part is sent with the part, so that the client can read it before the next one.
        part = _part(formatted.initial(results.initial_result) | first_extensions)
        await send_body(_BOUNDARY_LINE + part + _BOUNDARY_LINE, more=True)
        try:
            async with aclosing(results.subsequent_results) as subsequent:
                async for result in subsequent:
                    content = formatted.subsequent(result)
                    if not result.has_next and (last_extensions := extensions()) != first_extensions:
                        content |= last_extensions
                    end = _BOUNDARY_LINE if result.has_next else _LAST_BOUNDARY_LINE
                    await send_body(_part(content) + end, more=result.has_next)
        # The status has been sent. A body without the last boundary tells the client that the response is incomplete.
        # The request is cancelled when the server's shutdown timeout has passed or when the client disconnects.
        except asyncio.CancelledError:
            await send_body(b"", more=False)
        except Exception:
            logger.exception("request %s: the response failed after its first part", current_record().id)
            await send_body(b"", more=False)


def _part(content: dict[str, Any]) -> bytes:
    return _PART_HEAD + orjson.dumps(content) + b"\r\n"


class IncrementalFormat:
    """The current format, which is also graphql-core's."""

    def initial(self, result: InitialIncrementalExecutionResult) -> dict[str, Any]:
        """Return the content of the first part."""
        return {"data": result.data, **_errors(result.errors), **_pending(result.pending), "hasNext": True}

    def subsequent(self, result: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        """Return the content of a later part."""
        content: dict[str, Any] = _pending(result.pending)
        if result.incremental:
            content["incremental"] = [
                {
                    "id": each.id,
                    **({"items": each.items} if isinstance(each, IncrementalStreamResult) else {"data": each.data}),
                    **({"subPath": each.sub_path} if each.sub_path else {}),
                    **_errors(each.errors),
                }
                for each in result.incremental
            ]
        if result.completed:
            content["completed"] = [{"id": each.id, **_errors(each.errors)} for each in result.completed]
        return {**content, "hasNext": result.has_next}


class _PendingPath:
    """The path of a pending result, in the format of 2022.

    Attributes:
        index: The index of a stream's next item. It is None for a deferred fragment.
    """

    def __init__(self, pending: PendingResult) -> None:
        self.path = pending.path
        self.label = {} if pending.label is None else {"label": pending.label}
        self.index: int | None = None

    @property
    def next_path(self) -> list[str | int]:
        return self.path if self.index is None else [*self.path, self.index]


class Incremental2022Format:
    """The format of August 2022. Each item has its whole path. For a stream, the path ends with its first index."""

    def __init__(self) -> None:
        self._pending: dict[str, _PendingPath] = {}
        # Ids that became pending with the current result.
        self._new_ids: set[str] = set()

    def initial(self, result: InitialIncrementalExecutionResult) -> dict[str, Any]:
        """Return the content of the first part."""
        self._add_pending(result.pending)
        self._find_streams([([], result.data)])
        return {"data": result.data, **_errors(result.errors), "hasNext": True}

    def subsequent(self, result: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        """Return the content of a later part."""
        self._add_pending(result.pending)
        items: list[dict[str, Any]] = []
        for each in result.incremental or ():
            pending = self._pending[each.id]
            content: dict[str, Any]
            if isinstance(each, IncrementalStreamResult):
                content = {"path": pending.next_path, "items": each.items}
                start = pending.index or 0
                sent = [([*pending.path, index], item) for index, item in enumerate(each.items, start)]
                pending.index = start + len(each.items)
            else:
                content = {"path": [*pending.path, *(each.sub_path or ())], "data": each.data}
                sent = [(content["path"], each.data)]
            self._find_streams(sent)
            items.append({**content, **pending.label, **_errors(each.errors)})
        for completed in result.completed or ():
            pending = self._pending.pop(completed.id)
            self._new_ids.discard(completed.id)
            if completed.errors:
                missing: dict[str, Any] = {"data": None} if pending.index is None else {"items": None}
                items.append({"path": pending.next_path, **missing, **pending.label, **_errors(completed.errors)})
        return {**({"incremental": items} if items else {}), "hasNext": result.has_next}

    def _add_pending(self, pending: Sequence[PendingResult] | None) -> None:
        self._pending |= {each.id: _PendingPath(each) for each in pending or ()}
        self._new_ids = {each.id for each in pending or ()}

    def _find_streams(self, sent: Sequence[tuple[list[str | int], Any]]) -> None:
        """Set the index of each new stream. A stream continues a list that is sent together with its announcement.

        Args:
            sent: The paths and values of this part's results.
        """
        for pending_id in self._new_ids:
            pending = self._pending[pending_id]
            for path, value in sent:
                if pending.path[: len(path)] != path:
                    continue
                beginning = _value_at(value, pending.path[len(path) :])
                if isinstance(beginning, list) and pending.index is None:
                    pending.index = len(beginning)


def _pending(pending: Sequence[PendingResult] | None) -> dict[str, Any]:
    """Return the entry `pending`, or an empty dict without pending results."""
    if not pending:
        return {}
    return {
        "pending": [
            {"id": each.id, "path": each.path, **({} if each.label is None else {"label": each.label})}
            for each in pending
        ]
    }


def _errors(errors: Sequence[GraphQLError] | None) -> dict[str, Any]:
    """Return the entry `errors`, or an empty dict without errors."""
    return {"errors": [format_error(error) for error in errors]} if errors else {}


def _value_at(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path, or None if there is none."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


_FORMATS: Final[Mapping[str, type[IncrementalFormat | Incremental2022Format]]] = {
    INCREMENTAL_V0_2: IncrementalFormat,
    DEFER_2022: Incremental2022Format,
}
