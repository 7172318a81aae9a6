"""Relay's connection, edge and page info, resolved by gateway.paging."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from itertools import chain
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from gateway.context import RequestContext
from gateway.paging.arguments import PageArguments, read_page_arguments
from gateway.paging.pages import Row, RowRange, Slice
from gateway.paging.paginator import Paginator
from gateway.paging.sorted_paginator import SortedPaginator
from gateway.paging.token_list import TokenList
from gateway.schema.field_cost import PART_OF_RECORD, ROW, WHOLE_LIST
from gateway.schema.fields import RowsField
from gateway.schema.semantic_nullability import NULL_ONLY_IF_ERROR
from gateway.telemetry.request_record import current_record

T = TypeVar("T")
R = TypeVar("R")

First = Annotated[
    int | None,
    strawberry.argument(
        description="Number of rows from the start of the list, or after the cursor `after`: 0 to 1,000. The default "
        "is 50, unless `last` is set."
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="A cursor from this list. The page starts with the row after it.")
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="Number of rows from the end of the list, or before the cursor `before`: 0 to 1,000. Without "
        "`before`, the gateway reads the whole list, up to its page limit.",
        directives=[WHOLE_LIST],
    ),
]
Before = Annotated[
    str | None, strawberry.argument(description="A cursor from this list. The page ends with the row before it.")
]


class Rows(Generic[T]):
    """The value of `edges` and `nodes`. Await it for all rows of the page, or stream it by upstream pages."""

    def __init__(self, connection: "ListConnection[Any]", of: Callable[[RowRange[Any]], Sequence[T]]) -> None:
        self._connection = connection
        self._of = of

    def __await__(self) -> Generator[Any, Any, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        rows = list(chain.from_iterable(map(self._of, (await self._connection.slice()).ranges)))
        self._connection.note_rows(len(rows))
        return rows

    def pages(self) -> AsyncIterator[tuple[list[T], bool]] | None:
        """Return the rows of each upstream page, and whether it is the last, if the rows can be streamed."""
        pages = self._connection.pages()
        return None if pages is None else self._pages(pages)

    async def _pages(
        self, pages: AsyncIterator[tuple[list[RowRange[Any]], bool]]
    ) -> AsyncIterator[tuple[list[T], bool]]:
        returned = 0
        async for ranges, ended in pages:
            rows = list(chain.from_iterable(map(self._of, ranges)))
            returned += len(rows)
            self._connection.note_rows(returned)
            yield rows, ended


class FetchedRows(Generic[R]):
    """The fetched rows of a connection, with an attribute for each field that needs the rows alone (RowsField)."""

    __slots__ = ("_note_rows", "page_info")

    def __init__(self, slice_: Slice[R], note_rows: Callable[[int], None]) -> None:
        self.page_info = slice_
        self._note_rows = note_rows

    @property
    def nodes(self) -> list[R]:
        """The rows without their cursors."""
        rows = self.page_info.rows()
        self._note_rows(len(rows))
        return rows

    def project_nodes(self, project: Callable[[Sequence[R]], list[Any]]) -> list[Any]:
        """Return the response's part for each row. Requests that share a page share its part."""
        projected = self.page_info.project(project)
        self._note_rows(len(projected))
        return projected

    @property
    def edges(self) -> list[Row[R]]:
        """The rows with their cursors."""
        rows = self.page_info.edges()
        self._note_rows(len(rows))
        return rows


class ListConnection(Generic[R]):
    """The value of a connection field. It has fetched no page yet.

    The executor calls its methods while it resolves the fields of one selection, and the methods return awaitables. So
    all requested fields are known before the first page is fetched. If the rows are all that the fields need, the
    executor fetches them by one call instead, which saves a task for each field.
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
        max_pages = context.settings.max_upstream_pages
        # The two have cursors of different forms, so their page arguments hold positions of different types.
        self._paginator: Paginator[R] | SortedPaginator[R] = (
            Paginator(source, max_pages=max_pages)
            if source.order is None
            else SortedPaginator(source, source.order, max_pages=max_pages)
        )
        self._arguments: PageArguments[Any] = read_page_arguments(
            first=_or_none(first),
            after=_or_none(after),
            last=_or_none(last),
            before=_or_none(before),
            read_cursor=self._paginator.read_cursor,
            max_size=context.settings.max_page_size,
        )
        self._slice: asyncio.Future[Slice[R]] | None = None
        self._noted_rows = 0

    def note_rows(self, returned: int) -> None:
        """Note in the request record that a field has returned so many rows. `edges` and `nodes` hold the same rows."""
        if returned > self._noted_rows:
            current_record().rows += returned - self._noted_rows
            self._noted_rows = returned

    async def fetch(self) -> FetchedRows[R]:
        """Fetch the requested rows. Call it before any other method. `slice` returns the same rows or error later.

        Raises:
            PageLimitExceeded: If `last` or `sort` needs more pages than the page limit.
            GatewayError: If a page cannot be fetched.
        """
        self._slice = asyncio.get_running_loop().create_future()
        try:
            fetched = await self._paginator.slice(self._arguments)
        except Exception as error:
            # Any error, or the fields would wait for ever.
            self._slice.set_exception(error)
            raise
        self._slice.set_result(fetched)
        return FetchedRows(fetched, self.note_rows)

    async def slice(self) -> Slice[R]:
        """Return the requested rows. Fetch them once for all fields."""
        if self._slice is None:
            self._slice = asyncio.ensure_future(self._paginator.slice(self._arguments))
        return await self._slice

    def pages(self) -> AsyncIterator[tuple[list[RowRange[R]], bool]] | None:
        """Return the rows of `slice` in parts, as they arrive, if they can be known one by one."""
        return self._paginator.pages(self._arguments)

    def edges(self) -> Rows[Row[R]]:
        """Return the rows with their cursors."""
        return Rows(self, RowRange.edges)

    def nodes(self) -> Rows[R]:
        """Return the rows without their cursors."""
        return Rows(self, RowRange.rows)

    def page_info(self) -> Awaitable[Slice[R]]:
        """Return the position of the page."""
        return self.slice()

    def total_count(self) -> Awaitable[int]:
        """Return the number of rows of the whole list."""
        return self._paginator.count()

    def all_rows(self) -> Awaitable[Sequence[R]]:
        """Return the rows of the whole list."""
        return self._paginator.all_rows()


def _or_none(value: T | None) -> T | None:
    # A missing argument and null mean the same. UNSET only keeps a default out of the schema.
    return None if value is strawberry.UNSET else value


def _edges(root: strawberry.Parent[Any]) -> Any:
    return root.edges()


def _nodes(root: strawberry.Parent[Any]) -> Any:
    return root.nodes()


def _page_info(root: strawberry.Parent[Any]) -> Any:
    return root.page_info()


def _total_count(root: strawberry.Parent[Any]) -> Any:
    return root.total_count()


def _all_rows(root: strawberry.Parent[Any]) -> Any:
    return root.all_rows()


def _rows_field(resolver: Any, description: str, directives: Sequence[object]) -> Any:
    """Declare a field of a connection that needs the rows of its page and nothing else."""
    return RowsField(description=description, directives=directives)(resolver)


def facets_field(rows: str) -> Any:
    """Declare the field `facets` of a connection. Its source is all rows of the list.

    Args:
        rows: The rows in a sentence.
    """
    return strawberry.field(
        resolver=_all_rows,
        description=f"How many {rows} of the whole list have each value, for the choices of a filter. The gateway "
        "reads the list as for `totalCount`, and both share the upstream calls. If the list exceeds the page limit, "
        "it is null with the error PAGE_LIMIT_EXCEEDED.",
        directives=[WHOLE_LIST, NULL_ONLY_IF_ERROR],
    )


@strawberry.federation.type(shareable=True, description="The position of a page in its list.")
class PageInfo:
    """Relay's PageInfo. It is shareable, because other subgraphs have it too. Source: gateway.paging.pages.Slice."""

    has_next_page: bool = strawberry.field(
        description="Whether more rows follow. It repeats what AWS says. In rare cases, the next page is empty. It is "
        "also true if the page limit was reached before the end of the list, such as with a filter that few rows match."
    )
    has_previous_page: bool = strawberry.field(description="Whether rows come before this page.")
    start_cursor: str | None = strawberry.field(description="The first edge's cursor. Null if the page is empty.")
    end_cursor: str | None = strawberry.field(
        description="The last edge's cursor. Pass it as `after` for the next page. Null if the page is empty, unless "
        "it ended at the page limit, such as with a filter that few rows match. Then it is the cursor of the last row "
        "that was read."
    )


@strawberry.type(description="One row of a list, and its cursor.")
class Edge(Generic[T]):
    """Relay's edge. Source: gateway.paging.pages.Row."""

    cursor: str = strawberry.field(
        description="The row's position, for `after` and `before`. It is opaque, and works with any page size. It "
        "expires with the AWS page token inside it (after 24 hours in the emulator), unless the list is sorted."
    )
    node: T = strawberry.field(description="The object itself.", directives=[PART_OF_RECORD])


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's connection. Source: ListConnection."""

    edges: list[Edge[T]] = _rows_field(
        _edges,
        description="The rows with their cursors. Each 99 rows (chime API) or 100 rows (chime-sdk-voice API) cost one "
        "upstream call. A cursor in the middle of an upstream page costs one more. For a filter that the gateway "
        "applies, pages are read until enough rows match. A sorted list is read as a whole. "
        "With `@stream`, rows are sent as each upstream page arrives, or in parts after a sorted list is complete.",
        directives=[ROW],
    )
    nodes: list[T] = _rows_field(
        _nodes,
        description="The rows without their cursors. They share the upstream calls of `edges` and can be streamed too.",
        directives=[ROW],
    )
    page_info: PageInfo = _rows_field(
        _page_info,
        description="The position of this page. It shares the upstream calls of `edges`.",
        directives=[PART_OF_RECORD],
    )
    total_count: int | None = strawberry.field(
        resolver=_total_count,
        description="The number of rows in the whole list. AWS does not report it, so the gateway reads the list: one "
        "upstream call for each 99 or 100 rows, shared with `edges`. If the list exceeds the page limit (20 upstream "
        "pages by default), it is null with the error PAGE_LIMIT_EXCEEDED.",
        directives=[WHOLE_LIST, NULL_ONLY_IF_ERROR],
    )
