"""The doors that tests enter by: an emulated AWS account, and a gateway over it, both over real HTTP."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import hypothesis
import pytest

from gateway.settings import Settings
from tests.support.aws import Aws, emulated_aws
from tests.support.markers import FOUND, LogLines, look_at_response
from tests.support.serving import served_gateway

# Tests count upstream calls: only those about the cache have one.
os.environ["GATEWAY_CACHE_TTL_SECONDS"] = "0"

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


class Gateway:
    """A running gateway."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def answer(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole answer to a query: data and errors."""
        response = await self.http.post("/graphql", json={"query": document, "variables": variables})
        answer: dict[str, Any] = response.json()
        return answer

    async def query(self, document: str, **variables: Any) -> Any:
        """The data of a query that must not fail."""
        answer = await self.answer(document, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """An emulated account, of the chime API unless the test is parametrized with another (indirect)."""
    with emulated_aws(getattr(request, "param", "chime")) as account:
        yield account


@pytest.fixture
def settings(aws: Aws) -> Settings:
    """The gateway's settings; a test module overrides this fixture to change one."""
    return Settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)  # type: ignore[arg-type]  # Pydantic parses the URL.


@asynccontextmanager
async def gateway_over(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway with these settings, while the block runs."""
    with served_gateway(settings) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway over the account."""
    async with gateway_over(settings) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _all_that_comes_out_is_looked_at() -> Iterator[None]:
    """Whichever client a test has, by httpx, and whatever a gateway in this process logs."""
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def looking(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        response = send(client, request, **how)
        look_at_response(response)
        return response

    async def looking_async(client: httpx.AsyncClient, request: httpx.Request, **how: Any) -> httpx.Response:
        response = await send_async(client, request, **how)
        look_at_response(response)
        return response

    lines = LogLines(logging.WARNING)
    logging.getLogger().addHandler(lines)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(httpx.Client, "send", looking)
        patched.setattr(httpx.AsyncClient, "send", looking_async)
        yield
    logging.getLogger().removeHandler(lines)
    assert FOUND == []


@pytest.fixture(autouse=True)
def _nothing_comes_out_that_must_not() -> Iterator[None]:
    """Of any test, or of a gateway that several share."""
    yield
    found = FOUND.copy()
    FOUND.clear()
    assert found == []
