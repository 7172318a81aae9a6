"""Identical requests in flight over HTTP: they share one execution, and each may leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app import create_app
from gateway.settings import read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.conftest import Gateway
from tests.support.aws import e164, number_record, order_record
from tests.support.clock import Clock
from tests.support.gated import TIMEOUT_SECONDS, GatedAws, gated_aws, is_released
from tests.support.serving import served

TTL = 60
# Two pages, one after the other.
LISTED = "{ phoneNumbers(first: 150) { edges { cursor node { id callingName } } } }"
PAGE = "{ phoneNumbers(first: 50) { nodes { id } } }"


@pytest.fixture
def aws() -> Iterator[GatedAws]:
    with gated_aws() as account:
        account.holds(inventory=150)
        account.hold_back()
        yield account


@pytest.fixture
def clock() -> Clock:
    return Clock()


class CountedGateway(Gateway):
    """A gateway that knows the number of its requests in flight."""

    in_flight = 0

    def counted(self, app: ASGIApp) -> ASGIApp:
        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            counts = scope["type"] == "http" and scope["path"] == "/graphql"
            self.in_flight += counts
            try:
                await app(scope, receive, send)
            finally:
                self.in_flight -= counts

        return counting

    async def works_on(self, requests: int) -> None:
        """Wait until so many requests are in flight, and all of them are under way."""
        await until(lambda: self.in_flight == requests)
        # The gateway responds to this one after the next step of the others.
        await self.http.get("/healthz")


@pytest.fixture
async def gateway(aws: GatedAws, clock: Clock) -> AsyncIterator[CountedGateway]:
    settings = read_settings(
        upstream_api=aws.api,
        upstream_endpoint_url=aws.url,
        cache_ttl_seconds=TTL,
        # Expired parts stay in memory, so that nothing but their age ends their use.
        stale_if_error_seconds=3600,
        # No call ends by itself.
        request_timeout_seconds=300,
    )
    async with httpx.AsyncClient(timeout=30) as http:
        gateway = CountedGateway(http)
        with served(gateway.counted(create_app(settings, AwsKeyPair("local", "local"), clock))) as url:
            http.base_url = httpx.URL(url)
            yield gateway


def joined() -> float:
    """Return the number of requests of this process that used the execution of another."""
    return REGISTRY.get_sample_value("chime_gateway_responses_reused_total", {"level": "in_flight"}) or 0


class Client:
    """A client with a connection of its own, and one request."""

    def __init__(self, gateway: Gateway, document: str, headers: dict[str, str] | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=gateway.http.base_url, timeout=30)
        self._request = asyncio.ensure_future(self._http.post("/graphql", json={"query": document}, headers=headers))

    async def leaves(self) -> None:
        """Disconnect."""
        self._request.cancel()
        await asyncio.wait([self._request])
        await self._http.aclose()

    async def response(self) -> httpx.Response:
        response = await self._request
        await self._http.aclose()
        return response


async def begin(gateway: CountedGateway, *requests: tuple[str, dict[str, str] | None] | str) -> list[Client]:
    """Send requests one after the other, and return when the gateway works on all of them."""
    clients = []
    in_flight = gateway.in_flight
    for each in requests:
        document, headers = (each, None) if isinstance(each, str) else each
        clients.append(Client(gateway, document, headers))
        await gateway.works_on(in_flight + len(clients))
    return clients


async def until(condition: Any) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110  # There is no event to wait for.
            await asyncio.sleep(0.01)


async def test_identical_requests_in_flight_share_one_execution(gateway: CountedGateway, aws: GatedAws) -> None:
    before = joined()
    clients = await begin(gateway, *[LISTED] * 5)
    aws.release_all()
    responses = [await each.response() for each in clients]
    assert len({each.content for each in responses}) == 1
    assert len({each.headers["x-request-id"] for each in responses}) == 5
    # No part is older than a request, so it came from no cache.
    assert ["age" in each.headers for each in responses] == [False] * 5
    assert aws.calls == ["ListPhoneNumbers"] * 2
    assert joined() - before == 4


@pytest.mark.parametrize("leaving", [[0], [1], [0, 1], [1, 0], [0, 1, 2]])
async def test_a_client_that_leaves_ends_the_work_only_if_it_is_the_last(
    gateway: CountedGateway, aws: GatedAws, leaving: list[int]
) -> None:
    before = joined()
    clients = await begin(gateway, PAGE, PAGE, PAGE)
    assert await is_released(aws.called)
    for index in leaving:
        await clients[index].leaves()
    if len(leaving) == 3:
        assert await is_released(aws.given_up)
        await gateway.works_on(0)
        aws.release_all()
        assert "errors" not in (await gateway.http.post("/graphql", json={"query": PAGE})).json()
        assert aws.calls == ["ListPhoneNumbers"] * 2
        return
    # The request that runs the operation goes on. The others end when the gateway has noticed that they left.
    await gateway.works_on(3 - len({1, 2} & set(leaving)))
    aws.release_all()
    for index in {0, 1, 2} - set(leaving):
        assert len((await clients[index].response()).json()["data"]["phoneNumbers"]["nodes"]) == 50
    assert aws.calls == ["ListPhoneNumbers"]
    assert joined() - before == len({1, 2} - set(leaving))


async def test_a_client_that_is_alone_ends_the_work(gateway: CountedGateway, aws: GatedAws) -> None:
    [alone] = await begin(gateway, PAGE)
    assert await is_released(aws.called)
    await alone.leaves()
    assert await is_released(aws.given_up)
    await gateway.works_on(0)


@pytest.mark.parametrize(("seconds", "age", "calls"), [(TTL - 0.5, "59", 2), (TTL, None, 3)])
async def test_a_part_that_expired_before_the_request_arrived_is_read_again(
    gateway: CountedGateway, aws: GatedAws, clock: Clock, seconds: float, age: str | None, calls: int
) -> None:
    [first] = await begin(gateway, LISTED)
    aws.release(1)
    await until(lambda: len(aws.calls) == 2)
    clock.moves(seconds)
    [second] = await begin(gateway, LISTED)
    aws.release_all()
    assert (await first.response()).content == (await second.response()).content
    response = await second.response()
    assert response.headers.get("age") == age or calls == 3
    assert aws.calls == ["ListPhoneNumbers"] * calls


async def test_age_is_that_of_the_oldest_part_even_if_that_part_came_from_no_cache(
    gateway: CountedGateway, aws: GatedAws, clock: Clock
) -> None:
    aws.holds(inventory=1)
    aws.adds_orders([order_record(0, [e164(0)])])
    linked = "{ phoneNumberOrder(phoneNumberOrderId: %s) { orderedPhoneNumbers { phoneNumber { order { status } } } } }"
    [first] = await begin(gateway, linked % json.dumps(order_record(0, [])["PhoneNumberOrderId"]))
    aws.release(1)
    await until(lambda: len(aws.calls) == 2)
    clock.moves(10)
    aws.lets_pass()
    await gateway.http.post("/graphql", json={"query": "{ phoneNumberOrders(first: 99) { nodes { status } } }"})
    clock.moves(5)
    aws.release_all()
    response = await first.response()
    assert "errors" not in response.json()
    assert response.headers["age"] == "15"
    assert aws.calls == ["GetPhoneNumberOrder", "GetPhoneNumber", "ListPhoneNumberOrders"]


async def test_a_part_that_another_request_replaced_is_not_shared(gateway: CountedGateway, aws: GatedAws) -> None:
    before = joined()
    [first] = await begin(gateway, LISTED)
    aws.release(1)
    await until(lambda: len(aws.calls) == 2)
    aws.lets_pass()
    aws.adds_numbers([number_record(3, CallingName="NEW")])
    first_page = "{ phoneNumbers(first: 99) { nodes { id } } }"
    await gateway.http.post("/graphql", json={"query": first_page}, headers={"cache-control": "no-cache"})
    [second] = await begin(gateway, LISTED)
    aws.release_all()
    names = [
        (await client.response()).json()["data"]["phoneNumbers"]["edges"][3]["node"]["callingName"]
        for client in (first, second)
    ]
    assert names == [None, "NEW"]
    assert joined() == before
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_an_error_is_not_shared(gateway: CountedGateway, aws: GatedAws) -> None:
    before = joined()
    aws.fails("ListPhoneNumbers", "Forbidden")
    clients = await begin(gateway, PAGE, PAGE)
    aws.release(1)
    await until(lambda: len(aws.calls) == 2)
    aws.recovers()
    aws.release_all()
    bodies = [(await each.response()).json() for each in clients]
    assert ["errors" in each for each in bodies] == [True, False]
    assert joined() == before


async def test_a_request_that_bypasses_the_cache_joins_no_execution(gateway: CountedGateway, aws: GatedAws) -> None:
    before = joined()
    clients = await begin(gateway, PAGE, (PAGE, {"cache-control": "no-cache"}), (PAGE, {"x-debug-upstream": "1"}))
    aws.release_all()
    bodies = [(await each.response()).json() for each in clients]
    assert bodies[0] == bodies[1]
    assert bodies[2]["extensions"]["upstream"]["calls"] == 0
    assert joined() == before
