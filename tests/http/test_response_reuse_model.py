"""Reuse is invisible: random requests by random callers over a changing inventory, with reuse and without.

Two gateways on one clock get the same requests. One gets each body as it is, and may reuse its response. The other
gets each body with a different number of spaces behind it. So it executes each request, over a cache of upstream
responses alone. Both must send the same responses with the same age, by the same upstream calls.

There is one exception. Links are looked up by the pages that the process knows by then, so a second execution may use
other upstream responses than the first. After that, the two gateways hold different ones, until the clock has passed
the TTL. Requests without links have no exception, and every name that a response shows must be fresh enough.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest
from graphql import parse, validate
from prometheus_client import REGISTRY

from gateway.app import create_app
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.execution.comparison import SCHEMA
from tests.execution.random_accounts import NUMBERS, ORDER_IDS
from tests.execution.random_documents import random_document, random_variables
from tests.support.aws import Aws, emulated_aws, number_record, order_record
from tests.support.clock import Clock
from tests.support.issuer import SigningKey, bearer, jwt_settings, served_issuer
from tests.support.serving import served

GRAPHQL_SCHEMA = SCHEMA._schema  # noqa: SLF001  # Strawberry has no public name for graphql-core's schema.
TTL = 8
UNLIMITED = 10**9
BOTH_SCOPES = "phone-numbers:read phone-number-orders:read"
CALLERS = (("one", BOTH_SCOPES), ("one", "phone-numbers:read"), ("two", BOTH_SCOPES), ("two", ""))
NAMES = "query ($first: Int) { phoneNumbers(first: $first) { edges { cursor node { e164PhoneNumber callingName } } } }"
NAME = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { callingName } }"
LINKS = "{ phoneNumberOrders { nodes { id orderedPhoneNumbers { phoneNumber { e164PhoneNumber callingName } } } } }"
TWO_PARTS = "{ phoneNumbers { totalCount } phoneNumberOrders { totalCount } }"
# The share of requests that repeat the body of the request before, and the share that its caller sends.
REPEATED = 0.4
DIRECTIVES = ("no-cache", "no-store", "max-age=0")


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with emulated_aws("chime") as account:
        yield account


@pytest.fixture(scope="module")
def callers(aws: Aws) -> Iterator[tuple[Settings, list[dict[str, str]]]]:
    """Return the settings of the gateways, and the headers of each caller."""
    key = SigningKey("a")
    with served_issuer(key) as issuer:
        settings = read_settings(
            **{
                **jwt_settings(issuer, aws).model_dump(exclude_unset=True),
                "cache_ttl_seconds": TTL,
                "cursor_keys": ["0" * 43],
                "introspection": True,
                "max_tokens": UNLIMITED,
                "max_depth": UNLIMITED,
                "max_aliases": UNLIMITED,
                "max_root_fields": UNLIMITED,
                "max_directives": UNLIMITED,
                "max_cost": UNLIMITED,
            }
        )
        yield settings, [bearer(key.token(sub=sub, scope=scope)) for sub, scope in CALLERS]


class Twins:
    """The two gateways, over one account."""

    def __init__(self, reusing: httpx.AsyncClient, executing: httpx.AsyncClient, aws: Aws) -> None:
        self._gateways = (reusing, executing)
        self._aws = aws
        self._requests = 0

    async def post(self, bodies: list[tuple[str, dict[str, str]]]) -> tuple[list[Any], bool]:
        """Send requests at the same time to each gateway, and compare them.

        Return the bodies of the gateway that reuses, and whether the other one sent the same by the same calls.
        """
        outcomes = []
        for gateway in self._gateways:
            self._aws.queries.clear()
            responses = await asyncio.gather(*(self._post(gateway, *each) for each in bodies))
            told = [(each.status_code, each.headers.get("age"), _comparable(each)) for each in responses]
            if len(bodies) > 1:
                # Requests at the same time may overtake each other, and so use the cache or not.
                told = [(status, age or "0", body) for status, age, body in told]
            outcomes.append((told, Counter(self._aws.queries)))
        return [body for _, _, body in outcomes[0][0]], outcomes[0] == outcomes[1]

    async def _post(self, gateway: httpx.AsyncClient, body: str, headers: dict[str, str]) -> httpx.Response:
        if gateway is self._gateways[1]:
            self._requests += 1
            body += " " * self._requests
        return await gateway.post("/graphql", content=body, headers={"content-type": "application/json", **headers})


def _comparable(response: httpx.Response) -> Any:
    """Return the body without AWS's ids of single calls."""
    body = response.json()
    for error in body.get("errors", ()):
        error["extensions"].pop("requestId", None)
    return body


@asynccontextmanager
async def twins(settings: Settings, aws: Aws, clock: Clock) -> AsyncIterator[Twins]:
    apps = [create_app(settings, AwsKeyPair("local", "local"), clock) for _ in range(2)]
    with served(apps[0]) as one, served(apps[1]) as other:
        async with httpx.AsyncClient(base_url=one) as reusing, httpx.AsyncClient(base_url=other) as executing:
            yield Twins(reusing, executing, aws)


class World:
    """The inventory, its past, and the requests that are sent to it.

    Attributes:
        without_links: Requests that need the same calls each time.
        bodies: All requests. Few of them, so that many are repeated.
        shown: The names that each number had, each with the time at which it got the name.
    """

    def __init__(self, random: Random, aws: Aws, clock: Clock) -> None:
        self._random = random
        self._aws = aws
        self._clock = clock
        self._serial = 0
        self.shown: dict[str, list[tuple[float, str | None]]] = {number: [] for number in NUMBERS}
        for index in range(len(NUMBERS)):
            self.rename(index)
        aws.adds_orders(order_record(index, NUMBERS[index : index + 3]) for index in range(len(ORDER_IDS)))
        self.without_links = [
            json.dumps({"query": NAMES, "variables": {"first": 5}}),
            json.dumps({"query": NAMES, "variables": {"first": 7}}),
            *(json.dumps({"query": NAME, "variables": {"number": number}}) for number in NUMBERS[:3]),
            *[json.dumps({"query": TWO_PARTS})] * 2,
        ]
        self.bodies = [*self.without_links, json.dumps({"query": LINKS}), *(self._random_body() for _ in range(8))]

    def _random_body(self) -> str:
        document = random_document(self._random, GRAPHQL_SCHEMA, self._random.randint(5, 40))
        assert not validate(GRAPHQL_SCHEMA, parse(document.text))
        operation = self._random.choice(document.operations)
        variables = random_variables(self._random)
        return json.dumps({"query": document.text, "operationName": operation, "variables": variables}, default=repr)

    def rename(self, index: int) -> None:
        """Give a number a name that it never had, or add the number again."""
        self._serial += 1
        name = f"NAME {self._serial}"
        self._aws.adds_numbers([number_record(index, CallingName=name)])
        self.shown[NUMBERS[index]].append((self._clock.now, name))

    def lose(self, index: int) -> None:
        """Delete a number."""
        self._aws.loses_number(NUMBERS[index])
        self.shown[NUMBERS[index]].append((self._clock.now, None))

    def check_names(self, part: Any) -> None:
        """Check that each name in a part of a response was right at some time within the documented freshness."""
        if isinstance(part, list):
            for each in part:
                self.check_names(each)
        elif isinstance(part, dict):
            if part.keys() == {"e164PhoneNumber", "callingName"}:
                self._check_name(part["e164PhoneNumber"], part["callingName"])
            else:
                self.check_names(list(part.values()))

    def _check_name(self, number: str, name: str) -> None:
        past = self.shown[number]
        until = [*(time for time, _ in past[1:]), self._clock.now + 1]
        [end] = [end for (_, each), end in zip(past, until, strict=True) if each == name]
        assert self._clock.now - end < TTL


async def run(random: Random, aws: Aws, callers: tuple[Settings, list[dict[str, str]]], steps: int) -> Counter[str]:
    """Run random steps, and return how many there were of each kind."""
    clock = Clock()
    clock.now = 1_000_000.0
    world = World(random, aws, clock)
    settings, headers = callers
    done: Counter[str] = Counter()
    body, caller = world.bodies[0], headers[0]
    async with twins(settings, aws, clock) as gateways:
        for _ in range(steps):
            kind = random.choices(
                ["request", "together", "clock", "rename", "lose", "fails", "recovers"], [60, 8, 14, 8, 3, 3, 4]
            )[0]
            done[kind] += 1
            if kind == "clock":
                clock.moves(random.choice([0.1, 0.5, 1, 1.9, 2, 3, 7.9, 8]))
            elif kind == "rename":
                world.rename(random.randrange(len(NUMBERS)))
            elif kind == "lose":
                world.lose(random.randrange(len(NUMBERS)))
            elif kind == "fails":
                aws.fails(random.choice(["ListPhoneNumbers", "ListPhoneNumberOrders"]), "Forbidden")
            elif kind == "recovers":
                aws.recovers()
            else:
                if random.random() > REPEATED:
                    body = random.choice(world.bodies)
                if random.random() > REPEATED:
                    caller = random.choice(headers[:1] * 3 + headers)
                directive = random.choice(DIRECTIVES) if random.random() < 0.1 else None
                sent = {**caller, **({} if directive is None else {"cache-control": directive})}
                responses, same = await gateways.post([(body, sent)] * (1 if kind == "request" else 3))
                for response in responses:
                    done["errors"] += "errors" in response
                    world.check_names(response)
                if not same:
                    # Requests at the same time join each other's calls only if they overlap.
                    assert kind == "together" or body not in world.without_links
                    done["other parts"] += 1
                    clock.moves(TTL)
    aws.recovers()
    return done


def reused() -> float:
    return sum(
        REGISTRY.get_sample_value("chime_gateway_responses_reused_total", {"level": level}) or 0
        for level in ("stored", "in_flight")
    )


async def check(aws: Aws, callers: tuple[Settings, list[dict[str, str]]], *, runs: int, steps: int) -> None:
    before = reused()
    done: Counter[str] = Counter()
    for seed in range(runs):
        done += await run(Random(seed), aws, callers, steps)
    # The requests are meaningful: many responses were reused, and many had errors.
    assert reused() - before > done["request"] / 8
    assert done["errors"] > 0
    assert done["other parts"] < done["request"] / 10


async def test_random_requests_get_the_same_responses_with_and_without_reuse(
    aws: Aws, callers: tuple[Settings, list[dict[str, str]]]
) -> None:
    await check(aws, callers, runs=8, steps=160)


@pytest.mark.slow
async def test_20_000_steps_get_the_same_responses_with_and_without_reuse(
    aws: Aws, callers: tuple[Settings, list[dict[str, str]]]
) -> None:
    await check(aws, callers, runs=100, steps=200)
