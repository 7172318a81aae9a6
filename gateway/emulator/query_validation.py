"""Validation of query parameters, by the rules of the API reference and of botocore's service models."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from gateway.emulator.aws_errors import BAD_REQUEST, AwsError
from gateway.emulator.service_model import ServiceModel
from gateway.emulator.store import ListPhoneNumbersFilters

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

_LIST_PHONE_NUMBERS = ("filter-name", "filter-value", "max-results", "next-token", "product-type", "status")
_LIST_PHONE_NUMBER_ORDERS = ("max-results", "next-token")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPhoneNumberOrdersRequest:
    """The parameters of ListPhoneNumberOrders. The page size is 1 to 99 on `chime`, 1 to 100 on `chime-sdk-voice`."""

    max_results: int
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPhoneNumbersRequest(ListPhoneNumberOrdersRequest):
    """The parameters of ListPhoneNumbers."""

    filters: ListPhoneNumbersFilters


class _Query:
    """One request's query. It collects all errors, because AWS reports them in one message."""

    def __init__(self, raw_query: str, names: Iterable[str], service: ServiceModel) -> None:
        pairs = [pair for pair in parse_qsl(raw_query, keep_blank_values=True) if pair[0] in names]
        self._values = dict(pairs)
        self._service = service
        self._errors = [
            f"Parameter '{_member(name)}' is given {times} times"
            for name, times in Counter(name for name, _ in pairs).items()
            if times > 1
        ]

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value == "":
            self._add_error(name, value, "Member must have length greater than or equal to 1")
        return value

    def enum(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self._values.get(name)
        if value is not None and value not in allowed:
            self._add_error(name, value, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        return value

    def max_results(self) -> int:
        maximum = self._service.max_results
        value = self._values.get("max-results")
        if value is None:
            return maximum
        if _INTEGER.fullmatch(value) is None:
            self._add_error("max-results", value, "Member must be an integer")
            return maximum
        if int(value) < 1:
            self._add_error("max-results", value, "Member must have value greater than or equal to 1")
        if int(value) > maximum:
            self._add_error("max-results", value, f"Member must have value less than or equal to {maximum}")
        return int(value)

    def association(self) -> tuple[str, str] | None:
        name = self.enum("filter-name", self._service.association_names)
        value = self.text("filter-value")
        if name is not None and value is not None:
            return name, value
        if name is not None or value is not None:
            self._errors.append("'filterName' and 'filterValue' must be given together")
        return None

    def raise_errors(self) -> None:
        if self._errors:
            count = len(self._errors)
            found = f"{count} validation error{'s' if count > 1 else ''} detected"
            raise AwsError(BAD_REQUEST, f"{found}: {'; '.join(self._errors)}")

    def _add_error(self, name: str, value: str, rule: str) -> None:
        self._errors.append(f"Value '{value}' at '{_member(name)}' failed to satisfy constraint: {rule}")


def list_phone_numbers_request(raw_query: str, service: ServiceModel) -> ListPhoneNumbersRequest:
    """Parse the query of ListPhoneNumbers.

    Raises:
        AwsError: BadRequest if a parameter is out of range, not in its enum, repeated, or half of a filter.
    """
    query = _Query(raw_query, _LIST_PHONE_NUMBERS, service)
    request = ListPhoneNumbersRequest(
        filters=ListPhoneNumbersFilters(
            association=query.association(),
            product_type=query.enum("product-type", service.product_types),
            status=query.enum("status", service.phone_number_statuses),
        ),
        max_results=query.max_results(),
        next_token=query.text("next-token"),
    )
    query.raise_errors()
    return request


def list_phone_number_orders_request(raw_query: str, service: ServiceModel) -> ListPhoneNumberOrdersRequest:
    """Parse the query of ListPhoneNumberOrders.

    Raises:
        AwsError: BadRequest if a parameter is out of range or repeated.
    """
    query = _Query(raw_query, _LIST_PHONE_NUMBER_ORDERS, service)
    request = ListPhoneNumberOrdersRequest(max_results=query.max_results(), next_token=query.text("next-token"))
    query.raise_errors()
    return request


def _member(name: str) -> str:
    """Return the parameter's name in AWS's messages: `maxResults` for `max-results`."""
    first, *others = name.split("-")
    return first + "".join(other.capitalize() for other in others)
