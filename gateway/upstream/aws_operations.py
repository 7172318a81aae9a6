"""The four operations that this gateway calls, and the readers of their responses."""

from typing import Any, Final

from gateway.errors import UpstreamBadResponse
from gateway.upstream.call import Operation, Parameters
from gateway.upstream.record_reader import read_phone_number_orders, read_phone_numbers
from gateway.upstream.records import (
    PhoneNumberOrderPage,
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
)


def _parse_phone_number_page(body: dict[str, Any], _parameters: Parameters) -> PhoneNumberPage:
    operation = "ListPhoneNumbers"
    records, numbers = read_phone_numbers(_rows(body, "PhoneNumbers", operation), operation)
    return PhoneNumberPage(records, numbers, _next_token(body, operation))


def _parse_phone_number_order_page(body: dict[str, Any], _parameters: Parameters) -> PhoneNumberOrderPage:
    operation = "ListPhoneNumberOrders"
    records = read_phone_number_orders(_rows(body, "PhoneNumberOrders", operation), operation)
    ids = tuple([order["PhoneNumberOrderId"] for order in records])
    return PhoneNumberOrderPage(records, ids, _next_token(body, operation))


def _parse_phone_number(body: dict[str, Any], parameters: Parameters) -> PhoneNumberRecord:
    operation = "GetPhoneNumber"
    records, numbers = read_phone_numbers([_record(body, "PhoneNumber", operation)], operation)
    if numbers != (parameters["PhoneNumberId"],):
        raise UpstreamBadResponse(operation, detail="the record is not the requested number's")
    return records[0]


def _parse_phone_number_order(body: dict[str, Any], parameters: Parameters) -> PhoneNumberOrderRecord:
    operation = "GetPhoneNumberOrder"
    records = read_phone_number_orders([_record(body, "PhoneNumberOrder", operation)], operation)
    order_id = str(parameters["PhoneNumberOrderId"])
    if not records or str(records[0]["PhoneNumberOrderId"]).casefold() != order_id.casefold():
        raise UpstreamBadResponse(operation, detail="the record is not the requested order's")
    return records[0]


def _record(body: dict[str, Any], key: str, operation: str) -> dict[str, Any]:
    record = body.get(key)
    if not isinstance(record, dict):
        raise UpstreamBadResponse(operation, detail=f"{key} is a {type(record).__name__}, not an object")
    return record


def _rows(body: dict[str, Any], key: str, operation: str) -> list[Any]:
    rows = body.get(key)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise UpstreamBadResponse(operation, detail=f"{key} is a {type(rows).__name__}, not a list")
    return rows


def _next_token(body: dict[str, Any], operation: str) -> str | None:
    token = body.get("NextToken")
    if token is not None and not isinstance(token, str):
        raise UpstreamBadResponse(operation, detail=f"NextToken is a {type(token).__name__}")
    # A list ends if the token is null, missing or "". A short page does not end it.
    return token or None


LIST_PHONE_NUMBERS: Final = Operation("ListPhoneNumbers", _parse_phone_number_page)
LIST_PHONE_NUMBER_ORDERS: Final = Operation("ListPhoneNumberOrders", _parse_phone_number_order_page)
GET_PHONE_NUMBER: Final = Operation("GetPhoneNumber", _parse_phone_number, gets_one=True)
GET_PHONE_NUMBER_ORDER: Final = Operation("GetPhoneNumberOrder", _parse_phone_number_order, gets_one=True)

OPERATIONS: Final = (LIST_PHONE_NUMBERS, LIST_PHONE_NUMBER_ORDERS, GET_PHONE_NUMBER, GET_PHONE_NUMBER_ORDER)
OPERATION_NAMES: Final = tuple(operation.name for operation in OPERATIONS)
