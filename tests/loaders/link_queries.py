"""Queries of the linking tests, and functions that read their responses."""

from typing import Any

from gateway.schema.node import global_id

LINKED = """
query ($first: Int) {
  phoneNumberOrders(first: $first) {
    nodes { phoneNumberOrderId orderedPhoneNumbers { e164PhoneNumber phoneNumber { e164PhoneNumber } } }
  }
}
"""


def number_id(number: str) -> str:
    """Return the node id of a number in any spelling."""
    return str(global_id("PhoneNumber", number))


def linked(data: Any) -> dict[str, str | None]:
    """Map each ordered number to the number of the record it is linked to."""
    return {
        ordered["e164PhoneNumber"]: ordered["phoneNumber"] and ordered["phoneNumber"]["e164PhoneNumber"]
        for order in data["phoneNumberOrders"]["nodes"]
        for ordered in order["orderedPhoneNumbers"]
    }


def to_themselves(numbers: list[str]) -> dict[str, str]:
    """Return the result of `linked` if every number is linked to its own record."""
    return {number: number for number in numbers}
