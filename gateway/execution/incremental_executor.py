"""`@defer` and `@stream`: an answer in parts for those who take them, and in one for those who do not.

graphql-core's incremental delivery does the work: it plans what is deferred and publishes what has come. What is its
own for each item of a stream, a task and a place in a queue, is done here once for each upstream page.
Source: GraphQL specification, pull request 1110, "Incremental delivery".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, NamedTuple

from graphql import GraphQLObjectType, located_error
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import StreamUsage
from graphql.execution.incremental import ItemStream, StreamItemValue, WorkResult
from graphql.pyutils import AwaitableOrValue, Path

from gateway.errors import BadUserInput
from gateway.execution.projecting_executor import ProjectingExecutor
from gateway.execution.projection import Projection
from gateway.schema.connection import Rows


class NonIncrementalExecutor(ProjectingExecutor):
    """Answers in one as if there were neither directive, which a server may always do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The document's projections are kept for both ways.
        self._switches = (("undivided", True), *self._switches)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        _new_defer_usages: Sequence[Any],
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Execute all root fields, deferred ones too."""
        return super().execute_collected_root_fields(root_type, root_value, grouped_field_set, serially, ())

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> CollectedFields:
        """Collect all fields, deferred ones too."""
        return super().collect_subfields(return_type, field_details_list)._replace(new_defer_usages=[])

    def get_stream_usage(self, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
        """None, once what the directive says has been found right."""
        _stream_usage(super(), field_details_list, path)
        return None


class IncrementalExecutor(ProjectingExecutor):
    """Answers in parts. The rows of a connection that is streamed are a part for each upstream page."""

    def get_stream_usage(self, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
        """How a field is streamed; None where it is not.

        Raises: BadUserInput.
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
        """Answer for what is awaited, or for rows as they come."""
        if isinstance(result, Rows):
            result = self._as_they_come(result, field_details_list, path)
        return await super().complete_awaitable_value(
            return_type, field_details_list, info, path, result, position_context
        )

    async def _as_they_come(self, rows: Rows[Any], field_details_list: FieldDetailsList, path: Path) -> Any:
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
        """Leave the items from index on to a stream, if there are any."""
        if not isinstance(iterator, _Items):
            return super().handle_stream(index, path, iterator, is_async, stream_usage, info, item_type)
        if not iterator.exhausted:
            field = _Field(path, stream_usage.field_details_list, info, item_type)
            queue = _PageQueue(self, iterator, index, field)
            self.streams.append(ItemStream(path, stream_usage.label, queue, index))  # type: ignore[arg-type]  # By its protocol, StreamQueue, it is one.
        return True

    async def complete_page(
        self, items: Sequence[Any], index: int, field: "_Field"
    ) -> list[WorkResult | BaseException]:
        """Results of neighbouring items, or why there is none; index: the first one's place in the list."""
        path, field_details_list, info, item_type = field

        async def one_by_one() -> list[Any]:
            results: list[Any] = []
            for at, item in enumerate(items, index):
                # Errors, and what an item defers in turn, are its own.
                executor = self.create_sub_executor()
                try:
                    results.append(
                        executor.complete_stream_item(path.add_key(at, None), item, field_details_list, info, item_type)
                    )
                except Exception as error:  # noqa: BLE001  # It ends the stream, behind the items before it.
                    results.append(error)
            waiting = {at: result for at, result in enumerate(results) if self.is_awaitable(result)}
            for at, result in zip(
                waiting, await asyncio.gather(*waiting.values(), return_exceptions=True), strict=True
            ):
                results[at] = result
            return results

        completed: Any = self._at_once(items, item_type, field_details_list, one_by_one)
        if self.is_awaitable(completed):
            completed = await completed
        return [WorkResult(StreamItemValue(each)) if isinstance(each, dict) else each for each in completed]

    def _projection(self, parent: GraphQLObjectType, field_details_list: FieldDetailsList) -> Projection | None:
        # A field in two fragments, of which one is deferred: what is asked of it is part now and part later.
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
    """Items of pages, for whoever takes them one by one and then goes on page by page."""

    def __init__(self, pages: AsyncIterator[tuple[list[Any], bool]]) -> None:
        self._pages = pages
        self._page: list[Any] = []
        self._taken = 0
        self._ended = False

    @property
    def exhausted(self) -> bool:
        """Whether it is known that there is no further item."""
        return self._ended and self._taken == len(self._page)

    def __aiter__(self) -> "_Items":
        return self

    async def __anext__(self) -> Any:
        if not await self._has_more():
            raise StopAsyncIteration
        self._taken += 1
        return self._page[self._taken - 1]

    async def rest_of_page(self) -> list[Any]:
        """What is left of the page that is under way, else the next page; empty at the end."""
        await self._has_more()
        rest, self._taken = self._page[self._taken :], len(self._page)
        return rest

    async def _has_more(self) -> bool:
        while self._taken == len(self._page) and not self._ended:
            self._taken = 0
            try:
                self._page, self._ended = await anext(self._pages)
            except StopAsyncIteration:
                self._page, self._ended = [], True
        return self._taken < len(self._page)


class _PageQueue:
    """The pages of one stream, each fetched when the one before has been taken: graphql-core's StreamQueue."""

    def __init__(self, executor: IncrementalExecutor, items: _Items, index: int, field: _Field) -> None:
        self._executor = executor
        self._items = items
        self._index = index
        self._field = field
        self._stopped = False

    async def batches(self) -> AsyncIterator[Sequence[WorkResult]]:
        """Results of the items, a page at a time.

        Raises: GraphQLError where a page fails, or an item that cannot be null.
        """
        while items := await self._next_page():
            completed = await self._executor.complete_page(items, self._index, self._field)
            fault = next((each for each in completed if isinstance(each, BaseException)), None)
            results = [each for each in completed if isinstance(each, WorkResult)]
            if fault is not None:
                results = results[: completed.index(fault)]
            self._index += len(items)
            self._stopped = fault is None and self._items.exhausted
            if results:
                yield results
            if fault is not None:
                raise fault

    async def _next_page(self) -> list[Any]:
        try:
            return await self._items.rest_of_page()
        except Exception as error:
            nodes = [details.node for details in self._field.details]
            raise located_error(error, nodes, self._field.path.as_list()) from error

    def is_stopped(self) -> bool:
        """Whether the last page has been given."""
        return self._stopped

    def abort(self, _reason: BaseException | None = None) -> Awaitable[None] | None:
        """Nothing is under way that whoever waits for `batches` does not end by ending to wait."""


def _stream_usage(executor: Any, field_details_list: FieldDetailsList, path: Path) -> StreamUsage | None:
    try:
        usage: StreamUsage | None = executor.get_stream_usage(field_details_list, path)
    except ValueError:
        raise BadUserInput("@stream's initialCount is 0 or more.") from None
    return usage
