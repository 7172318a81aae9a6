"""One number, one order, and paths that are neither."""

import pytest

from tests.emulator.conftest import Emulated

NOT_FOUND = (404, "NotFoundException", "NotFound")
UNKNOWN_OPERATION = (404, "UnknownOperationException", "UnknownOperation")


@pytest.mark.parametrize("written", ["%2B12065550100", "+12065550100", "12065550100", "%252B12065550100"])
def test_a_number_goes_by_all_its_spellings(sample: Emulated, written: str) -> None:
    """Encoded once as AWS's clients send it, bare, without plus, and as PhoneNumberId stands in answers."""
    answer = sample.caller.get(f"/phone-numbers/{written}")
    assert answer.status == 200
    assert answer.json == {"PhoneNumber": sample.caller.get("/phone-numbers", max_results=1).json["PhoneNumbers"][0]}


def test_an_order_goes_by_its_id(sample: Emulated) -> None:
    orders = sample.caller.get("/phone-number-orders").json["PhoneNumberOrders"]
    assert len(orders) == 40
    for order in orders:
        answer = sample.caller.get(f"/phone-number-orders/{order['PhoneNumberOrderId']}")
        assert answer.json == {"PhoneNumberOrder": order}


@pytest.mark.parametrize(
    "path",
    [
        "/phone-numbers/%2B12065550199",
        "/phone-numbers/no-number",
        "/phone-numbers/%2B%D9%A1%D9%A2",
        "/phone-numbers/%FF%FE",
        "/phone-numbers/a%2Fb",
        "/phone-number-orders/abc12345",
        "/phone-number-orders/ABC12345-de67-89f0-123g-h45i678j9012",
        "/phone-number-orders/%00",
    ],
)
def test_an_id_that_names_nothing_is_not_found(sample: Emulated, path: str) -> None:
    assert sample.caller.get(path).error == NOT_FOUND


@pytest.mark.parametrize("path", ["/", "/phone-numbers/", "/phone-numbers/a/b", "/Phone-Numbers", "/accounts", "//"])
def test_other_paths_are_unknown_operations(sample: Emulated, path: str) -> None:
    assert sample.caller.get(path).error == UNKNOWN_OPERATION


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_unknown_operations(sample: Emulated, method: str) -> None:
    for path in ("/phone-numbers", "/phone-numbers/%2B12065550100", "/phone-number-orders"):
        headers = sample.caller.signed(path, method)
        assert sample.caller.send(path, headers, method).error == UNKNOWN_OPERATION
