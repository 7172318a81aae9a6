"""The queries, and the response that each must have: one selection, written in the terms of each server's schema."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from benchmarks.rivals.account import ORDERS, Record, number_record, order_record, row_of

Selection = Mapping[str, "Selection | None"]

# The record of a phone number, linked from an order.
LINK: Final = "PhoneNumber"
TIMESTAMPS: Final = {"CreatedTimestamp", "UpdatedTimestamp", "DeletionTimestamp", "AssociatedTimestamp"}
ENUMS: Final = {"Type", "ProductType", "Status", "CallingNameStatus", "Name"}


def _all(*names: str) -> dict[str, Selection | None]:
    return dict.fromkeys(names)


EVERY_FIELD: Final[Selection] = {
    **_all("PhoneNumberId", "E164PhoneNumber", "Country", "Type", "ProductType", "Status"),
    "Capabilities": _all("InboundCall", "OutboundCall", "InboundSMS", "OutboundSMS", "InboundMMS", "OutboundMMS"),
    "Associations": _all("Name", "Value", "AssociatedTimestamp"),
    **_all("CallingName", "CallingNameStatus", "CreatedTimestamp", "UpdatedTimestamp", "DeletionTimestamp"),
}
FIVE_FIELDS: Final[Selection] = _all("E164PhoneNumber", "Status", "Type", "ProductType", "CreatedTimestamp")
LINKED: Final[Selection] = {
    **_all("PhoneNumberOrderId", "Status"),
    "OrderedPhoneNumbers": {
        **_all("E164PhoneNumber", "Status"),
        LINK: {**_all("Status", "Type", "ProductType"), "Associations": _all("Name", "Value")},
    },
}


class Page(NamedTuple):
    """Number of rows requested, and the index of the first."""

    first: int
    offset: int


@dataclass(frozen=True)
class Query:
    """One query of the report.

    Attributes:
        pages: The pages that the variables select, one after the other. A page is not requested again when a request
            for it is in flight, so that no server can share responses by single flight.
    """

    name: str
    title: str
    orders: bool
    selection: Selection
    pages: Sequence[Page]

    def expected(self, page: Page, inventory: int) -> "Answer":
        """Return the selected fields of the account's records."""
        total = ORDERS if self.orders else inventory
        end = min(page.offset + page.first, total)
        record: Callable[[int], Record] = (
            (lambda index: order_record(index, inventory)) if self.orders else number_record
        )
        rows = [_selected(record(index), self.selection) for index in range(page.offset, end)]
        return Answer(rows, str(end) if end < total else None)


class Answer(NamedTuple):
    """Rows with AWS's keys, and the token of the next page."""

    rows: list[Record]
    token: str | None


def _selected(record: Record, selection: Selection) -> Record:
    chosen: Record = {}
    for key, inner in selection.items():
        # An ordered number has no such key. The linked record is in the inventory.
        value = number_record(row_of(record["E164PhoneNumber"])) if key == LINK else record[key]
        if inner is None:
            chosen[key] = value
        elif isinstance(value, list):
            chosen[key] = [_selected(each, inner) for each in value]
        else:
            chosen[key] = _selected(value, inner)
    return chosen


def pages(firsts: Sequence[int], offsets: Sequence[int]) -> Sequence[Page]:
    """Return all combinations as pages, in a shuffled order that is the same in each run."""
    every = [Page(first, offset) for first in firsts for offset in offsets]
    random.Random(0).shuffle(every)
    return every


QUERIES: Final = (
    Query("q1", "first 97 to 99 numbers, every field", False, EVERY_FIELD, pages([97, 98, 99], range(1, 51))),
    Query("q2", "first 9 to 11 numbers, 5 fields", False, FIVE_FIELDS, pages([9, 10, 11], range(1, 81))),
    Query("q3", "20 orders, 5 numbers each, every number linked", True, LINKED, pages([20], range(1, 100))),
)


class Dialect:
    """The terms of a server's schema: Relay connections in the gateway and the naive app, AWS's own keys elsewhere."""

    def __init__(self, *, relay: bool) -> None:
        self.relay = relay

    def document(self, query: Query) -> str:
        """Return the text of the query."""
        if self.relay:
            field = "phoneNumberOrders" if query.orders else "phoneNumbers"
            arguments, variables = "first: $first, after: $after", "$first: Int!, $after: String"
            rows = f"nodes {self._text(query.selection)} pageInfo {{ hasNextPage endCursor }}"
        else:
            field = "phoneNumberOrders" if query.orders else "phoneNumbers"
            arguments, variables = "maxResults: $first, nextToken: $after", "$first: Int!, $after: String"
            rows = f"{'PhoneNumberOrders' if query.orders else 'PhoneNumbers'} {self._text(query.selection)} NextToken"
        return f"query {query.name}({variables}) {{ {field}({arguments}) {{ {rows} }} }}"

    def _text(self, selection: Selection) -> str:
        parts = []
        for key, inner in selection.items():
            if key == LINK and not self.relay:
                # GetPhoneNumber's response is an object around the record.
                parts.append(f"found {{ PhoneNumber {self._text(inner or {})} }}")
            else:
                name = camel(key) if self.relay else key
                parts.append(name if inner is None else f"{name} {self._text(inner)}")
        return "{ " + " ".join(parts) + " }"

    def body(self, query: Query, page: Page, cursor: str | None) -> str:
        """Return a request body on one line. `cursor` is the start of the page in the server's own form."""
        return json.dumps(
            {"query": self.document(query), "variables": {"first": page.first, "after": cursor}},
            separators=(",", ":"),
        )

    def read(self, query: Query, body: bytes) -> Answer:
        """Return a response with AWS's keys, to be compared with `Query.expected`.

        An opaque cursor becomes an empty token, because only its presence can be compared.
        """
        answer = json.loads(body)
        assert "errors" not in answer, answer["errors"]
        (page,) = answer["data"].values()
        if not self.relay:
            rows = page["PhoneNumberOrders" if query.orders else "PhoneNumbers"]
            return Answer([_renamed(row, query.selection, str, "found") for row in rows], page["NextToken"])
        info = page["pageInfo"]
        cursor = info["endCursor"] if info["hasNextPage"] else None
        token = cursor if cursor is None or cursor.isdigit() else ""
        return Answer([_renamed(row, query.selection, camel, None) for row in page["nodes"]], token)


def camel(key: str) -> str:
    """Return the GraphQL name of an AWS key."""
    return key[0].lower() + key[1:]


def _renamed(row: Record, selection: Selection, name: Callable[[str], str], link: str | None) -> Record:
    renamed: Record = {}
    for key, inner in selection.items():
        value: Any = row[link]["PhoneNumber"] if key == LINK and link else row[name(key)]
        if inner is None or value is None:
            renamed[key] = value
        elif isinstance(value, list):
            renamed[key] = [_renamed(each, inner, name, link) for each in value]
        else:
            renamed[key] = _renamed(value, inner, name, link)
    assert len(row) == len(selection), f"{sorted(row)} is not {sorted(selection)}"
    return renamed


def same(answer: Answer, expected: Answer) -> bool:
    """Return whether a response is as expected. Timestamps and enum values may be spelled in any way."""
    token = answer.token == expected.token or (answer.token == "" and expected.token is not None)
    return token and _plain(answer.rows) == _plain(expected.rows)


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(inner, name) for name, inner in value.items()}
    if isinstance(value, str) and key in TIMESTAMPS:
        return datetime.fromisoformat(value)
    if isinstance(value, str) and key in ENUMS:
        return value.replace("_", "").lower()
    return value
