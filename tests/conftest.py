"""Fixtures of the whole suite: an emulated AWS account and a gateway in front of it, both over real HTTP."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest

from gateway.settings import Settings
from tests.support.aws import Aws, emulated_aws
from tests.support.leak_search import FOUND, LogSearch, search_httpx_response
from tests.support.one_read import one_read
from tests.support.serving import served_gateway

# Tests count upstream calls, so only the tests of the cache turn it on.
os.environ["GATEWAY_CACHE_TTL_SECONDS"] = "0"

# No deadline: the time that an example takes depends on the load of the machine.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")


# `make test` gives whole files to its workers in the order of collection. These take longest, or install npm packages
# that the rest of their folder needs too. They are first, so that no worker ends with a long file or waits for npm.
LONG_FILES = (
    "federation/test_composition.py",
    "clients/test_front_ends.py",
    "graphiql/test_browser.py",
    "graphiql/test_looks.py",
    "graphiql/test_sign_in.py",
    "test_command_line.py",
    "fleet/test_fleet.py",
    "test_architecture.py",
    "upstream/aws/test_credential_process.py",
    "federation/test_supergraph.py",
    "emulator/test_aws_command_line.py",
    "upstream/aws/test_credentials.py",
    "upstream/aws/test_foreign_responses.py",
    "execution/test_projection.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of LONG_FILES first."""
    place = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: place.get(item.path, len(LONG_FILES)))


class Gateway:
    """A running gateway."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the whole response to a query: data and errors."""
        response = await self.http.post("/graphql", json={"query": document, "variables": variables})
        body: dict[str, Any] = response.json()
        return body

    async def query(self, document: str, **variables: Any) -> Any:
        """Return the data of a query. Fail if the response has errors."""
        response = await self.execute(document, **variables)
        assert "errors" not in response, response["errors"]
        return response["data"]


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """Return an emulated account. It is of the chime API unless the test is parametrized with another (indirect)."""
    with emulated_aws(getattr(request, "param", "chime")) as account:
        yield account


@pytest.fixture
def settings(aws: Aws) -> Settings:
    """Return the gateway's settings. A test module overrides this fixture to change one of them."""
    return Settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)  # type: ignore[arg-type]  # Pydantic parses the URL.


@asynccontextmanager
async def gateway_over(settings: Settings) -> AsyncIterator[Gateway]:
    """Run a gateway with these settings while the block runs."""
    with served_gateway(settings) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Return a gateway in front of the account."""
    async with gateway_over(settings) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _one_read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Read what all gateways of this process share once."""
    with one_read(tmp_path_factory.mktemp("certificate")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _search_all_responses_and_logs() -> Iterator[None]:
    """Search every response that httpx reads, and every log message of a gateway in this process, for leaks."""
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def search_after_send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        response = send(client, request, **options)
        search_httpx_response(response)
        return response

    async def search_after_async_send(
        client: httpx.AsyncClient, request: httpx.Request, **options: Any
    ) -> httpx.Response:
        response = await send_async(client, request, **options)
        search_httpx_response(response)
        return response

    handler = LogSearch(logging.WARNING)
    logging.getLogger().addHandler(handler)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(httpx.Client, "send", search_after_send)
        patched.setattr(httpx.AsyncClient, "send", search_after_async_send)
        yield
    logging.getLogger().removeHandler(handler)
    assert FOUND == []


@pytest.fixture(autouse=True)
def _fail_on_leaks() -> Iterator[None]:
    """Fail the test during which a leak was found, also if several tests share the gateway."""
    yield
    found = FOUND.copy()
    FOUND.clear()
    assert found == []
