"""An AWS account for tests: the emulator over real HTTP, filled by the test, with a record of every call."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.fault_injection import Fault
from gateway.emulator.sample.generator import fill
from gateway.emulator.service_model import SERVICE_MODELS, Api
from tests.support.serving import served

FIRST_NUMBER = 12_065_550_000
# Sample data depend on the day on which they are made, so tests make them on this one.
SAMPLE_DAY = date(2026, 11, 28)


class Aws:
    """One emulated account.

    Attributes:
        calls: The operation of each call, in order, including rejected calls.
        queries: The query string of each call.
        headers: The headers of each call.
        clients: Address and port of each client connection.
        at_once: Number of calls in flight.
        most_at_once: Largest number of calls that were in flight at the same time.
    """

    def __init__(self, api: Api, emulator: Any) -> None:
        self.api = api
        self.url = ""
        self.calls: list[str] = []
        self.queries: list[str] = []
        self.headers: list[Headers] = []
        self.clients: set[tuple[str, int]] = set()
        self.at_once = 0
        self.most_at_once = 0
        self._emulator = emulator

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables of a gateway in front of this account."""
        return {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "GATEWAY_UPSTREAM_API": self.api,
            "GATEWAY_UPSTREAM_ENDPOINT_URL": self.url,
        }

    def holds(self, *, inventory: int = 0, orders: int = 0, numbers_each: int = 0) -> None:
        """Fill the account.

        Args:
            inventory: Number of phone numbers.
            orders: Number of orders.
            numbers_each: Numbers per order. They are distinct and taken from the start of the inventory.
        """
        self.adds_numbers(number_record(index) for index in range(inventory))
        self.adds_orders(
            order_record(index, [e164(index * numbers_each + each) for each in range(numbers_each)])
            for index in range(orders)
        )

    def holds_sample_data(self) -> None:
        """Fill the account with the sample data that `make run` serves on SAMPLE_DAY."""
        fill(self._emulator.state.store, SERVICE_MODELS[self.api], numbers=250, orders=40, day=SAMPLE_DAY)

    def adds_numbers(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records to the list. Replace a record if its number is already there."""
        self._emulator.state.store.put_phone_numbers(records)

    def adds_orders(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records to the list. Replace a record if its id is already there."""
        self._emulator.state.store.put_phone_number_orders(records)

    def loses_number(self, number: str) -> None:
        """Delete a number from the inventory."""
        self._emulator.state.store.delete_phone_number(number)

    def fails(self, operation: str, code: str, *, names_type: bool = True) -> None:
        """Let every call of an operation fail from now on. `*` stands for all operations."""
        self._emulator.state.fault_injection.faults.append(Fault(operation, code, names_type))

    def recovers(self) -> None:
        """End all faults."""
        self._emulator.state.fault_injection.faults.clear()

    def takes_ms(self, latency_ms: int) -> None:
        """Delay each response by so many milliseconds."""
        self._emulator.state.fault_injection.latency_ms = latency_ms


class _CallRecorder:
    """A middleware that records each call before the emulator handles it."""

    def __init__(self, app: ASGIApp, aws: Aws) -> None:
        self._app = app
        self._aws = aws

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        aws = self._aws
        _, kind, *key = scope["path"].split("/")
        noun = {"phone-numbers": "PhoneNumber", "phone-number-orders": "PhoneNumberOrder"}[kind]
        aws.queries.append(scope["query_string"].decode())
        aws.headers.append(Headers(scope=scope))
        aws.calls.append(f"Get{noun}" if key else f"List{noun}s")
        aws.clients.add(scope["client"])
        aws.at_once += 1
        aws.most_at_once = max(aws.most_at_once, aws.at_once)
        try:
            await self._app(scope, receive, send)
        finally:
            aws.at_once -= 1


@contextmanager
def emulated_aws(api: Api = "chime", *, numbers: int = 0, orders: int = 0) -> Iterator[Aws]:
    """Serve an account while the block runs. It is empty unless numbers or orders of the sample data are requested."""
    emulator = create_emulator(EmulatorOptions(api=api, numbers=numbers, orders=orders, sample_day=SAMPLE_DAY))
    aws = Aws(api, emulator)
    with served(_CallRecorder(emulator, aws)) as url:
        aws.url = url
        yield aws


def e164(index: int) -> str:
    """Return the phone number that tests use for an index."""
    return f"+{FIRST_NUMBER + index}"


def number_record(index: int, **given: Any) -> dict[str, Any]:
    """Return a phone number record in the form of AWS's lists."""
    number = e164(index)
    return {
        "Associations": [],
        "CallingName": None,
        "CallingNameStatus": "Unassigned",
        "Capabilities": {"InboundCall": True, "OutboundCall": True, "InboundSMS": None},
        "Country": "US",
        "CreatedTimestamp": "2019-08-12T22:10:20.521Z",
        "DeletionTimestamp": None,
        "E164PhoneNumber": number,
        "PhoneNumberId": f"%2B{number[1:]}",
        "ProductType": "VoiceConnector",
        "Status": "Unassigned",
        "Type": "Local",
        "UpdatedTimestamp": "2019-10-28T18:42:07.964Z",
        **given,
    }


def order_record(index: int, numbers: Iterable[str], **given: Any) -> dict[str, Any]:
    """Return an order record in the form of AWS's lists."""
    return {
        "CreatedTimestamp": "2019-08-12T22:10:20.504Z",
        "OrderedPhoneNumbers": [{"E164PhoneNumber": number, "Status": "Acquired"} for number in numbers],
        "PhoneNumberOrderId": f"{index:08d}-0000-4000-8000-000000000000",
        "ProductType": "VoiceConnector",
        "Status": "Successful",
        "UpdatedTimestamp": "2019-08-12T22:10:31.186Z",
        **given,
    }
