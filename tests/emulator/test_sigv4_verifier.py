"""Signatures cover method, path, query, headers and body, are valid for one key pair, and expire."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.aws_clients import Caller, EmulatorResponse
from tests.emulator.conftest import Emulated

PATH = "/phone-numbers?max-results=3"


def unauthorized(response: EmulatorResponse) -> str:
    assert response.error == (401, "UnauthorizedClientException", "Unauthorized")
    message = response.json["Message"]
    assert isinstance(message, str)
    return message


def caller(sample: Emulated, **differences: Any) -> Caller:
    return Caller(sample.url, **differences)


def test_unknown_access_key_is_unauthorized(sample: Emulated) -> None:
    assert "security token" in unauthorized(caller(sample, access_key="other").get(PATH))


def test_signature_with_another_secret_is_unauthorized(sample: Emulated) -> None:
    assert "does not match" in unauthorized(caller(sample, secret_key="other").get(PATH))


def test_unsigned_request_is_unauthorized(sample: Emulated) -> None:
    assert "Authorization header" in unauthorized(sample.caller.send(PATH, {}))


@pytest.mark.parametrize(
    "authorization", ["Bearer local", "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=local/, Signature=0"]
)
def test_other_authorization_header_is_unauthorized(sample: Emulated, authorization: str) -> None:
    headers = {**sample.caller.signed(PATH), "Authorization": authorization}
    unauthorized(sample.caller.send(PATH, headers))


@pytest.mark.parametrize(
    "altered",
    [
        "/phone-numbers?max-results=4",
        "/phone-numbers?max-results=3&status=Assigned",
        "/phone-numbers",
        "/phone-number-orders?max-results=3",
        "/phone-numbers/%2B12065550100?max-results=3",
    ],
)
def test_signature_of_another_path_or_query_is_unauthorized(sample: Emulated, altered: str) -> None:
    assert "does not match" in unauthorized(sample.caller.send(altered, sample.caller.signed(PATH)))


def test_signature_of_another_method_or_body_is_unauthorized(sample: Emulated) -> None:
    unauthorized(sample.caller.send(PATH, sample.caller.signed(PATH, "POST")))
    unauthorized(sample.caller.send(PATH, sample.caller.signed(PATH), body=b"{}"))
    assert sample.caller.send(PATH, sample.caller.signed(PATH, body=b"{}"), body=b"{}").status == 200


def test_changed_signed_header_is_unauthorized(sample: Emulated) -> None:
    signed = caller(sample, extra_headers={"X-Amz-Meta": "one"}).signed(PATH)
    assert sample.caller.send(PATH, signed).status == 200
    unauthorized(sample.caller.send(PATH, {**signed, "X-Amz-Meta": "two"}))
    unauthorized(sample.caller.send(PATH, {**signed, "Host": "chime.example"}))
    del signed["X-Amz-Meta"]
    assert "is missing" in unauthorized(sample.caller.send(PATH, signed))


def test_unsigned_header_can_have_any_value(sample: Emulated) -> None:
    assert sample.caller.send(PATH, {**sample.caller.signed(PATH), "X-Forwarded-For": "10.0.0.1"}).status == 200


@pytest.mark.parametrize("dropped", ["host;", "x-amz-date"])
def test_host_and_date_must_be_signed(sample: Emulated, dropped: str) -> None:
    headers = sample.caller.signed(PATH)
    headers["Authorization"] = headers["Authorization"].replace(dropped, "" if dropped == "host;" else "accept")
    assert "must be signed" in unauthorized(sample.caller.send(PATH, headers))


def shifted(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def test_signature_is_valid_for_15_minutes_before_and_after_its_date(sample: Emulated) -> None:
    for minutes in (-14, 14):
        assert caller(sample, clock=shifted(minutes * 60)).get(PATH).status == 200
    for minutes in (-16, 16, 60 * 24 * 365):
        assert "expired" in unauthorized(caller(sample, clock=shifted(minutes * 60)).get(PATH))


@pytest.mark.parametrize("date", ["", "yesterday", "20190918", "Wed, 18 Sep 2019 17:53:26 GMT"])
def test_invalid_date_is_unauthorized(sample: Emulated, date: str) -> None:
    unauthorized(sample.caller.send(PATH, {**sample.caller.signed(PATH), "X-Amz-Date": date}))


def test_credential_of_another_day_is_unauthorized(sample: Emulated) -> None:
    headers = sample.caller.signed(PATH)
    day = headers["X-Amz-Date"][:8]
    headers["Authorization"] = headers["Authorization"].replace(f"/{day}/", "/20190918/")
    assert "Date in Credential scope" in unauthorized(sample.caller.send(PATH, headers))


def test_signature_for_another_service_is_unauthorized(sample: Emulated) -> None:
    assert "service: 'chime'" in unauthorized(caller(sample, service="s3").get(PATH))


def test_any_region_and_session_token_are_accepted(sample: Emulated) -> None:
    assert caller(sample, region="ap-southeast-2", session_token="a/session+token==").get(PATH).status == 200


@pytest.mark.parametrize("value", ["a b", "a+b", "a%20b", "a/b?c", "~-_.!*'()", "ä€😀", "a=b&c=d", "%", ";"])
def test_any_text_in_the_query_can_be_signed(sample: Emulated, value: str) -> None:
    response = sample.caller.get("/phone-numbers", filter_name="VoiceConnectorId", filter_value=value)
    assert response.status == 404


def test_wrong_body_hash_is_unauthorized(sample: Emulated) -> None:
    headers = caller(sample, extra_headers={"X-Amz-Content-SHA256": "0" * 64}).signed(PATH)
    assert "X-Amz-Content-SHA256" in unauthorized(sample.caller.send(PATH, headers))


def test_signature_is_checked_before_parameters(sample: Emulated) -> None:
    unauthorized(caller(sample, secret_key="other").get("/phone-numbers?max-results=1000"))
