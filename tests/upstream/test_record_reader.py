"""Records of responses: whole rows are returned as they are, and other rows are repaired or left out one by one."""

from typing import Any, Final

import pytest

from gateway.upstream.record_reader import read_phone_number_orders, read_phone_numbers

NUMBER: Final = {
    "PhoneNumberId": "%2B12065550100",
    "E164PhoneNumber": "+12065550100",
    "Associations": [{"Name": "UserId", "Value": "u"}],
}
ORDER: Final = {"PhoneNumberOrderId": "o", "OrderedPhoneNumbers": [{"E164PhoneNumber": "+12065550100"}]}


def test_whole_rows_are_not_copied() -> None:
    numbers: list[Any] = [NUMBER, {**NUMBER, "Associations": None}, {**NUMBER, "Associations": []}]
    other_spellings = [{**NUMBER, "E164PhoneNumber": number} for number in ("%2B12065550100", "12065550100")]
    for rows in (numbers, [*numbers, *other_spellings]):
        read, _ = read_phone_numbers(rows, "ListPhoneNumbers")
        assert list(map(id, read)) == list(map(id, rows))
    orders: list[Any] = [ORDER, {"PhoneNumberOrderId": "p"}]
    assert read_phone_number_orders(orders, "ListPhoneNumberOrders") is orders


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"E164PhoneNumber": None}, {"E164PhoneNumber": "+12065550100"}),
        ({"E164PhoneNumber": "none"}, {"E164PhoneNumber": "+12065550100"}),
        ({"E164PhoneNumber": 7}, {"E164PhoneNumber": "+12065550100"}),
        ({"E164PhoneNumber": "+12065550101\n+12065550102"}, {"E164PhoneNumber": "+12065550100"}),
        ({"E164PhoneNumber": "+12065550101\n"}, {"E164PhoneNumber": "+12065550100"}),
        ({"PhoneNumberId": ""}, {"PhoneNumberId": "+12065550100"}),
        ({"PhoneNumberId": 7}, {"PhoneNumberId": "+12065550100"}),
        ({"PhoneNumberOrderId": "o"}, {"PhoneNumberOrderId": None}),
        ({"Associations": "none"}, {"Associations": []}),
        ({"Associations": [{"Value": "u"}, {"Value": 7}]}, {"Associations": [{"Value": "u"}]}),
        ({"Associations": {}}, {"Associations": []}),
        ({"Associations": [None]}, {"Associations": []}),
        ({"Associations": [[], "u", {}]}, {"Associations": []}),
        ({"Associations": [{"Value": "u" * 257}]}, {"Associations": []}),
    ],
)
def test_one_odd_number_is_repaired_in_a_copy(change: dict[str, Any], changed: dict[str, Any]) -> None:
    odd = {**NUMBER, **change}
    rows: list[Any] = [NUMBER, odd]
    read, _ = read_phone_numbers(rows, "ListPhoneNumbers")
    assert read == [NUMBER, {**NUMBER, **changed}]
    assert rows == [NUMBER, {**NUMBER, **change}]
    assert read[0] is NUMBER


@pytest.mark.parametrize(
    "odd",
    [
        {"OrderedPhoneNumbers": 7},
        {"OrderedPhoneNumbers": {}},
        {"OrderedPhoneNumbers": [{}]},
        {"OrderedPhoneNumbers": [None, [], "+12065550100"]},
    ],
)
def test_one_odd_order_loses_only_its_odd_numbers(odd: dict[str, Any]) -> None:
    read = read_phone_number_orders([ORDER, {**ORDER, **odd}], "ListPhoneNumberOrders")
    assert read == [ORDER, {**ORDER, "OrderedPhoneNumbers": []}]


def test_rows_without_a_usable_key_are_left_out() -> None:
    numbers, keys = read_phone_numbers([7, NUMBER, {"Status": "Assigned"}, None], "ListPhoneNumbers")
    assert (numbers, keys) == ([NUMBER], ("+12065550100",))
    orders = read_phone_number_orders([{"PhoneNumberOrderId": ".."}, ORDER, []], "ListPhoneNumberOrders")
    assert orders == [ORDER]


def test_keys_of_a_page_have_their_plus_in_each_spelling() -> None:
    spellings = ["+12065550100", "%2B12065550101", "%2b12065550102", "12065550103"]
    _, keys = read_phone_numbers([{**NUMBER, "E164PhoneNumber": spelling} for spelling in spellings], "")
    assert keys == tuple(f"+1206555010{last}" for last in range(4))
