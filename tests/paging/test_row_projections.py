"""Projections of rows: a page keeps the last one for all of its readers, and no function alive."""

from collections.abc import Sequence
from weakref import ref

from gateway.paging.arguments import PageArguments
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import UpstreamList


async def test_page_keeps_the_projected_rows_and_not_the_function() -> None:
    def project(rows: Sequence[int]) -> list[str]:
        return [f"{row:04}" for row in rows]

    rows = await Paginator(UpstreamList(rows=[1, 2, 3]).source, max_pages=1).slice(
        PageArguments(count=3, backward=False, after=None, before=None)
    )
    first, second = rows.project(project), rows.project(project)
    assert first == ["0001", "0002", "0003"]
    assert all(each is other for each, other in zip(first, second, strict=True))
    function = ref(project)
    del project
    assert function() is None
