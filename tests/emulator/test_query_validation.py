"""Valid and invalid query parameters, and the error messages for invalid ones."""

import pytest

from tests.emulator.aws_clients import Caller
from tests.emulator.conftest import Emulated

BAD_REQUEST = (400, "BadRequestException", "BadRequest")
LISTS = ("/phone-numbers", "/phone-number-orders")


def rejection(caller: Caller, target: str, **parameters: object) -> str:
    response = caller.get(target, **parameters)
    assert response.error == BAD_REQUEST
    assert response.json.keys() == {"Code", "Message"}
    message = response.json["Message"]
    assert isinstance(message, str)
    return message


def test_max_results_is_valid_from_one_to_the_maximum_of_the_api(sample: Emulated) -> None:
    maximum = sample.service.max_results
    assert maximum == {"chime": 99, "chime-sdk-voice": 100}[sample.service.api]
    for target in LISTS:
        assert sample.caller.get(target, max_results=1).status == 200
        assert sample.caller.get(target, max_results=maximum).status == 200
        assert "greater than or equal to 1" in rejection(sample.caller, target, max_results=0)
        assert "greater than or equal to 1" in rejection(sample.caller, target, max_results=-5)
        assert rejection(sample.caller, target, max_results=maximum + 1) == (
            f"1 validation error detected: Value '{maximum + 1}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value less than or equal to {maximum}"
        )


@pytest.mark.parametrize("value", ["ten", "1.0", "1e1", " 5", "0x10", "", "٣", "9" * 5_000, "5;"])
def test_max_results_that_is_not_an_integer_is_rejected(sample: Emulated, value: str) -> None:
    for target in LISTS:
        assert "'maxResults'" in rejection(sample.caller, target, max_results=value)


def test_half_a_filter_is_rejected(sample: Emulated) -> None:
    assert "must be given together" in rejection(sample.caller, "/phone-numbers", filter_name="VoiceConnectorId")
    assert "must be given together" in rejection(sample.caller, "/phone-numbers", filter_value="abcdef1ghij2klmno3pqr4")


def test_empty_filter_value_is_rejected(sample: Emulated) -> None:
    message = rejection(sample.caller, "/phone-numbers", filter_name="VoiceConnectorId", filter_value="")
    assert "'filterValue'" in message


def test_value_outside_of_its_enum_is_rejected_with_the_enum(sample: Emulated) -> None:
    service = sample.service
    for parameters, allowed in (
        ({"status": "assigned"}, service.phone_number_statuses),
        ({"product_type": "Voice Connector"}, service.product_types),
        ({"filter_name": "Region", "filter_value": "x"}, service.association_names),
        ({"status": ""}, service.phone_number_statuses),
    ):
        message = rejection(sample.caller, "/phone-numbers", **parameters)
        assert f"Member must satisfy enum value set: [{', '.join(allowed)}]" in message


def test_each_api_accepts_only_its_own_values(sample: Emulated) -> None:
    chime_only = [
        {"product_type": "BusinessCalling"},
        {"filter_name": "AccountId", "filter_value": "x"},
        {"filter_name": "UserId", "filter_value": "x"},
    ]
    voice_only = [{"status": "Cancelled"}, {"status": "PortinCancelRequested"}, {"status": "PortinInProgress"}]
    is_chime = sample.service.api == "chime"
    for parameters in voice_only if is_chime else chime_only:
        rejection(sample.caller, "/phone-numbers", **parameters)
    for parameters in chime_only if is_chime else voice_only:
        assert sample.caller.get("/phone-numbers", **parameters).status in {200, 404}


def test_repeated_parameter_is_rejected(sample: Emulated) -> None:
    for target in ("/phone-numbers?max-results=5&max-results=5", "/phone-number-orders?next-token=a&next-token=b"):
        assert "is given 2 times" in rejection(sample.caller, target)


def test_all_errors_are_reported_in_one_message(sample: Emulated) -> None:
    message = rejection(sample.caller, "/phone-numbers", max_results=0, status="x", product_type="y", filter_name="z")
    assert message.startswith("5 validation errors detected: ")
    for member in ("maxResults", "status", "productType", "filterName", "filterValue"):
        assert f"'{member}'" in message


def test_unknown_parameters_are_ignored(sample: Emulated) -> None:
    assert sample.caller.get("/phone-numbers", max_results=1, colour="green").status == 200
    assert sample.caller.get("/phone-number-orders", max_results=1, status="Nonsense").status == 200


def test_filter_with_an_unknown_resource_is_not_found(sample: Emulated) -> None:
    for name in sample.service.association_names:
        for value in ("nobody", "x y+z/%2B~é&=", "'; DROP TABLE phone_numbers; --"):
            response = sample.caller.get("/phone-numbers", filter_name=name, filter_value=value)
            assert response.error == (404, "NotFoundException", "NotFound")


def test_known_value_under_another_name_is_not_found(sample: Emulated) -> None:
    response = sample.caller.get("/phone-numbers", filter_name="SipRuleId", filter_value="abcdef1ghij2klmno3pqr4")
    assert response.status == 404
