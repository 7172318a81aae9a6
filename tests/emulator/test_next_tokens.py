"""Next-tokens: what they are good for, and everything they are not."""

import re
import time
from pathlib import Path

import pytest

from gateway.emulator.aws_errors import AwsError
from gateway.emulator.next_tokens import NextTokens, TokenScope
from tests.emulator.aws_clients import Answer, Caller
from tests.emulator.conftest import Emulate, Emulated

CONNECTOR = {"filter_name": "VoiceConnectorId", "filter_value": "abcdef1ghij2klmno3pqr4"}


def token_of(caller: Caller, target: str = "/phone-numbers", **parameters: object) -> str:
    token = caller.get(target, max_results=1, **parameters).json["NextToken"]
    assert isinstance(token, str)
    return token


def refused(answer: Answer) -> str:
    assert answer.error == (400, "BadRequestException", "BadRequest")
    message = answer.json["Message"]
    assert isinstance(message, str)
    return message


def test_a_token_is_short_url_safe_and_says_nothing(sample: Emulated) -> None:
    token = token_of(sample.caller)
    assert len(token) == 48
    assert re.fullmatch(r"[A-Za-z0-9._]+", token)


def test_no_token_begins_like_an_option_of_the_command_line() -> None:
    """`aws ... --next-token -abc` is refused by the `aws` command itself."""
    tokens, scope = NextTokens(b"k" * 32, time.time), TokenScope("chime", "ListPhoneNumbers")
    assert not any(tokens.issue(scope, place).startswith("-") for place in range(2_000))


def test_tokens_of_neighbouring_pages_have_nothing_in_common(sample: Emulated) -> None:
    tokens = [sample.caller.get("/phone-numbers", max_results=size).json["NextToken"] for size in range(1, 9)]
    for position in range(0, 48, 8):
        assert len({token[position : position + 8] for token in tokens}) == len(tokens)


def test_a_token_may_be_used_twice_and_with_any_page_size(sample: Emulated) -> None:
    token = token_of(sample.caller)
    ten = sample.caller.get("/phone-numbers", next_token=token, max_results=10).json["PhoneNumbers"]
    assert sample.caller.get("/phone-numbers", next_token=token, max_results=10).json["PhoneNumbers"] == ten
    assert sample.caller.get("/phone-numbers", next_token=token, max_results=4).json["PhoneNumbers"] == ten[:4]


def test_the_order_of_the_parameters_is_nothing_to_a_token(sample: Emulated) -> None:
    token = token_of(sample.caller, status="Assigned", **CONNECTOR)
    target = (
        f"/phone-numbers?next-token={token}&status=Assigned&filter-value={CONNECTOR['filter_value']}"
        "&filter-name=VoiceConnectorId"
    )
    assert sample.caller.get(target).status == 200


def test_a_token_of_other_filters_is_refused(sample: Emulated) -> None:
    filters: list[dict[str, str]] = [
        {},
        {"status": "Assigned"},
        {"product_type": "VoiceConnector"},
        {"status": "Assigned", "product_type": "VoiceConnector"},
        CONNECTOR,
        {**CONNECTOR, "status": "Assigned"},
    ]
    for mine in filters:
        token = token_of(sample.caller, **mine)
        for others in filters:
            answer = sample.caller.get("/phone-numbers", next_token=token, **others)
            if mine == others:
                assert answer.status == 200
            else:
                assert "other parameters" in refused(answer)


def test_a_token_of_the_other_list_is_refused(sample: Emulated) -> None:
    numbers, orders = token_of(sample.caller), token_of(sample.caller, "/phone-number-orders")
    assert "other parameters" in refused(sample.caller.get("/phone-numbers", next_token=orders))
    assert "other parameters" in refused(sample.caller.get("/phone-number-orders", next_token=numbers))


def test_a_token_of_the_other_generation_is_refused(emulate: Emulate) -> None:
    token = token_of(emulate(api="chime").caller)
    refused(emulate(api="chime-sdk-voice").caller.get("/phone-numbers", next_token=token))


def test_a_token_of_the_other_generation_is_refused_under_the_same_key() -> None:
    tokens = NextTokens(b"k" * 32, time.time)
    token = tokens.issue(TokenScope("chime", "ListPhoneNumbers"), 7)
    assert tokens.read(TokenScope("chime", "ListPhoneNumbers"), token) == 7
    with pytest.raises(AwsError, match="other parameters"):
        tokens.read(TokenScope("chime-sdk-voice", "ListPhoneNumbers"), token)


def test_a_token_of_another_database_is_refused(emulate: Emulate) -> None:
    token = token_of(emulate().caller)
    assert "not valid" in refused(emulate().caller.get("/phone-numbers", next_token=token))


def test_a_token_damaged_anywhere_is_refused(sample: Emulated) -> None:
    token = token_of(sample.caller)
    for position, letter in enumerate(token):
        damaged = token[:position] + ("A" if letter != "A" else "B") + token[position + 1 :]
        assert "not valid" in refused(sample.caller.get("/phone-numbers", next_token=damaged))


@pytest.mark.parametrize("change", ["{0}A", "{0}====", " {0}", "{0}\n", "{0}{0}", "A", "{{}}", "é", "null", "\0", "."])
def test_text_that_is_no_token_is_refused(sample: Emulated, change: str) -> None:
    token = change.format(token_of(sample.caller))
    assert "not valid" in refused(sample.caller.get("/phone-numbers", next_token=token))


def test_an_empty_token_is_refused(sample: Emulated) -> None:
    assert "'nextToken'" in refused(sample.caller.get("/phone-numbers", next_token=""))


def test_a_token_lives_for_a_day(emulate: Emulate) -> None:
    now = 1_800_000_000.0
    emulated = emulate(clock=lambda: now)
    token = token_of(emulated.caller)
    now += 24 * 60 * 60
    assert emulated.caller.get("/phone-numbers", next_token=token).status == 200
    now += 1
    assert "expired" in refused(emulated.caller.get("/phone-numbers", next_token=token))


def test_a_token_survives_a_restart_on_the_same_database(emulate: Emulate, tmp_path: Path) -> None:
    first = emulate(db=tmp_path / "chime.db")
    token = token_of(first.caller)
    rest = first.caller.get("/phone-numbers", next_token=token).json["PhoneNumbers"]
    first.store.close()
    again = emulate(db=tmp_path / "chime.db")
    assert again.caller.get("/phone-numbers", next_token=token).json["PhoneNumbers"] == rest
