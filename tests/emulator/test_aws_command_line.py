"""The `aws` command from PyPI lists, filters, pages and gets all records."""

import json
from pathlib import Path

import pytest

from gateway.emulator.service_model import Api
from tests.emulator.conftest import Emulate, Emulated
from tests.emulator.test_lists import inventory, passes


def without_nulls(value: object) -> object:
    """Return the value without its nulls, which AWS's clients leave out."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value


def test_command_prints_the_first_page_of_both_lists(sample: Emulated, tmp_path: Path) -> None:
    for command, target in (
        ("list-phone-numbers", "/phone-numbers"),
        ("list-phone-number-orders", "/phone-number-orders"),
    ):
        response = sample.aws(tmp_path).run_json(command)
        page = sample.caller.get(target).json
        # Each token is different.
        assert response.pop("NextToken", None) is None or page["NextToken"] is not None
        del page["NextToken"]
        assert response == without_nulls(page)


def test_command_filters_by_every_parameter_and_continues_with_a_token(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    filters = {
        "filter_name": "VoiceConnectorId",
        "filter_value": "abcdef1ghij2klmno3pqr4",
        "product_type": "VoiceConnector",
        "status": "Assigned",
    }
    options = [text for name, value in filters.items() for text in (f"--{name.replace('_', '-')}", value)]
    first = aws.run_json("list-phone-numbers", *options, "--max-results", "5")
    second = aws.run_json("list-phone-numbers", *options, "--max-results", "90", "--next-token", first["NextToken"])
    wanted = [number for number in inventory(sample.caller) if passes(number, filters)]
    assert len(first["PhoneNumbers"]) == 5
    assert "NextToken" not in second
    assert first["PhoneNumbers"] + second["PhoneNumbers"] == without_nulls(wanted)


def test_command_gets_a_number_and_an_order(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    number = aws.run_json("get-phone-number", "--phone-number-id", "+12065550101")["PhoneNumber"]
    assert number["PhoneNumberId"] == "%2B12065550101"
    assert aws.run_json("get-phone-number", "--phone-number-id", number["PhoneNumberId"])["PhoneNumber"] == number
    order_id = "abc12345-de67-89f0-123g-h45i678j9012"
    order = aws.run_json("get-phone-number-order", "--phone-number-order-id", order_id)["PhoneNumberOrder"]
    assert [each["E164PhoneNumber"] for each in order["OrderedPhoneNumbers"]] == ["+12065550100", "+12065550101"]


def test_command_prints_the_names_of_errors(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    too_many = str(sample.service.max_results + 1)
    assert "(BadRequestException)" in aws.error("list-phone-numbers", "--max-results", too_many)
    unknown = ("--filter-name", "SipRuleId", "--filter-value", "unknown")
    assert "(NotFoundException)" in aws.error("list-phone-numbers", *unknown)


def test_printed_records_can_be_imported_and_are_printed_again(emulate: Emulate, api: Api, tmp_path: Path) -> None:
    """The files hold the command's actual output."""
    aws = emulate(api=api, numbers=99).aws(tmp_path)
    printed: list[Path] = []
    for command in ("list-phone-numbers", "list-phone-number-orders"):
        printed.append(tmp_path / f"{command}.json")
        printed[-1].write_text(aws.run(command).stdout)
    again = emulate(api=api, load=tuple(printed)).aws(tmp_path)
    for path in printed:
        assert again.run(path.stem).stdout == path.read_text()
        assert json.loads(path.read_text())


@pytest.mark.slow
def test_command_pages_through_ten_thousand_numbers_without_repeats(emulate: Emulate, api: Api, tmp_path: Path) -> None:
    """The command starts once for each page."""
    emulated = emulate(api=api, numbers=10_000, orders=0)
    aws = emulated.aws(tmp_path)
    seen: list[str] = []
    token: tuple[str, ...] | None = ()
    while token is not None:
        most = str(emulated.service.max_results)
        response = aws.run_json("list-phone-numbers", "--max-results", most, *token)
        seen += [number["E164PhoneNumber"] for number in response["PhoneNumbers"]]
        token = ("--next-token", response["NextToken"]) if "NextToken" in response else None
    assert len(seen) == len(set(seen)) == 10_000
