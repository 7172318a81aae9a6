"""A request's data source: what one field's cancellation and the end of the request mean for lookups in flight."""

import asyncio
import gc
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.errors import Throttled
from gateway.loaders.data_source import DataSource
from tests.loaders.page_source import Pages


@dataclass(slots=True)
class SlowPages(Pages):
    """An upstream whose gets wait until the test lets them return.

    Attributes:
        may_return: Set by the test.
        cancelled: Keys whose get was cancelled.
    """

    may_return: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: list[str] = field(default_factory=list)

    async def get(self, key: str) -> str | None:
        try:
            await self.may_return.wait()
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        # The zero-argument super() does not work in a class with slots that dataclass creates anew.
        return await Pages.get(self, key)


async def field_of(lookup: Awaitable[str | None] | str | None) -> str | None:
    """Wait for a lookup as a field does."""
    return await lookup if isinstance(lookup, Awaitable) else lookup


async def ticks() -> None:
    """Let everything run that waits for nothing else."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_cancelled_field_leaves_the_lookup_to_other_fields() -> None:
    upstream = SlowPages([], held={"a"})
    records = DataSource(upstream.source())
    cancelled, other = (asyncio.ensure_future(field_of(records.load("a"))) for _ in range(2))
    await ticks()
    cancelled.cancel()
    await ticks()
    upstream.may_return.set()
    assert await other == "a"
    assert cancelled.cancelled()
    assert upstream.get_calls == 1


async def test_end_of_the_request_cancels_lookups_in_flight() -> None:
    upstream = SlowPages([], held={"a"})
    records = DataSource(upstream.source())
    waiting = asyncio.ensure_future(field_of(records.load("a")))
    await ticks()
    records.close()
    await ticks()
    assert upstream.cancelled == ["a"]
    waiting.cancel()


async def test_no_call_is_made_for_a_key_that_is_loaded_at_the_end_of_the_request_or_later() -> None:
    upstream = Pages([], held={"a", "b"})
    records = DataSource(upstream.source())
    lookups: list[Any] = [records.load("a")]
    records.close()
    lookups.append(records.load("b"))
    await ticks()
    assert upstream.get_calls == 0
    assert not any(lookup.done() for lookup in lookups)


async def test_error_that_no_field_retrieves_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Pages([], held={}, failing_gets={"a", "b"})
    records = DataSource(upstream.source())
    first, second = records.future("a"), records.future("b")
    await asyncio.wait((first, second))
    with pytest.raises(Throttled):
        first.result()
    records.close()
    del first, second
    gc.collect()
    assert caplog.messages == []


async def test_listed_record_is_returned_at_once_and_costs_no_call() -> None:
    upstream = Pages([], held={})
    records = DataSource(upstream.source())
    assert await field_of(records.load("a")) is None
    records.cache.prime(["a", "b"])
    assert [records.load("a"), records.load("b")] == ["a", "b"]
    assert upstream.get_calls == 1


async def test_end_of_the_request_releases_its_records() -> None:
    """The request's objects refer to each other, so a record that they hold stays until the collector finds them."""
    records = DataSource(Pages([], held={"a"}).source())
    record = await records.future("a")
    records.close()
    await ticks()
    assert [each for each in gc.get_referrers(record) if isinstance(each, asyncio.Future)] == []
