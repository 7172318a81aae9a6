"""Next-tokens: which requests they are valid for, and which text is rejected."""

import re
import time
from pathlib import Path

import pytest

from gateway.emulator.aws_errors import AwsError
from gateway.emulator.next_tokens import NextTokens, TokenScope
from tests.emulator.aws_clients import Caller, EmulatorResponse
from tests.emulator.conftest import Emulate, Emulated

KEY = b"k" * 32
CONNECTOR = {"filter_name": "VoiceConnectorId", "filter_value": "abcdef1ghij2klmno3pqr4"}


def token_of(caller: Caller, target: str = "/phone-numbers", **parameters: object) -> str:
    token = caller.get(target, max_results=1, **parameters).json["NextToken"]
    assert isinstance(token, str)
    return token


def rejected(response: EmulatorResponse) -> str:
    assert response.error == (400, "BadRequestException", "BadRequest")
    message = response.json["Message"]
    assert isinstance(message, str)
    return message


def test_token_is_url_safe_and_never_starts_with_a_hyphen(sample: Emulated) -> None:
    """The `aws` command rejects `--next-token -abc` itself."""
    assert re.fullmatch(r"gAAAA[A-Za-z0-9_-]{135}", token_of(sample.caller))


def test_token_hides_its_position() -> None:
    next_tokens, scope = NextTokens(KEY, lambda: 1_800_000_000), TokenScope("chime", "ListPhoneNumbers")
    tokens = [next_tokens.issue(scope, after) for after in range(100)]
    # The first twelve characters are Fernet's version and the time of issue.
    assert len({token[:12] for token in tokens}) == 1
    for position in range(12, 140, 8):
        assert len({token[position : position + 8] for token in tokens}) == len(tokens)


def test_token_can_be_used_again_with_any_page_size(sample: Emulated) -> None:
    token = token_of(sample.caller)
    ten = sample.caller.get("/phone-numbers", next_token=token, max_results=10).json["PhoneNumbers"]
    assert sample.caller.get("/phone-numbers", next_token=token, max_results=10).json["PhoneNumbers"] == ten
    assert sample.caller.get("/phone-numbers", next_token=token, max_results=4).json["PhoneNumbers"] == ten[:4]


def test_same_page_has_the_same_token(emulate: Emulate) -> None:
    caller = emulate().caller
    assert token_of(caller) == token_of(caller)


def test_unstable_tokens_differ_each_time_and_lead_to_the_same_page(emulate: Emulate) -> None:
    caller = emulate(unstable_tokens=True).caller
    tokens = [token_of(caller) for _ in range(3)]
    assert len(set(tokens)) == 3
    pages = [caller.get("/phone-numbers", next_token=token, max_results=9).json["PhoneNumbers"] for token in tokens]
    assert pages == [pages[0]] * 3


def test_token_does_not_depend_on_the_order_of_parameters(sample: Emulated) -> None:
    token = token_of(sample.caller, status="Assigned", **CONNECTOR)
    target = (
        f"/phone-numbers?next-token={token}&status=Assigned&filter-value={CONNECTOR['filter_value']}"
        "&filter-name=VoiceConnectorId"
    )
    assert sample.caller.get(target).status == 200


def test_token_of_other_filters_is_rejected(sample: Emulated) -> None:
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
            response = sample.caller.get("/phone-numbers", next_token=token, **others)
            if mine == others:
                assert response.status == 200
            else:
                assert "other parameters" in rejected(response)


def test_token_of_the_other_list_is_rejected(sample: Emulated) -> None:
    numbers, orders = token_of(sample.caller), token_of(sample.caller, "/phone-number-orders")
    assert "other parameters" in rejected(sample.caller.get("/phone-numbers", next_token=orders))
    assert "other parameters" in rejected(sample.caller.get("/phone-number-orders", next_token=numbers))


def test_token_of_the_other_api_is_rejected(emulate: Emulate) -> None:
    token = token_of(emulate(api="chime").caller)
    rejected(emulate(api="chime-sdk-voice").caller.get("/phone-numbers", next_token=token))


def test_token_of_the_other_api_is_rejected_under_the_same_key() -> None:
    next_tokens = NextTokens(KEY, time.time)
    token = next_tokens.issue(TokenScope("chime", "ListPhoneNumbers"), 7)
    assert next_tokens.read(TokenScope("chime", "ListPhoneNumbers"), token) == 7
    with pytest.raises(AwsError, match="other parameters"):
        next_tokens.read(TokenScope("chime-sdk-voice", "ListPhoneNumbers"), token)


def test_token_of_another_database_is_rejected(emulate: Emulate) -> None:
    token = token_of(emulate().caller)
    assert "not valid" in rejected(emulate().caller.get("/phone-numbers", next_token=token))


def test_token_changed_at_any_character_is_rejected(sample: Emulated) -> None:
    token = token_of(sample.caller)
    for position, letter in enumerate(token):
        damaged = token[:position] + ("A" if letter != "A" else "B") + token[position + 1 :]
        assert "not valid" in rejected(sample.caller.get("/phone-numbers", next_token=damaged))


@pytest.mark.parametrize(
    "change", ["{0}A", "{0}====", "{0}%", " {0}", "{0}\n", "{0}{0}", "A", "{{}}", "é", "null", "\0", "."]
)
def test_other_text_is_rejected(sample: Emulated, change: str) -> None:
    token = change.format(token_of(sample.caller))
    assert "not valid" in rejected(sample.caller.get("/phone-numbers", next_token=token))


def test_empty_token_is_rejected(sample: Emulated) -> None:
    assert "'nextToken'" in rejected(sample.caller.get("/phone-numbers", next_token=""))


def test_token_expires_after_24_hours(emulate: Emulate) -> None:
    now = 1_800_000_000.0
    emulated = emulate(clock=lambda: now)
    token = token_of(emulated.caller)
    now += 24 * 60 * 60
    assert emulated.caller.get("/phone-numbers", next_token=token).status == 200
    now += 1
    assert "expired" in rejected(emulated.caller.get("/phone-numbers", next_token=token))


def test_token_survives_a_restart_with_the_same_database(emulate: Emulate, tmp_path: Path) -> None:
    first = emulate(db=tmp_path / "chime.db")
    token = token_of(first.caller)
    rest = first.caller.get("/phone-numbers", next_token=token).json["PhoneNumbers"]
    first.store.close()
    again = emulate(db=tmp_path / "chime.db")
    assert again.caller.get("/phone-numbers", next_token=token).json["PhoneNumbers"] == rest
