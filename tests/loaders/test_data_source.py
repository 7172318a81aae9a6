"""A request's data source: what one field's cancellation and the end of the request mean for lookups in flight."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable
from dataclasses import dataclass, field

import pytest

from gateway.errors import Throttled
from gateway.loaders.batch import RecordSource
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


class Records(DataSource[str]):
    """A data source with the calls of one RecordSource."""

    def __init__(self, source: RecordSource[str]) -> None:
        super().__init__(lambda record: record)
        self._source = source

    def _record_source(self) -> RecordSource[str]:
        return self._source


async def field_of(lookup: Awaitable[str | None] | str | None) -> str | None:
    """Wait for a lookup as a field does."""
    return await lookup if isinstance(lookup, Awaitable) else lookup


async def ticks() -> None:
    """Let everything run that waits for nothing else."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_cancelled_field_leaves_the_lookup_to_other_fields() -> None:
    upstream = SlowPages([], held={"a"})
    records = Records(upstream.source())
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
    records = Records(upstream.source())
    waiting = asyncio.ensure_future(field_of(records.load("a")))
    await ticks()
    records.close()
    await ticks()
    assert upstream.cancelled == ["a"]
    waiting.cancel()


async def test_no_call_is_made_for_a_key_that_is_loaded_at_the_end_of_the_request_or_later() -> None:
    upstream = Pages([], held={"a", "b"})
    records = Records(upstream.source())
    lookups = records.lookups(["a"])
    records.close()
    lookups += records.lookups(["b"])
    await ticks()
    assert upstream.get_calls == 0
    assert not any(lookup.done() for lookup, _ in lookups)


@dataclass(slots=True)
class BrokenPages(Pages):
    """An upstream whose gets raise an error that no batch expects."""

    async def get(self, key: str) -> str | None:
        raise RuntimeError(key)


async def test_error_that_no_field_retrieves_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    records = Records(BrokenPages([], held={}).source())
    ((lookup, _),) = records.lookups(["a"])
    await asyncio.wait((lookup,))
    records.close()
    del lookup
    gc.collect()
    assert caplog.messages == []


async def test_unexpected_error_of_a_batch_reaches_each_field_that_waits() -> None:
    records = Records(BrokenPages([], held={}).source())
    waiting = [asyncio.ensure_future(field_of(records.load(key))) for key in ("a", "b")]
    for each in waiting:
        with pytest.raises(RuntimeError):
            await each
    with pytest.raises(RuntimeError):
        await field_of(records.load("a"))


async def test_each_key_of_a_list_has_its_own_outcome() -> None:
    records = Records(Pages([[], []], held={"a"}, failing_gets={"c"}).source())
    (lookup, _), *_ = records.lookups(["a", "b", "c"])
    assert await field_of(records.load("a")) == "a"
    assert await field_of(records.load("b")) is None
    with pytest.raises(Throttled):
        await field_of(records.load("c"))
    assert lookup.done()


async def test_keys_of_lists_and_fields_in_one_tick_share_a_batch() -> None:
    upstream = Pages([["a", "b", "c", "d", "e"]], held={})
    records = Records(upstream.source())
    first = asyncio.ensure_future(field_of(records.load("a")))
    records.lookups(["a", "b", "c"])
    records.lookups(["c", "d"])
    last = asyncio.ensure_future(field_of(records.load("e")))
    assert [await first, await last] == ["a", "e"]
    assert (upstream.list_calls, upstream.get_calls) == (1, 0)


async def test_key_in_flight_waits_for_the_batch_that_has_it() -> None:
    upstream = SlowPages([], held={"a", "b", "c"})
    records = Records(upstream.source())
    ((in_flight, _),) = records.lookups(["a"])
    await ticks()
    lookups = records.lookups(["b", "a", "b", "c"])
    other, _ = lookups[0]
    assert other is not in_flight
    assert lookups == [(other, "b"), (in_flight, "a"), (other, "b"), (other, "c")]
    upstream.may_return.set()
    await asyncio.wait({in_flight, other})
    assert [await field_of(records.load(key)) for key in "abc"] == ["a", "b", "c"]
    assert upstream.get_calls == 3


async def test_listed_record_is_returned_at_once_and_costs_no_call() -> None:
    upstream = Pages([], held={})
    records = Records(upstream.source())
    assert await field_of(records.load("a")) is None
    records.cache.prime(["a", "b"])
    assert [records.load("a"), records.load("b")] == ["a", "b"]
    assert upstream.get_calls == 1


class Record(str):
    """A record that the test can refer to weakly."""


async def test_end_of_the_request_releases_its_records() -> None:
    """The request's objects refer to each other, so a record that they hold stays until the collector finds them."""
    keys = [Record("loaded"), Record("listed")]
    records = Records(Pages([], held=["loaded"]).source())
    released = [weakref.ref(key) for key in keys]
    records.cache.prime(keys[1:])
    gc.disable()
    try:
        assert [await field_of(records.load(key)) for key in keys] == keys
        records.close()
        await ticks()
        keys.clear()
        assert [reference() for reference in released] == [None, None]
    finally:
        gc.enable()
