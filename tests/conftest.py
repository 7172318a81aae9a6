"""The doors that tests enter by: an emulated AWS account, and a gateway over it, both over real HTTP."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import hypothesis
import pytest

from gateway.settings import Settings
from tests.aws import Aws, emulated_aws
from tests.serving import served_gateway

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
