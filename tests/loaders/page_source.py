"""An in-memory list with gets. Tests run whole batches on it and count the calls."""

import asyncio
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from gateway.errors import GatewayError, Throttled
from gateway.loaders.batch import Batch, GetAccess, RecordSource
from gateway.paging.read_ahead import RowsProjection
from gateway.upstream.page_map import PageMap


@dataclass(slots=True)
class Page:
    """A page of texts, each of which is its own key."""

    records: Sequence[str]
    next_token: str | None
    last_projection: RowsProjection | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.records)


@dataclass(slots=True)
class Pages:
    """An upstream that holds texts, each of which is its own key.

    pages: The texts of each list page. A list of one product type returns only the texts that start with its name.
    failing_pages: Numbers of the list pages that fail.
    failing_gets: Keys whose get fails.
    is_rate_limited: Whether a quota is set, so that the fewest calls come first.
    page_map: What the process knows of the pages. It learns from each page that is read.
    """

    pages: Sequence[Sequence[str]]
    held: Container[str]
    failing_pages: Container[int] = ()
    failing_gets: Container[str] = ()
    list_calls: int = 0
    get_calls: int = 0
    get_access: GetAccess = field(default_factory=GetAccess)
    is_rate_limited: bool = True
    page_map: PageMap = field(default_factory=PageMap)

    @property
    def calls(self) -> int:
        return self.list_calls + self.get_calls

    async def list_page(self, token: str | None, _size: int, product_type: str | None) -> Page:
        self.list_calls += 1
        number = int(token or 0)
        if number in self.failing_pages:
            raise Throttled("List")
        records = self.pages[number] if self.pages else ()
        if product_type is not None:
            records = [record for record in records if record.startswith(product_type)]
        page = Page(records, str(number + 1) if number + 1 < len(self.pages) else None)
        self.page_map.learn(product_type, token, page)
        return page

    async def get(self, key: str) -> str | None:
        self.get_calls += 1
        if key in self.failing_gets:
            raise Throttled("Get")
        return key if key in self.held else None

    def source(self) -> RecordSource[str]:
        """Return the calls of this upstream and their limits."""
        return RecordSource(
            list_page=self.list_page,
            list_operation="List",
            get=self.get,
            get_access=self.get_access,
            page_size=99,
            max_pages=20,
            concurrency=50,
            known=self.page_map.known,
            is_rate_limited=lambda: self.is_rate_limited,
            following=lambda token, count: self.page_map.known(None).following(token, count),
            on_wasted=lambda _pages: None,
        )

    async def find(self, keys: Sequence[str], product_type: str | None = None) -> dict[str, str | GatewayError | None]:
        """Run a batch for keys."""
        batch = Batch(self.source(), list(keys), product_type)
        await batch.run()
        return batch.outcomes


def calls_of(pages: Sequence[Sequence[str]], held: Container[str], keys: Sequence[str]) -> int:
    """Return the number of upstream calls that a batch for keys makes."""
    upstream = Pages(pages, held)
    asyncio.run(upstream.find(keys))
    return upstream.calls
