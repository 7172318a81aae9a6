"""Identical requests in flight over HTTP: they share one execution, and each may leave."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from gateway.app import create_app
from gateway.settings import read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.conftest import Gateway
from tests.support.aws import number_record
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


@pytest.fixture
async def gateway(aws: GatedAws, clock: Clock) -> AsyncIterator[Gateway]:
    settings = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, cache_ttl_seconds=TTL)
    with served(create_app(settings, AwsKeyPair("local", "local"), clock)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"chime_gateway_{name}", labels) or 0


def joined() -> float:
    """Return the number of requests of this process that used the execution of another."""
    return sample("responses_reused_total", level="in_flight")


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


async def begin(gateway: Gateway, *clients: tuple[str, dict[str, str] | None] | str) -> list[Client]:
    """Send requests one after the other, and return when the gateway works on all of them."""
    started = []
    in_flight = sample("requests_in_flight")
    for each in clients:
        document, headers = (each, None) if isinstance(each, str) else each
        started.append(Client(gateway, document, headers))
        await until_in_flight(in_flight + len(started))
        # The gateway has gone on with the request when it responds to this one.
        await gateway.http.get("/healthz")
    return started


async def until_in_flight(count: float) -> None:
    """Wait until the gateway works on so many requests."""
    await until(lambda: sample("requests_in_flight") == count)


async def until(condition: Any) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110  # There is no event to wait for.
            await asyncio.sleep(0.01)


async def test_identical_requests_in_flight_share_one_execution(gateway: Gateway, aws: GatedAws) -> None:
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
    gateway: Gateway, aws: GatedAws, leaving: list[int]
) -> None:
    before = joined()
    clients = await begin(gateway, PAGE, PAGE, PAGE)
    assert await is_released(aws.called)
    in_flight = sample("requests_in_flight")
    for index in leaving:
        await clients[index].leaves()
    if len(leaving) == 3:
        assert await is_released(aws.given_up)
        await until_in_flight(in_flight - 3)
        aws.release_all()
        assert "errors" not in (await (await begin(gateway, PAGE))[0].response()).json()
        assert aws.calls == ["ListPhoneNumbers"] * 2
        return
    # The request that runs the operation goes on. The others end when the gateway has noticed that they left.
    await until_in_flight(in_flight - len({1, 2} & set(leaving)))
    aws.release_all()
    for index in {0, 1, 2} - set(leaving):
        assert len((await clients[index].response()).json()["data"]["phoneNumbers"]["nodes"]) == 50
    assert aws.calls == ["ListPhoneNumbers"]
    assert joined() - before == len({1, 2} - set(leaving))


@pytest.mark.parametrize(("seconds", "age", "calls"), [(TTL - 0.5, "59", 2), (TTL, None, 3)])
async def test_a_part_that_expired_before_the_request_arrived_is_read_again(
    gateway: Gateway, aws: GatedAws, clock: Clock, seconds: float, age: str | None, calls: int
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


async def test_a_part_that_another_request_replaced_is_not_shared(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_an_error_is_not_shared(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_a_request_that_bypasses_the_cache_joins_no_execution(gateway: Gateway, aws: GatedAws) -> None:
    before = joined()
    clients = await begin(gateway, PAGE, (PAGE, {"cache-control": "no-cache"}), (PAGE, {"x-debug-upstream": "1"}))
    aws.release_all()
    bodies = [(await each.response()).json() for each in clients]
    assert bodies[0] == bodies[1]
    assert bodies[2]["extensions"]["upstream"]["calls"] == 0
    assert joined() == before
