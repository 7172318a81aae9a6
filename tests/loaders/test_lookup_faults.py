"""Failing lookups: each field has its own error, and the rest of the response stays."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.emulator.aws_errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, SERVICE_FAILURE, THROTTLED, UNAUTHORIZED
from gateway.settings import Settings
from tests.conftest import Gateway
from tests.loaders.faulty import (
    FaultyAws,
    any_get_of_a_number,
    any_list_of_numbers,
    faulty_aws,
    get_of,
    second_list_page_of_numbers,
)
from tests.loaders.link_queries import LINKED, linked, number_id, to_themselves
from tests.support.aws import Aws, e164, number_record, order_record


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[FaultyAws]:
    """Return an account in which a test can make single calls fail."""
    with faulty_aws(getattr(request, "param", "chime")) as account:
        yield account


def path_of(ordered: int) -> list[str | int]:
    return ["phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", ordered, "phoneNumber"]


def codes_by_path(response: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    return {tuple(error["path"]): error["extensions"]["code"] for error in response["errors"]}


@pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
async def test_failing_number_nulls_only_its_own_field(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=250)
    aws.adds_orders([order_record(0, [e164(7), e164(8)])])
    aws.fails_where(get_of(e164(8)), BAD_REQUEST)
    response = await gateway.execute(LINKED)
    assert linked(response["data"]) == {e164(7): e164(7), e164(8): None}
    [error] = response["errors"]
    assert error["path"] == path_of(1)
    assert error["message"] == "The upstream rejected the values in the request."
    assert {**error["extensions"], "requestId": None} == {
        "code": "BAD_REQUEST",
        "operation": "GetPhoneNumber",
        "retryable": False,
        "requestId": None,
    }


async def test_failing_number_is_an_error_at_each_of_its_paths(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=10)
    aws.adds_orders([order_record(0, [e164(7), e164(7)]), order_record(1, [e164(7)])])
    aws.fails_where(get_of(e164(7)), UNAUTHORIZED)
    response = await gateway.execute(LINKED)
    assert codes_by_path(response) == {
        ("phoneNumberOrders", "nodes", order, "orderedPhoneNumbers", at, "phoneNumber"): "UPSTREAM_UNAUTHORIZED"
        for order, at in [(0, 0), (0, 1), (1, 0)]
    }
    assert Counter(aws.calls)["GetPhoneNumber"] == 1


async def test_numbers_found_on_a_list_page_are_kept_if_gets_of_others_fail(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=5_000)
    found, failing = [e164(index) for index in range(10)], [e164(index) for index in range(4_000, 4_005)]
    aws.adds_orders([order_record(0, found + failing)])
    aws.fails_where(any_get_of_a_number, SERVICE_FAILURE)
    response = await gateway.execute(LINKED)
    assert linked(response["data"]) == {**to_themselves(found), **dict.fromkeys(failing)}
    assert codes_by_path(response) == {tuple(path_of(at)): "UPSTREAM_FAILURE" for at in range(10, 15)}


@pytest.mark.parametrize("error", [BAD_REQUEST, FORBIDDEN, NOT_FOUND, THROTTLED], ids=lambda e: e.code)
async def test_failing_list_falls_back_to_gets(gateway: Gateway, aws: FaultyAws, error: Any) -> None:
    aws.holds(inventory=10, orders=1, numbers_each=10)
    aws.fails_where(any_list_of_numbers, error)
    assert linked(await gateway.query(LINKED)) == to_themselves([e164(index) for index in range(10)])
    assert Counter(aws.calls)["GetPhoneNumber"] == 10


async def test_rejected_token_of_a_known_page_is_no_error(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=250)
    numbers = [e164(index) for index in range(0, 250, 10)]
    aws.adds_orders([order_record(0, numbers)])
    assert linked(await gateway.query(LINKED)) == to_themselves(numbers)
    aws.fails_where(second_list_page_of_numbers, BAD_REQUEST)
    assert linked(await gateway.query(LINKED)) == to_themselves(numbers)


async def test_numbers_found_before_a_failing_list_page_are_kept(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=250)
    aws.adds_orders([order_record(0, [e164(index) for index in range(90, 110)])])
    aws.fails_where(second_list_page_of_numbers, BAD_REQUEST)
    assert linked(await gateway.query(LINKED)) == to_themselves([e164(index) for index in range(90, 110)])
    assert Counter(aws.calls) == {"ListPhoneNumberOrders": 1, "ListPhoneNumbers": 2, "GetPhoneNumber": 11}


async def test_each_field_has_its_own_error_if_list_and_gets_fail(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=10, orders=2, numbers_each=5)
    aws.fails_where(any_list_of_numbers, UNAUTHORIZED)
    aws.fails_where(any_get_of_a_number, BAD_REQUEST)
    response = await gateway.execute(LINKED)
    assert linked(response["data"]) == dict.fromkeys(e164(index) for index in range(10))
    assert codes_by_path(response) == {
        ("phoneNumberOrders", "nodes", order, "orderedPhoneNumbers", at, "phoneNumber"): "BAD_REQUEST"
        for order in range(2)
        for at in range(5)
    }


async def test_each_field_has_the_error_of_the_walk_if_gets_are_denied(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=10)
    aws.adds_orders([order_record(0, [e164(7), e164(8)])])
    aws.fails_where(any_get_of_a_number, FORBIDDEN)
    aws.fails_where(any_list_of_numbers, UNAUTHORIZED)
    response = await gateway.execute(LINKED)
    assert [error["extensions"]["operation"] for error in response["errors"]] == ["ListPhoneNumbers"] * 2
    assert codes_by_path(response) == {tuple(path_of(at)): "UPSTREAM_UNAUTHORIZED" for at in range(2)}


async def test_repeated_token_ends_the_list_if_gets_are_denied(gateway: Gateway, aws: FaultyAws) -> None:
    aws.adds_orders([order_record(0, [e164(7)])])
    aws.fails_where(any_get_of_a_number, FORBIDDEN)
    aws.responds_where(any_list_of_numbers, {"PhoneNumbers": [number_record(1)], "NextToken": "again"})
    response = await gateway.execute(LINKED)
    assert codes_by_path(response) == {tuple(path_of(0)): "UPSTREAM_BAD_RESPONSE"}
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber", "ListPhoneNumbers", "ListPhoneNumbers"]


async def test_list_that_leads_in_a_circle_falls_back_to_gets(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=10, orders=1, numbers_each=10)
    aws.responds_where(any_list_of_numbers, {"PhoneNumbers": [number_record(1)], "NextToken": "again"})
    assert linked(await gateway.query(LINKED)) == to_themselves([e164(index) for index in range(10)])
    assert len(aws.calls) <= 1 + 10 + 2


async def test_record_of_a_get_with_only_an_id_is_complete(gateway: Gateway, aws: FaultyAws) -> None:
    """The number is filled in from PhoneNumberId, as in a list."""
    record = number_record(7)
    del record["E164PhoneNumber"]
    aws.responds_where(get_of(e164(7)), {"PhoneNumber": record})
    data = await gateway.query(
        "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { id e164PhoneNumber } }",
        number=e164(7),
    )
    assert data == {"phoneNumber": {"id": number_id(e164(7)), "e164PhoneNumber": e164(7)}}


ERRORS = [
    ("BadRequest", "BAD_REQUEST", False),
    ("Unauthorized", "UPSTREAM_UNAUTHORIZED", False),
    ("Throttled", "THROTTLED", True),
    ("Throttling", "THROTTLED", True),
    ("ServiceFailure", "UPSTREAM_FAILURE", True),
    ("ServiceUnavailable", "UPSTREAM_UNAVAILABLE", True),
]
SPELLINGS = pytest.mark.parametrize("names_type", [True, False], ids=["by header", "by body"])


@pytest.mark.parametrize(("name", "code", "retryable"), ERRORS, ids=[name for name, _, _ in ERRORS])
@SPELLINGS
async def test_get_phone_number_error_is_reported_on_the_linked_field(
    gateway: Gateway, aws: Aws, *, name: str, code: str, retryable: bool, names_type: bool
) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    aws.fails("GetPhoneNumber", name, names_type=names_type)
    response = await gateway.execute(LINKED)
    assert linked(response["data"]) == {e164(0): None}
    [error] = response["errors"]
    assert error["path"] == path_of(0)
    request_id = error["extensions"].pop("requestId")
    assert isinstance(request_id, str)
    assert (error["extensions"].pop("retryAfter", None) is not None) == (code == "THROTTLED")
    assert error["extensions"] == {"code": code, "operation": "GetPhoneNumber", "retryable": retryable}
    assert aws.calls == ["ListPhoneNumberOrders"] + ["GetPhoneNumber"] * (3 if retryable else 1)


@SPELLINGS
async def test_number_not_found_is_null_without_an_error(gateway: Gateway, aws: Aws, *, names_type: bool) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    aws.fails("GetPhoneNumber", "NotFound", names_type=names_type)
    assert linked(await gateway.query(LINKED)) == {e164(0): None}


@pytest.mark.parametrize("name", ["Forbidden", "AccessDenied"])
@SPELLINGS
async def test_denied_get_is_an_error_only_if_the_list_is_denied_as_well(
    gateway: Gateway, aws: Aws, *, name: str, names_type: bool
) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    aws.fails("GetPhoneNumber", name, names_type=names_type)
    assert linked(await gateway.query(LINKED)) == {e164(0): e164(0)}
    aws.fails("ListPhoneNumbers", name, names_type=names_type)
    response = await gateway.execute(LINKED)
    assert codes_by_path(response) == {tuple(path_of(0)): "UPSTREAM_FORBIDDEN"}


class TestPastTheDeadline:
    """A request makes no more calls after its deadline."""

    @pytest.fixture
    def settings(self, aws: Aws) -> Settings:
        return Settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, request_timeout_seconds=1)  # type: ignore[arg-type]  # Pydantic parses the URL.

    async def test_no_get_is_made_after_a_list_page_exceeds_the_deadline(
        self, gateway: Gateway, aws: FaultyAws
    ) -> None:
        aws.holds(inventory=40)
        aws.hangs_where(any_list_of_numbers)
        response = await gateway.execute(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[number_id(e164(index)) for index in range(40)]
        )
        assert [error["extensions"]["code"] for error in response["errors"]] == ["UPSTREAM_TIMEOUT"] * 40
        # If a get were in flight, it would arrive before the call of another request.
        await gateway.execute("{ phoneNumberOrders { nodes { id } } }")
        assert [call for call in aws.calls if call != "ListPhoneNumberOrders"] == ["ListPhoneNumbers"]

    async def test_no_page_is_requested_after_the_deadline_if_gets_are_denied(
        self, gateway: Gateway, aws: FaultyAws
    ) -> None:
        aws.holds(inventory=40)
        aws.fails_where(any_get_of_a_number, FORBIDDEN)
        aws.hangs_where(any_list_of_numbers)
        response = await gateway.execute("query ($id: ID!) { node(id: $id) { id } }", id=number_id(e164(5)))
        assert [error["extensions"]["code"] for error in response["errors"]] == ["UPSTREAM_TIMEOUT"]
        assert aws.calls == ["GetPhoneNumber", "ListPhoneNumbers"]
