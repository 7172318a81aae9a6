"""Relay's connection, edge and page info, over gateway.paging."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from itertools import chain
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from gateway.context import RequestContext
from gateway.paging.arguments import read_page_arguments
from gateway.paging.pages import Row, RowRange, Slice, TokenList
from gateway.paging.paginator import Paginator
from gateway.schema.field_cost import PART_OF_RECORD, ROW, WHOLE_LIST

T = TypeVar("T")
R = TypeVar("R")

First = Annotated[
    int | None,
    strawberry.argument(
        description="How many to give from the start, or from `after` on: 0 to 1,000. Neither given: 50."
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="A cursor given out by this list: continue right after it.")
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="How many to give from the end, or up to `before`: 0 to 1,000. Without `before` the whole list is "
        "walked, within a bound.",
        directives=[WHOLE_LIST],
    ),
]
Before = Annotated[
    str | None, strawberry.argument(description="A cursor given out by this list: stop right before it.")
]


class Rows(Generic[T]):
    """What `edges` and `nodes` resolve to: awaited, all that was asked for; streamed, page by page."""

    def __init__(self, connection: "ListConnection[Any]", of: Callable[[RowRange[Any]], Sequence[T]]) -> None:
        self._connection = connection
        self._of = of

    def __await__(self) -> Generator[Any, Any, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return list(chain.from_iterable(map(self._of, (await self._connection.slice()).stretches)))

    def pages(self) -> AsyncIterator[tuple[list[T], bool]] | None:
        """The rows as their upstream pages come, and whether they are the last; None where all are needed to tell."""
        stretches = self._connection.pages()
        return None if stretches is None else self._pages(stretches)

    async def _pages(
        self, pages: AsyncIterator[tuple[list[RowRange[Any]], bool]]
    ) -> AsyncIterator[tuple[list[T], bool]]:
        async for stretches, ended in pages:
            yield list(chain.from_iterable(map(self._of, stretches))), ended


class ListConnection(Generic[R]):
    """What a connection field resolves to: a walk that nothing has been fetched for yet.

    Its methods are called while the executor collects the fields of one selection, and give awaitables: so all that is
    asked for is known before the first page is.
    """

    def __init__(
        self,
        context: RequestContext,
        source: TokenList[R],
        *,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
    ) -> None:
        self._window = read_page_arguments(
            first=_given(first),
            after=_given(after),
            last=_given(last),
            before=_given(before),
            scope=source.scope,
            max_size=context.settings.max_page_size,
        )
        self._walk = Paginator(source, max_pages=context.settings.max_upstream_pages)
        self._slice: asyncio.Task[Slice[R]] | None = None

    async def slice(self) -> Slice[R]:
        """The rows asked for; fetched once, whichever fields ask."""
        if self._slice is None:
            self._slice = asyncio.ensure_future(self._walk.slice(self._window))
        return await self._slice

    def pages(self) -> AsyncIterator[tuple[list[RowRange[R]], bool]] | None:
        """Walk.pages, of the pages that `slice` fetches; None backwards and with `before`."""
        window = self._window
        return None if window.backward or window.before is not None else self._walk.pages(window)

    def edges(self) -> Rows[Row[R]]:
        """The rows with their cursors."""
        return Rows(self, RowRange.edges)

    def nodes(self) -> Rows[R]:
        """The rows alone."""
        return Rows(self, RowRange.rows)

    def total_count(self) -> Awaitable[int]:
        """The rows of the whole list."""
        return self._walk.count()


def _given(value: T | None) -> T | None:
    # Not given and null mean the same; UNSET only keeps a default out of the schema.
    return None if value is strawberry.UNSET else value


def _edges(root: strawberry.Parent[Any]) -> Any:
    return root.edges()


def _nodes(root: strawberry.Parent[Any]) -> Any:
    return root.nodes()


def _page_info(root: strawberry.Parent[Any]) -> Any:
    return root.slice()


def _total_count(root: strawberry.Parent[Any]) -> Any:
    return root.total_count()


@strawberry.federation.type(shareable=True, description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo; every subgraph of a supergraph may have it, so it is shareable. Source: paging.page.Slice."""

    has_next_page: bool = strawberry.field(
        description="Whether more follow. It is what the upstream says: rarely, what follows turns out to be empty."
    )
    has_previous_page: bool = strawberry.field(description="Whether more come before.")
    start_cursor: str | None = strawberry.field(description="The first edge's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last edge's cursor; null on an empty page.")


@strawberry.type(description="One object of a list, and where it stands in it.")
class Edge(Generic[T]):
    """Relay's edge. Source: paging.pages.Row."""

    cursor: str = strawberry.field(
        description="Opaque. As `after` or `before` it continues right behind or in front of this edge, with any page "
        "size, for as long as the upstream accepts the page token within (24 hours in the emulator)."
    )
    node: T = strawberry.field(description="The object itself.", directives=[PART_OF_RECORD])


@strawberry.type(description="One page of a list, and ways on from it.")
class Connection(Generic[T]):
    """Relay's connection. Source: ListConnection."""

    edges: list[Edge[T]] = strawberry.field(
        resolver=_edges,
        description="The objects with their cursors. Costs one upstream call for each 99 (chime) or 100 "
        "(chime-sdk-voice) asked for, one more from a cursor within an upstream page. With `@stream` they are sent as "
        "these come.",
        directives=[ROW],
    )
    nodes: list[T] = strawberry.field(
        resolver=_nodes,
        description="The objects without their cursors. Shares the calls of `edges`, and streams like them.",
        directives=[ROW],
    )
    page_info: PageInfo = strawberry.field(
        resolver=_page_info,
        description="Where this page stands. Shares the calls of `edges`.",
        directives=[PART_OF_RECORD],
    )
    total_count: int | None = strawberry.field(
        resolver=_total_count,
        description="How many the whole list holds. The upstream does not say, so the list is walked: one call "
        "for each 99 or 100, shared with `edges`. Past a bound (20 pages unless set otherwise) null, with the "
        "error PAGE_LIMIT_EXCEEDED.",
        directives=[WHOLE_LIST],
    )
