"""What a request may say, and what it is told when it may not."""

import pytest

from tests.emulator.aws_clients import Caller
from tests.emulator.conftest import Emulated

BAD_REQUEST = (400, "BadRequestException", "BadRequest")
LISTS = ("/phone-numbers", "/phone-number-orders")


def refusal(caller: Caller, target: str, **parameters: object) -> str:
    answer = caller.get(target, **parameters)
    assert answer.error == BAD_REQUEST
    assert answer.json.keys() == {"Code", "Message"}
    message = answer.json["Message"]
    assert isinstance(message, str)
    return message


def test_max_results_reaches_from_one_to_the_most_of_the_generation(sample: Emulated) -> None:
    most = sample.service.max_results
    assert most == {"chime": 99, "chime-sdk-voice": 100}[sample.service.api]
    for target in LISTS:
        assert sample.caller.get(target, max_results=1).status == 200
        assert sample.caller.get(target, max_results=most).status == 200
        assert "greater than or equal to 1" in refusal(sample.caller, target, max_results=0)
        assert "greater than or equal to 1" in refusal(sample.caller, target, max_results=-5)
        assert refusal(sample.caller, target, max_results=most + 1) == (
            f"1 validation error detected: Value '{most + 1}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value less than or equal to {most}"
        )


@pytest.mark.parametrize("value", ["ten", "1.0", "1e1", " 5", "0x10", "", "٣", "9" * 5_000, "5;"])
def test_max_results_that_is_no_integer_is_refused(sample: Emulated, value: str) -> None:
    for target in LISTS:
        assert "'maxResults'" in refusal(sample.caller, target, max_results=value)


def test_half_a_filter_is_refused(sample: Emulated) -> None:
    assert "must be given together" in refusal(sample.caller, "/phone-numbers", filter_name="VoiceConnectorId")
    assert "must be given together" in refusal(sample.caller, "/phone-numbers", filter_value="abcdef1ghij2klmno3pqr4")


def test_an_empty_filter_value_is_refused(sample: Emulated) -> None:
    message = refusal(sample.caller, "/phone-numbers", filter_name="VoiceConnectorId", filter_value="")
    assert "'filterValue'" in message


def test_words_that_are_on_no_list_are_refused_with_the_list(sample: Emulated) -> None:
    service = sample.service
    for parameters, allowed in (
        ({"status": "assigned"}, service.phone_number_statuses),
        ({"product_type": "Voice Connector"}, service.product_types),
        ({"filter_name": "Region", "filter_value": "x"}, service.association_names),
        ({"status": ""}, service.phone_number_statuses),
    ):
        message = refusal(sample.caller, "/phone-numbers", **parameters)
        assert f"Member must satisfy enum value set: [{', '.join(allowed)}]" in message


def test_each_generation_takes_its_own_words_only(sample: Emulated) -> None:
    first_alone = [
        {"product_type": "BusinessCalling"},
        {"filter_name": "AccountId", "filter_value": "x"},
        {"filter_name": "UserId", "filter_value": "x"},
    ]
    second_alone = [{"status": "Cancelled"}, {"status": "PortinCancelRequested"}, {"status": "PortinInProgress"}]
    first = sample.service.api == "chime"
    for parameters in second_alone if first else first_alone:
        refusal(sample.caller, "/phone-numbers", **parameters)
    for parameters in first_alone if first else second_alone:
        assert sample.caller.get("/phone-numbers", **parameters).status in {200, 404}


def test_a_parameter_given_twice_is_refused(sample: Emulated) -> None:
    for target in ("/phone-numbers?max-results=5&max-results=5", "/phone-number-orders?next-token=a&next-token=b"):
        assert "is given 2 times" in refusal(sample.caller, target)


def test_all_that_is_wrong_is_told_at_once(sample: Emulated) -> None:
    message = refusal(sample.caller, "/phone-numbers", max_results=0, status="x", product_type="y", filter_name="z")
    assert message.startswith("5 validation errors detected: ")
    for member in ("maxResults", "status", "productType", "filterName", "filterValue"):
        assert f"'{member}'" in message


def test_parameters_that_the_page_does_not_name_are_passed_over(sample: Emulated) -> None:
    assert sample.caller.get("/phone-numbers", max_results=1, colour="green").status == 200
    assert sample.caller.get("/phone-number-orders", max_results=1, status="Nonsense").status == 200


def test_a_filter_on_an_unknown_resource_is_not_found(sample: Emulated) -> None:
    for name in sample.service.association_names:
        for value in ("nobody", "x y+z/%2B~é&=", "'; DROP TABLE phone_numbers; --"):
            answer = sample.caller.get("/phone-numbers", filter_name=name, filter_value=value)
            assert answer.error == (404, "NotFoundException", "NotFound")


def test_a_known_value_under_another_name_is_not_found(sample: Emulated) -> None:
    answer = sample.caller.get("/phone-numbers", filter_name="SipRuleId", filter_value="abcdef1ghij2klmno3pqr4")
    assert answer.status == 404
