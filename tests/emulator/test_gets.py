"""GetPhoneNumber, GetPhoneNumberOrder and unknown paths."""

import pytest

from tests.emulator.conftest import Emulated

NOT_FOUND = (404, "NotFoundException", "NotFound")
UNKNOWN_OPERATION = (404, "UnknownOperationException", "UnknownOperation")


@pytest.mark.parametrize("written", ["%2B12065550100", "+12065550100", "12065550100", "%252B12065550100"])
def test_number_is_found_by_each_spelling(sample: Emulated, written: str) -> None:
    """Encoded as AWS's clients send it, not encoded, without the plus, and as a response's PhoneNumberId, encoded."""
    response = sample.caller.get(f"/phone-numbers/{written}")
    assert response.status == 200
    assert response.json == {"PhoneNumber": sample.caller.get("/phone-numbers", max_results=1).json["PhoneNumbers"][0]}


def test_order_is_found_by_its_id(sample: Emulated) -> None:
    orders = sample.caller.get("/phone-number-orders").json["PhoneNumberOrders"]
    assert len(orders) == 40
    for order in orders:
        response = sample.caller.get(f"/phone-number-orders/{order['PhoneNumberOrderId']}")
        assert response.json == {"PhoneNumberOrder": order}


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
def test_unknown_id_is_not_found(sample: Emulated, path: str) -> None:
    assert sample.caller.get(path).error == NOT_FOUND


@pytest.mark.parametrize("path", ["/", "/phone-numbers/", "/phone-numbers/a/b", "/Phone-Numbers", "/accounts", "//"])
def test_other_path_is_unknown_operation(sample: Emulated, path: str) -> None:
    assert sample.caller.get(path).error == UNKNOWN_OPERATION


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_method_is_unknown_operation(sample: Emulated, method: str) -> None:
    for path in ("/phone-numbers", "/phone-numbers/%2B12065550100", "/phone-number-orders"):
        headers = sample.caller.signed(path, method)
        assert sample.caller.send(path, headers, method).error == UNKNOWN_OPERATION
