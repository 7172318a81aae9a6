"""An account in memory with the four methods of Upstream. There is no HTTP, so only the execution is measured."""

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from pydantic import SecretBytes

from gateway.auth.caller import ANONYMOUS
from gateway.context import RequestContext, request_contexts
from gateway.errors import Throttled, UpstreamBadResponse, UpstreamError
from gateway.settings import Settings
from gateway.upstream.call import NO_PARAMETERS, Parameters
from gateway.upstream.client import Upstream
from gateway.upstream.page_map import KnownList
from gateway.upstream.record_reader import read_phone_number_orders, read_phone_numbers
from gateway.upstream.records import PhoneNumberOrderPage, PhoneNumberPage, e164_of
from gateway.upstream.requester import Requester
from gateway.upstream.services import CHIME, Api, Service


@dataclass(slots=True)
class Account:
    """The records of an account, read by the rules of gateway.upstream.client.

    Attributes:
        got: Records that a get returns instead of the listed ones, by number or order id.
        rows_each: The most rows of a page.
        failing: The errors of operations that fail. Each call raises a new one, because an error keeps its tracebacks.
        throttles_gets: Whether gets of records that are not listed fail.
        takes_time: Whether a call takes 50 to 200 ms, as AWS's calls do. Equal calls take equally long.
        calls: The operations in the order in which they were called.
    """

    numbers: list[Any] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    got: dict[str, Any] = field(default_factory=dict)
    rows_each: int = 100
    failing: Mapping[str, type[UpstreamError]] = field(default_factory=dict)
    throttles_gets: bool = False
    service: Service = CHIME
    takes_time: bool = False
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers, _ = read_phone_numbers(self.numbers, "ListPhoneNumbers")
        self.orders = read_phone_number_orders(self.orders, "ListPhoneNumberOrders")

    async def list_phone_numbers(
        self, token: str | None, size: int, *, requester: Requester, filters: Parameters = NO_PARAMETERS
    ) -> PhoneNumberPage:
        assert requester.deadline
        await self._call("ListPhoneNumbers", token, size, filters)
        numbers = [record for record in self.numbers if _holds(record, filters)] if filters else self.numbers
        rows, next_token = self._page(numbers, token, size)
        return PhoneNumberPage(rows, tuple(map(e164_of, rows)), next_token)

    async def list_phone_number_orders(
        self, token: str | None, size: int, *, requester: Requester
    ) -> PhoneNumberOrderPage:
        assert requester.deadline
        await self._call("ListPhoneNumberOrders", token, size)
        rows, next_token = self._page(self.orders, token, size)
        return PhoneNumberOrderPage(rows, tuple([order["PhoneNumberOrderId"] for order in rows]), next_token)

    async def get_phone_number(self, e164: str, *, requester: Requester) -> Any:
        assert requester.deadline
        await self._call("GetPhoneNumber", e164)
        record = self.got.get(e164)
        if record is None:
            return self._listed_record("GetPhoneNumber", (r for r in self.numbers if e164_of(r) == e164))
        return _only(read_phone_numbers([record], "GetPhoneNumber")[0], "GetPhoneNumber")

    async def get_phone_number_order(self, order_id: str, *, requester: Requester) -> Any:
        assert requester.deadline
        await self._call("GetPhoneNumberOrder", order_id)
        record = self.got.get(order_id)
        if record is None:
            return self._listed_record(
                "GetPhoneNumberOrder", (r for r in self.orders if r["PhoneNumberOrderId"] == order_id)
            )
        return _only(read_phone_number_orders([record], "GetPhoneNumberOrder"), "GetPhoneNumberOrder")

    def known_phone_numbers(self, filters: Parameters = NO_PARAMETERS) -> KnownList:
        """Know no pages, as a process that has just started."""
        return KnownList(filters)

    def known_phone_number_orders(self) -> KnownList:
        """Know no pages, as a process that has just started."""
        return KnownList("orders")

    def tokens_after(self, known: KnownList, token: str | None, count: int) -> list[str]:
        """Return no tokens, as if none were known."""
        return known.following(token, count)

    def count_wasted(self, pages: int) -> None:
        """Take note of pages that were requested ahead and not used."""
        assert pages

    def is_rate_limited(self) -> bool:
        """Return that the fewest calls come first."""
        return True

    def context(self) -> RequestContext:
        """Return the context of one request."""
        return request_contexts(_settings(self.service.name), cast("Upstream", self))(ANONYMOUS)

    async def _call(self, operation: str, *parameters: object) -> None:
        self.calls.append(operation)
        if self.takes_time:
            await asyncio.sleep(0.05 + 0.15 * zlib.crc32(repr((operation, *parameters)).encode()) / 2**32)
        if operation in self.failing:
            raise self.failing[operation](operation)

    def _listed_record(self, operation: str, found: Iterator[Any]) -> Any:
        record = next(found, None)
        if record is None and self.throttles_gets:
            raise Throttled(operation)
        return record

    def _page(self, rows: list[Any], token: str | None, size: int) -> tuple[list[Any], str | None]:
        begin = int(token or 0)
        end = begin + min(size, self.rows_each)
        return rows[begin:end], str(end) if end < len(rows) else None


def _only(records: list[Any], operation: str) -> Any:
    if not records:
        raise UpstreamBadResponse(operation, detail="the record has no usable key")
    return records[0]


@cache
def _settings(api: Api) -> Settings:
    # So few pages that some requests reach the limit.
    return Settings(upstream_api=api, max_upstream_pages=4, cursor_keys=(SecretBytes(b"k" * 32),))


def _holds(record: Mapping[str, Any], filters: Parameters) -> bool:
    wanted = dict(filters)
    name, value = wanted.pop("FilterName", None), wanted.pop("FilterValue", None)
    if any(record.get(key) != word for key, word in wanted.items()):
        return False
    return name is None or any(
        isinstance(each, dict) and each.get("Name") == name and each.get("Value") == value
        for each in _listed(record.get("Associations"))
    )


def _listed(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
