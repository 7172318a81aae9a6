"""AWS's client for Python raises the right exception for each error and parses the responses."""

from typing import Any

import pytest

from gateway.emulator.fault_injection import Fault, RequestRateLimiter
from gateway.emulator.service_model import Api
from tests.emulator.aws_clients import aws_client
from tests.emulator.conftest import Emulate, Emulated


async def test_client_raises_bad_request(sample: Emulated) -> None:
    async with aws_client(sample.url, sample.service.api) as client:
        with pytest.raises(client.exceptions.BadRequestException, match="must be given together"):
            await client.list_phone_numbers(FilterName="SipRuleId")
        with pytest.raises(client.exceptions.BadRequestException, match="less than or equal to"):
            await client.list_phone_number_orders(MaxResults=101)
        with pytest.raises(client.exceptions.BadRequestException, match="token"):
            await client.list_phone_number_orders(NextToken="made-up")


async def test_client_raises_not_found(sample: Emulated) -> None:
    async with aws_client(sample.url, sample.service.api) as client:
        with pytest.raises(client.exceptions.NotFoundException):
            await client.list_phone_numbers(FilterName="SipRuleId", FilterValue="unknown")
        with pytest.raises(client.exceptions.NotFoundException):
            await client.get_phone_number(PhoneNumberId="+12065550199")
        with pytest.raises(client.exceptions.NotFoundException) as raised:
            await client.get_phone_number_order(PhoneNumberOrderId="unknown")
    metadata = raised.value.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], len(metadata["RequestId"])) == (404, 36)


async def test_client_raises_unauthorized(sample: Emulated) -> None:
    async with aws_client(sample.url, sample.service.api, secret_key="wrong") as client:
        for call in _four_calls(client):
            with pytest.raises(client.exceptions.UnauthorizedClientException):
                await call()


async def test_client_raises_throttled(emulate: Emulate, api: Api) -> None:
    emulated = emulate(api=api)
    # The clock stands still, so the bucket does not refill.
    emulated.fault_injection.rate_limiter = RequestRateLimiter(1, lambda: 0)
    async with aws_client(emulated.url, api) as client:
        await client.list_phone_numbers()
        with pytest.raises(client.exceptions.ThrottledClientException):
            await client.list_phone_numbers()


@pytest.mark.parametrize(
    "name",
    [
        "BadRequestException",
        "ForbiddenException",
        "NotFoundException",
        "ServiceFailureException",
        "ServiceUnavailableException",
        "ThrottledClientException",
        "UnauthorizedClientException",
    ],
)
async def test_client_raises_the_exception_of_each_fault(emulate: Emulate, api: Api, name: str) -> None:
    async with aws_client(emulate(api=api, faults=(Fault("*", name),)).url, api) as client:
        for call in _four_calls(client):
            with pytest.raises(getattr(client.exceptions, name)) as raised:
                await call()
            assert raised.value.response["Error"]["Code"] == name


async def test_client_uses_the_code_in_the_body_if_the_header_is_missing(emulate: Emulate, api: Api) -> None:
    fault = Fault("*", "ServiceUnavailable", send_error_type=False)
    async with aws_client(emulate(api=api, faults=(fault,)).url, api) as client:
        with pytest.raises(client.exceptions.ClientError) as raised:
            await client.list_phone_numbers()
    assert raised.value.response["Error"]["Code"] == "ServiceUnavailable"


async def test_client_gets_records_by_the_ids_in_lists(sample: Emulated) -> None:
    """A number's PhoneNumberId, with its percent sign, and its E164PhoneNumber both work."""
    async with aws_client(sample.url, sample.service.api) as client:
        numbers = (await client.list_phone_numbers(MaxResults=5))["PhoneNumbers"]
        orders = (await client.list_phone_number_orders(MaxResults=5))["PhoneNumberOrders"]
        assert len(numbers) == len(orders) == 5
        for number in numbers:
            for id_ in (number["PhoneNumberId"], number["E164PhoneNumber"]):
                assert (await client.get_phone_number(PhoneNumberId=id_))["PhoneNumber"] == number
        for order in orders:
            got = await client.get_phone_number_order(PhoneNumberOrderId=order["PhoneNumberOrderId"])
            assert got["PhoneNumberOrder"] == order


def _four_calls(client: Any) -> list[Any]:
    return [
        client.list_phone_numbers,
        client.list_phone_number_orders,
        lambda: client.get_phone_number(PhoneNumberId="+12065550100"),
        lambda: client.get_phone_number_order(PhoneNumberOrderId="abc12345-de67-89f0-123g-h45i678j9012"),
    ]
