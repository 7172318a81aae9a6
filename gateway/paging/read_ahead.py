"""Pages of a list that are requested before the page in front of them has named their token.

A remembered token is a guess. A page that was requested ahead is used only if the page before it names its token. So
the result is that of reading one page after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar
from weakref import ReferenceType

from gateway.errors import GatewayError

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# Pages of one list that are requested at the same time. 1,000 rows take two waits then, and 1,980 rows take three.
MOST_AT_ONCE: Final = 8


class RowsProjection(NamedTuple):
    """Rows of a page in the form of the response.

    Attributes:
        project: The function that projected them. The reference is weak, because the function refers to its document,
            and a cached page may outlive that.
        start: The index of the first row.
        stop: The index after the last row.
        projected: The response's part for each row. It must not change.
    """

    project: ReferenceType[Callable[[Sequence[Any]], list[Any]]]
    start: int
    stop: int
    projected: list[Any]


class ListPage(Protocol[R_co]):
    """One page of a list, as it was fetched. Requests share it while it is cached.

    Attributes:
        last_projection: The last projection of its rows, for requests by the same document.
    """

    last_projection: RowsProjection | None

    @property
    def records(self) -> Sequence[R_co]:
        """The records, in the list's order."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each record within the list."""
        ...

    @property
    def next_token(self) -> str | None:
        """The token of the next page, unless this page ends the list."""
        ...


class ReadAhead(Generic[R]):
    """The requested pages of one read of a list.

    Args:
        fetch: Returns the page of a token and a size.
        following: Returns at most so many tokens that most likely follow a token. It returns none if they are unknown.
        on_wasted: Called with the number of pages that were requested and not used.
    """

    def __init__(
        self,
        fetch: Callable[[str | None, int], Awaitable[ListPage[R]]],
        following: Callable[[str | None, int], Sequence[str]],
        on_wasted: Callable[[int], None],
    ) -> None:
        self._fetch = fetch
        self._following = following
        self._on_wasted = on_wasted
        self._pages: dict[tuple[str | None, int], asyncio.Future[ListPage[R]]] = {}
        # Whether a page before the end of the list had fewer records than requested.
        self._has_short_pages = False

    def __repr__(self) -> str:
        return f"<ReadAhead: {len(self._pages)} pages, {self._in_flight()} in flight>"

    async def page(self, token: str | None, sizes: Sequence[int]) -> ListPage[R]:
        """Return the page of a token, and request pages that most likely follow it.

        Args:
            token: The token that the page before has named, or None at the start of the list.
            sizes: The size of this page, and of each page after it that the reader needs.

        Raises:
            GatewayError: If the page cannot be fetched.
        """
        if self._pages and (token, sizes[0]) not in self._pages:
            # The tokens are not the remembered ones any more, or the page before was short and so this one is larger.
            self._drop([each for each in self._pages if each[0] == token] or list(self._pages))
        if len(sizes) > 1:
            self._request(token, sizes)
        page = None
        if (requested := self._pages.pop((token, sizes[0]), None)) is not None:
            # Too many calls at the same time may cause an error, and a reader of one page after the other makes one.
            with suppress(GatewayError):
                page = await requested
        if page is None:
            page = await self._fetch(token, sizes[0])
        if page.next_token is not None and len(page.records) < sizes[0]:
            self._has_short_pages = True
        return page

    def close(self) -> None:
        """Cancel the pages that were requested and not used."""
        self._drop(list(self._pages))

    def _drop(self, pages: Sequence[tuple[str | None, int]]) -> None:
        """Cancel pages that are not needed."""
        if pages:
            self._on_wasted(len(pages))
        for each in pages:
            self._pages.pop(each).cancel()

    def _request(self, token: str | None, sizes: Sequence[int]) -> None:
        """Request pages after the last page that is proven, as many as may be in flight."""
        if self._has_short_pages:
            # The size of a smaller last page counts on full pages before it.
            sizes = sizes[: sizes.count(sizes[0])]
        proven = 0
        while proven < len(sizes) and (page := self._fetched(token, sizes[proven])) is not None:
            token = page.next_token
            proven += 1
            if token is None:
                return
        free = MOST_AT_ONCE - self._in_flight()
        missing = sizes[proven : proven + MOST_AT_ONCE]
        following = self._following(token, len(missing) - 1) if len(missing) > 1 else ()
        if not following and not self._pages:
            return
        for each in zip((token, *following), missing, strict=False):
            if free > 0 and each not in self._pages:
                free -= 1
                self._pages[each] = requested = asyncio.ensure_future(self._fetch(*each))
                requested.add_done_callback(_retrieve_error)

    def _fetched(self, token: str | None, size: int) -> ListPage[R] | None:
        requested = self._pages.get((token, size))
        if requested is None or not requested.done() or requested.cancelled() or requested.exception() is not None:
            return None
        return requested.result()

    def _in_flight(self) -> int:
        return sum(not requested.done() for requested in self._pages.values())


def _retrieve_error(requested: asyncio.Future[Any]) -> None:
    """Retrieve an error. asyncio would log it if the page is not needed any more."""
    if not requested.cancelled():
        requested.exception()
