"""`@defer` and `@stream`: results in parts for clients that accept them, and in one piece for others.

graphql-core's incremental delivery plans the deferred parts and publishes them. For a stream, it makes a task and a
queue entry for each item. This module makes one for each upstream page instead.

Source: GraphQL specification, pull request 1110, "Incremental delivery".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, NamedTuple

from graphql import GraphQLObjectType, located_error
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList
from graphql.execution.executor import StreamUsage
from graphql.execution.incremental import IncrementalExecutor as GraphQLIncrementalExecutor
from graphql.execution.incremental import ItemStream, StreamItemValue, WorkResult
from graphql.pyutils import Path

from gateway.errors import BadUserInput
from gateway.execution.projecting_executor import ProjectingExecutor
from gateway.execution.projection import Projection
from gateway.schema.connection import Rows


class NonIncrementalExecutor(ProjectingExecutor):
    """An executor that ignores both directives, and returns one piece. A server may always do so."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Both executors cache projections in the same document, so their keys must differ.
        self._switches = (("non-incremental", True), *self._switches)

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> CollectedFields:
        """Collect all fields, including deferred ones."""
        return super().collect_subfields(return_type, field_details_list)._replace(new_defer_usages=[])

    def get_stream_usage(self, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
        """Check the directive's arguments, and return None, which means that the field is not streamed."""
        _stream_usage(super(), field_details_list, path)
        return None


class IncrementalExecutor(ProjectingExecutor, GraphQLIncrementalExecutor):
    """An executor that returns parts. If a connection is streamed, each upstream page is one part."""

    def _needs_only_rows(self, _return_type: GraphQLObjectType, _field_details_list: FieldDetailsList) -> bool:
        """Return False, because a streamed field fetches its rows page by page."""
        return False

    def get_stream_usage(self, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
        """Return how a field is streamed, or None if it is not.

        Raises:
            BadUserInput: If the directive's arguments are not valid.
        """
        return _stream_usage(super(), field_details_list, path)

    async def complete_awaitable_value(
        self,
        return_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete an awaited value, or the rows of a connection as their pages arrive."""
        if isinstance(result, Rows):
            result = self._rows(result, field_details_list, path)
        return await super().complete_awaitable_value(
            return_type, field_details_list, info, path, result, position_context
        )

    async def _rows(self, rows: Rows[Any], field_details_list: FieldDetailsList, path: Path) -> Any:
        pages = rows.pages() if self.get_stream_usage(field_details_list, path) else None
        return await rows if pages is None else _Items(pages)

    def handle_stream(
        self,
        index: int,
        path: Path,
        iterator: Any,
        is_async: bool,
        stream_usage: StreamUsage,
        info: Any,
        item_type: Any,
    ) -> bool:
        """Start a stream of the items from `index` on, if there are any."""
        if not isinstance(iterator, _Items):
            return super().handle_stream(index, path, iterator, is_async, stream_usage, info, item_type)
        if not iterator.exhausted:
            field = _Field(path, stream_usage.field_details_list, info, item_type)
            queue = _PageQueue(self, iterator, index, field)
            self.streams.append(ItemStream(path, stream_usage.label, queue, index))  # type: ignore[arg-type]  # It has the methods of graphql-core's StreamQueue.
        return True

    async def complete_page(
        self, items: Sequence[Any], index: int, field: "_Field"
    ) -> list[WorkResult | BaseException]:
        """Return the results or errors of consecutive items of a list. `index` is the place of the first one."""
        path, field_details_list, info, item_type = field

        async def complete_each_item() -> list[Any]:
            results: list[Any] = []
            for at, item in enumerate(items, index):
                # Each item has its own errors and its own deferred parts.
                executor = self.create_sub_executor()
                try:
                    results.append(
                        executor.complete_stream_item(path.add_key(at, None), item, field_details_list, info, item_type)
                    )
                except Exception as error:  # noqa: BLE001  # It ends the stream, after the items before it.
                    results.append(error)
            waiting = {at: result for at, result in enumerate(results) if self.is_awaitable(result)}
            for at, result in zip(
                waiting, await asyncio.gather(*waiting.values(), return_exceptions=True), strict=True
            ):
                results[at] = result
            return results

        completed: Any = self._project_list(items, item_type, field_details_list, complete_each_item)
        if self.is_awaitable(completed):
            completed = await completed
        return [WorkResult(StreamItemValue(each)) if isinstance(each, dict) else each for each in completed]

    def _projection(self, parent: GraphQLObjectType, field_details_list: FieldDetailsList) -> Projection | None:
        # A field in two fragments, one of them deferred, has subfields for now and subfields for later.
        if len({id(details.defer_usage) for details in field_details_list}) > 1:
            return None
        return super()._projection(parent, field_details_list)


class _Field(NamedTuple):
    """A field whose items are streamed, as graphql-core completes them."""

    path: Path
    details: FieldDetailsList
    info: Any
    item_type: Any


class _Items:
    """The items of pages. They are read one by one at first, then page by page."""

    def __init__(self, pages: AsyncIterator[tuple[list[Any], bool]]) -> None:
        self._pages = pages
        self._page: list[Any] = []
        self._position = 0
        self._ended = False

    @property
    def exhausted(self) -> bool:
        """Whether all items were read, as far as is known."""
        return self._ended and self._position == len(self._page)

    def __aiter__(self) -> "_Items":
        return self

    async def __anext__(self) -> Any:
        if not await self._has_more():
            raise StopAsyncIteration
        self._position += 1
        return self._page[self._position - 1]

    async def rest_of_page(self) -> list[Any]:
        """Return the unread items of the current page, or else the next page. Return an empty list at the end."""
        await self._has_more()
        rest, self._position = self._page[self._position :], len(self._page)
        return rest

    async def _has_more(self) -> bool:
        while self._position == len(self._page) and not self._ended:
            self._position = 0
            try:
                self._page, self._ended = await anext(self._pages)
            except StopAsyncIteration:
                self._page, self._ended = [], True
        return self._position < len(self._page)


class _PageQueue:
    """The pages of one stream, as graphql-core's StreamQueue. It fetches a page after the page before it was read."""

    def __init__(self, executor: IncrementalExecutor, items: _Items, index: int, field: _Field) -> None:
        self._executor = executor
        self._items = items
        self._index = index
        self._field = field
        self._stopped = False

    async def batches(self) -> AsyncIterator[Sequence[WorkResult]]:
        """Yield the results of each page's items.

        Raises:
            GraphQLError: If a page fails, or if an item fails that cannot be null.
        """
        while items := await self._next_page():
            completed = await self._executor.complete_page(items, self._index, self._field)
            error = next((each for each in completed if isinstance(each, BaseException)), None)
            results = [each for each in completed if isinstance(each, WorkResult)]
            if error is not None:
                results = results[: completed.index(error)]
            self._index += len(items)
            self._stopped = error is None and self._items.exhausted
            if results:
                yield results
            if error is not None:
                raise error

    async def _next_page(self) -> list[Any]:
        try:
            return await self._items.rest_of_page()
        except Exception as error:
            nodes = [details.node for details in self._field.details]
            raise located_error(error, nodes, self._field.path.as_list()) from error

    def is_stopped(self) -> bool:
        """Return whether the last page was yielded."""
        return self._stopped

    def abort(self, _reason: BaseException | None = None) -> Awaitable[None] | None:
        """Do nothing. If the reader of `batches` is cancelled, its page is cancelled with it."""


def _stream_usage(executor: Any, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
    try:
        usage: StreamUsage | None = executor.get_stream_usage(field_details_list, path)
    except ValueError:
        raise BadUserInput("The initialCount of @stream must be 0 or greater.") from None
    return usage
