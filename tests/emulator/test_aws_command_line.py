"""The `aws` command line, as it comes from PyPI: lists, filters, pages through and gets all of it."""

import json
from pathlib import Path

import pytest

from gateway.emulator.service_model import Api
from tests.emulator.conftest import Emulate, Emulated
from tests.emulator.test_lists import inventory, passes


def without_nulls(value: object) -> object:
    """As AWS's clients show an answer: they leave out what is null."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value


def test_it_lists_the_first_page_of_both_lists(sample: Emulated, tmp_path: Path) -> None:
    for command, target in (
        ("list-phone-numbers", "/phone-numbers"),
        ("list-phone-number-orders", "/phone-number-orders"),
    ):
        answer = sample.aws(tmp_path).answer(command)
        page = sample.caller.get(target).json
        # NextTokens differ by the time of their issue.
        assert answer.pop("NextToken", None) is None or page["NextToken"] is not None
        del page["NextToken"]
        assert answer == without_nulls(page)


def test_it_filters_with_every_parameter_and_pages_on(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    filters = {
        "filter_name": "VoiceConnectorId",
        "filter_value": "abcdef1ghij2klmno3pqr4",
        "product_type": "VoiceConnector",
        "status": "Assigned",
    }
    options = [text for name, value in filters.items() for text in (f"--{name.replace('_', '-')}", value)]
    first = aws.answer("list-phone-numbers", *options, "--max-results", "5")
    second = aws.answer("list-phone-numbers", *options, "--max-results", "90", "--next-token", first["NextToken"])
    wanted = [number for number in inventory(sample.caller) if passes(number, filters)]
    assert len(first["PhoneNumbers"]) == 5
    assert "NextToken" not in second
    assert first["PhoneNumbers"] + second["PhoneNumbers"] == without_nulls(wanted)


def test_it_gets_a_number_and_an_order(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    number = aws.answer("get-phone-number", "--phone-number-id", "+12065550101")["PhoneNumber"]
    assert number["PhoneNumberId"] == "%2B12065550101"
    assert aws.answer("get-phone-number", "--phone-number-id", number["PhoneNumberId"])["PhoneNumber"] == number
    order_id = "abc12345-de67-89f0-123g-h45i678j9012"
    order = aws.answer("get-phone-number-order", "--phone-number-order-id", order_id)["PhoneNumberOrder"]
    assert [each["E164PhoneNumber"] for each in order["OrderedPhoneNumbers"]] == ["+12065550100", "+12065550101"]


def test_it_shows_errors_by_their_names(sample: Emulated, tmp_path: Path) -> None:
    aws = sample.aws(tmp_path)
    past_the_bound = str(sample.service.max_results + 1)
    assert "(BadRequestException)" in aws.error("list-phone-numbers", "--max-results", past_the_bound)
    unknown = ("--filter-name", "SipRuleId", "--filter-value", "unknown")
    assert "(NotFoundException)" in aws.error("list-phone-numbers", *unknown)


def test_what_it_prints_can_be_loaded_and_is_printed_again(emulate: Emulate, api: Api, tmp_path: Path) -> None:
    """The actual output, piped into files and brought home."""
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
def test_it_pages_through_ten_thousand_numbers_and_meets_each_once(emulate: Emulate, api: Api, tmp_path: Path) -> None:
    """A start of the command for each page."""
    emulated = emulate(api=api, numbers=10_000, orders=0)
    aws = emulated.aws(tmp_path)
    seen: list[str] = []
    token: tuple[str, ...] | None = ()
    while token is not None:
        most = str(emulated.service.max_results)
        answer = aws.answer("list-phone-numbers", "--max-results", most, *token)
        seen += [number["E164PhoneNumber"] for number in answer["PhoneNumbers"]]
        token = ("--next-token", answer["NextToken"]) if "NextToken" in answer else None
    assert len(seen) == len(set(seen)) == 10_000
