"""Responses that replicas share in Redis. A failing or tampered Redis changes no response."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from gateway.errors import UpstreamError, UpstreamUnavailable
from gateway.settings import Settings, read_settings
from gateway.shared_state.redis_client import RedisClient
from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.cache.caching_transport import CachingTransport
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.cache.shared_cache import SharedResponseCache
from gateway.upstream.call import Call, Operation, UpstreamResponse
from gateway.upstream.requester import Requester
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, emulated_aws
from tests.support.processes import free_port
from tests.support.redis_server import RedisServer, pretending, redis_server

PAGE = "{ phoneNumbers(first: 5) { nodes { e164PhoneNumber } } }"
NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"
ANSWER = {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(index)} for index in range(5)]}}


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as shared:
        shared.holds(inventory=150)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    return account


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server(password="open, sesame/@") as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    with server.client() as client:
        client.flushall()
    return server


def shared(aws: Aws, url: str, **given: Any) -> Settings:
    given = {"cache_ttl_seconds": 3600, "redis_url": url, **given}
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, **given)


@asynccontextmanager
async def two_gateways(settings: Settings) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with gateway_over(settings) as one, gateway_over(settings) as other:
        yield one, other


async def test_response_fetched_by_one_replica_is_shared_with_others(aws: Aws, redis: RedisServer) -> None:
    async with two_gateways(shared(aws, redis.url)) as gateways:
        for gateway in gateways:
            assert await gateway.query(PAGE) == ANSWER
            assert await gateway.query(NUMBER, number=e164(3)) == {"phoneNumber": {"e164PhoneNumber": e164(3)}}
            assert await gateway.query(NUMBER, number="+19995550100") == {"phoneNumber": None}
        response = await gateways[1].http.post("/graphql", json={"query": PAGE})
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumber", "GetPhoneNumber"]
    assert int(response.headers["age"]) >= 0


async def test_responses_in_redis_are_encrypted(aws: Aws, redis: RedisServer) -> None:
    async with gateway_over(shared(aws, redis.url)) as gateway:
        await gateway.query("{ a: phoneNumbers(first: 99) { totalCount nodes { id } } }")
        await gateway.query(NUMBER, number=e164(3))
    with redis.client() as client:
        held = {name: client.get(name) for name in client.scan_iter("chime-gateway:answer:*")}
        assert len(held) == 3
        assert all(client.pttl(name) > 0 for name in held)
    number = e164(3)[1:].encode()
    assert not any(word in text for pair in held.items() for text in pair for word in (number, b"NextToken", b"Phone"))


async def test_replicas_with_different_endpoints_share_no_response(aws: Aws, redis: RedisServer) -> None:
    with emulated_aws("chime") as other_account:
        async with gateway_over(shared(aws, redis.url)) as one, gateway_over(shared(other_account, redis.url)) as other:
            assert await one.query(PAGE) == ANSWER
            assert await other.query(PAGE) == {"phoneNumbers": {"nodes": []}}
        assert other_account.calls == ["ListPhoneNumbers"]


def another_keys_value(server: RedisServer) -> None:
    """Swap two values."""
    with server.client() as client:
        one, other, *_ = client.scan_iter("chime-gateway:answer:*")
        values = client.get(one), client.get(other)
        client.set(one, values[1])
        client.set(other, values[0])


def overwritten(value: bytes) -> Callable[[RedisServer], None]:
    def overwrite(server: RedisServer) -> None:
        with server.client() as client:
            for name in client.scan_iter("chime-gateway:answer:*"):
                client.set(name, value)

    return overwrite


def of_another_type(server: RedisServer) -> None:
    with server.client() as client:
        for name in client.scan_iter("chime-gateway:answer:*"):
            client.delete(name)
            client.rpush(name, "7")


@pytest.mark.parametrize(
    "lies",
    [another_keys_value, of_another_type, *map(overwritten, (b"x", b"null", b'{"PhoneNumbers": []}', bytes(100_000)))],
)
async def test_tampered_redis_value_is_ignored(
    aws: Aws, redis: RedisServer, lies: Callable[[RedisServer], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with two_gateways(shared(aws, redis.url)) as (one, other):
        await one.query(PAGE)
        await one.query(NUMBER, number=e164(3))
        aws.calls.clear()
        lies(redis)
        assert await other.query(PAGE) == ANSWER
        # After the first invalid value, the gateway does not ask Redis.
        assert await other.query(NUMBER, number=e164(3)) == {"phoneNumber": {"e164PhoneNumber": e164(3)}}
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumber"]
    [said] = [record.message for record in caplog.records if "Redis" in record.message]
    assert redis.url not in said


async def test_queries_succeed_while_redis_is_down_and_sharing_resumes_after_its_restart(aws: Aws) -> None:
    port = free_port()
    with redis_server(port) as first:
        async with asyncio.timeout(60), two_gateways(shared(aws, first.url)) as gateways:
            assert await gateways[0].query(PAGE) == ANSWER
            first.process.kill()
            first.process.wait()
            assert [await gateway.query(PAGE) for gateway in gateways] == [ANSWER] * 2
            assert aws.calls == ["ListPhoneNumbers"] * 2
            with redis_server(port) as again:
                number = 10
                while not again.cached_responses():
                    number += 1
                    await gateways[0].query(NUMBER, number=e164(number))
                    await asyncio.sleep(0.1)


def hung(_requested: bytes) -> bytes:
    return b""


def rubbish(_requested: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def all_is_well(requested: bytes) -> bytes:
    return b"+OK\r\n" * requested.count(b"*")


def endless_list(_requested: bytes) -> bytes:
    return b"*1\r\n" * 10_000


@pytest.mark.parametrize("responses", [hung, rubbish, all_is_well, endless_list])
async def test_gateway_works_without_a_cache_if_redis_breaks_its_protocol(
    aws: Aws, responses: Callable[[bytes], bytes]
) -> None:
    with pretending(responses) as url:
        async with gateway_over(shared(aws, url)) as gateway:
            assert [await gateway.query(PAGE) for _ in range(3)] == [ANSWER] * 3
    assert aws.calls == ["ListPhoneNumbers"]


async def test_gateway_starts_with_redis_down_or_a_wrong_password(
    aws: Aws, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = f"redis://:not-the-word@127.0.0.1:{redis.port}/0"
    for url in (wrong, f"redis://127.0.0.1:{free_port()}/0"):
        async with gateway_over(shared(aws, url)) as gateway:
            assert await gateway.query(PAGE) == ANSWER
    said = [record.message for record in caplog.records if "Redis" in record.message]
    assert len(said) == 2
    assert not any("not-the-word" in each or "127.0.0.1" in each for each in said)


async def test_hanging_redis_is_waited_for_once(aws: Aws) -> None:
    """Only concurrent callers wait. Later callers skip Redis at once."""
    with redis_server() as own:
        async with gateway_over(shared(aws, own.url)) as gateway:
            own.process.send_signal(signal.SIGSTOP)
            responses = await asyncio.gather(*(gateway.query(NUMBER, number=e164(each)) for each in range(30)))
            assert all(response["phoneNumber"] for response in responses)
            assert len(aws.calls) == 30
            own.process.send_signal(signal.SIGCONT)


# By plain calls


class Credentials:
    def __init__(self, access_key: str = "AKIDEXAMPLE", secret_key: str = "secret") -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token: str | None = None


class Replica:
    """A cache over Redis with its own clock."""

    def __init__(self, client: RedisClient, credentials: Credentials | None, now: float = 1_000_000.0) -> None:
        self.now = now
        self.calls = 0
        self.error: UpstreamError | None = None
        shared = SharedResponseCache(client, lambda: credentials, "chime", lambda: self.now)
        cache = ResponseCache(2, 5, lambda: self.now)
        self._transport = CachingTransport(self, cache, shared, cast("CredentialCache", NeverMissing()), "host")

    async def call(self, _call: Call) -> UpstreamResponse:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return UpstreamResponse({"at": self.now}, size=100)

    async def read(self) -> Any:
        requester = Requester(asyncio.get_running_loop().time() + 60)
        return (await self._transport.call(Call(GET, {"PhoneNumberId": "+12065550100"}, requester))).result


class NeverMissing:
    """Credentials that are never missing."""

    def overdue(self, _operation: str) -> None:
        return None


GET = Operation("GetPhoneNumber", lambda body, _parameters: body, gets_one=True)


@asynccontextmanager
async def client_of(redis: RedisServer) -> AsyncIterator[RedisClient]:
    client = RedisClient(redis.url)
    async with client.open():
        yield client


async def test_response_has_the_same_age_in_every_replica(redis: RedisServer) -> None:
    async with client_of(redis) as client:
        one, other = Replica(client, Credentials()), Replica(client, Credentials())
        first = await one.read()
        other.now += 1.9
        assert await other.read() == first
        # The age of a shared response does not restart.
        other.now += 0.1
        assert await other.read() != first
        assert (one.calls, other.calls) == (1, 1)


async def test_response_is_shared_only_between_the_same_access_keys(redis: RedisServer) -> None:
    async with client_of(redis) as client:
        keys = ("AKIDEXAMPLE", "ASIAOTHER", "AKIDEXAMPLE", None, None)
        everybody = [Replica(client, None if key is None else Credentials(key)) for key in keys]
        for replica in everybody:
            await replica.read()
        assert [replica.calls for replica in everybody] == [1, 1, 0, 1, 1]


@pytest.mark.parametrize(("ahead", "believed"), [(0.9, True), (1.1, False)])
async def test_value_from_the_future_is_rejected_beyond_the_allowed_clock_skew(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, ahead: float, *, believed: bool
) -> None:
    async with client_of(redis) as client:
        early, late = Replica(client, Credentials(), 1_000_000 + ahead), Replica(client, Credentials())
        await early.read()
        await late.read()
        assert late.calls == (0 if believed else 1)
    assert [record.levelno for record in caplog.records] == ([] if believed else [logging.WARNING])


async def test_stale_response_from_redis_is_served_by_a_replica_that_never_fetched_it(redis: RedisServer) -> None:
    async with client_of(redis) as client:
        one, other = Replica(client, Credentials()), Replica(client, Credentials())
        first = await one.read()
        other.now += 3

        other.error = UpstreamUnavailable("GetPhoneNumber")
        assert await other.read() == first
        assert other.calls == 1
