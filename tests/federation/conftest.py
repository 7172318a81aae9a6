"""Fixtures of the supergraph: the gateway over its sample data, two other subgraphs, and a router in front of them."""

import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.app import create_app
from gateway.server.run import serving_in_thread
from gateway.settings import read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.support.aws import Aws, emulated_aws
from tests.support.node import installed, node
from tests.support.processes import environment, started

HERE: Final = Path(__file__).parent
README: Final = (HERE / "README.md").read_text()
SECRET: Final = "known-to-the-router-alone"


@dataclass(frozen=True, slots=True)
class SubgraphRequest:
    """One request of the router to a subgraph: the document, and the header x-router-secret."""

    subgraph: str
    document: str
    secret: str | None


class Supergraph:
    """A router over three subgraphs.

    Attributes:
        account: The AWS account behind the gateway.
        recorded: The router's requests to its subgraphs.
    """

    def __init__(self, account: Aws) -> None:
        self.url = ""
        self.account = account
        self.recorded: list[SubgraphRequest] = []

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the whole response to a query: data and errors."""
        response = httpx.post(self.url, json={"query": document, "variables": variables}, timeout=60)
        body: dict[str, Any] = response.json()
        return body

    def query(self, document: str, **variables: Any) -> Any:
        """Return the data of a query. Fail if the response has errors."""
        response = self.execute(document, **variables)
        assert "errors" not in response, response["errors"]
        return response["data"]

    def requests(self) -> list[tuple[str, str]]:
        """Return the subgraph of each request, and whether it requested entities or root fields."""
        return [
            (requested.subgraph, "_entities" if "_entities" in requested.document else "Query")
            for requested in self.recorded
        ]


class _RequestRecorder:
    """A middleware that records each request before its subgraph handles it."""

    def __init__(self, app: ASGIApp, name: str, recorded: list[SubgraphRequest]) -> None:
        self._app = app
        self._name = name
        self._recorded = recorded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message["body"])
                if not message["more_body"]:
                    secret = Headers(scope=scope).get("x-router-secret")
                    self._recorded.append(SubgraphRequest(self._name, json.loads(body)["query"], secret))
            return message

        await self._app(scope, noting, send)


def _forwarding_to(url: str) -> Starlette:
    """Return a proxy of another subgraph, so that its requests can be recorded."""

    async def forward(request: Request) -> Response:
        headers = {"content-type": request.headers["content-type"]}
        async with httpx.AsyncClient() as http:
            response = await http.post(url, content=await request.body(), headers=headers)
        return Response(response.content, response.status_code, media_type=response.headers["content-type"])

    return Starlette(routes=[Route("/", forward, methods=["POST"])])


def command(beginning: str, instead: Mapping[str, str]) -> list[str]:
    """Return the first command of README.md with this beginning, with some of its words replaced."""
    words = shlex.split(next(line for line in README.splitlines() if line.startswith(beginning)))
    assert instead.keys() <= set(words)
    return [instead.get(word, word) for word in words]


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return the folder of the example after its packages are installed."""
    return installed(HERE)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the supergraph's files."""
    return tmp_path_factory.mktemp("supergraph")


@pytest.fixture(scope="session")
def env(home: Path) -> dict[str, str]:
    """Return the environment of the example's programs."""
    path = f"{Path(shutil.which('node') or '').parent}{os.pathsep}{os.defpath}"
    return environment(home, PATH=path, GATEWAY_ROUTER_SECRET=SECRET)


@pytest.fixture(scope="session")
def watched() -> Iterator[Supergraph]:
    """Return a supergraph without a router, with the gateway's account, which holds the sample data."""
    with emulated_aws(numbers=250, orders=40) as account:
        yield Supergraph(account)


@pytest.fixture(scope="session")
def composed(packages: Path, home: Path, env: dict[str, str], watched: Supergraph) -> Iterator[Path]:
    """Start the subgraphs, compose the example's configuration, and return the supergraph."""
    settings = read_settings(upstream_api="chime", upstream_endpoint_url=watched.account.url, router_secret=SECRET)
    subgraphs: dict[str, ASGIApp] = {"phone-numbers": create_app(settings, AwsKeyPair("local", "local"))}
    with ExitStack() as running:
        others = running.enter_context(
            started(*command("node subgraphs.mjs", {"4001": "0", "4002": "0"}), env=env, lines=2, cwd=packages)
        )
        for line in others.lines:
            file, url = line.split()
            subgraphs[file.removesuffix(".graphql")] = _forwarding_to(url)
        configuration = json.loads((packages / "supergraph.json").read_text())
        assert configuration["subgraphs"].keys() == subgraphs.keys()
        for name, subgraph in configuration["subgraphs"].items():
            served = running.enter_context(serving_in_thread(_RequestRecorder(subgraphs[name], name, watched.recorded)))
            subgraph["routing_url"] = served + urlsplit(subgraph["routing_url"]).path
            subgraph["schema"]["file"] = str(packages / subgraph["schema"]["file"])
        config, supergraph = home / "supergraph.json", home / "supergraph.graphql"
        config.write_text(json.dumps(configuration))
        compose = command("node compose.mjs", {config.name: str(config), supergraph.name: str(supergraph)})
        ran = node(packages, *compose[1:])
        assert (ran.returncode, ran.stderr) == (0, "")
        yield supergraph


def _apollo(supergraph: Path, env: dict[str, str], running: ExitStack) -> str:
    start = command("node apollo-gateway.mjs", {"supergraph.graphql": str(supergraph), "4000": "0"})
    [line] = running.enter_context(started(*start, env=env, lines=1, cwd=HERE)).lines
    return line.removeprefix("Supergraph ")


def _hive(supergraph: Path, env: dict[str, str], running: ExitStack) -> str:
    # If the port is 0, it does not print which port it chose.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    instead = {"supergraph.graphql": str(supergraph), "4000": str(port)}
    start = command("node_modules/.bin/hive-gateway", instead)
    hive = running.enter_context(started(*start, env=env, lines=0, cwd=HERE)).process
    assert hive.stdout is not None
    output = []
    for line in hive.stdout:
        output.append(line)
        if "Listening on" in line:
            return f"http://127.0.0.1:{port}/graphql"
    pytest.fail(f"Hive Gateway did not start: {''.join(output)}")


@pytest.fixture(scope="session", params=[_apollo, _hive], ids=["Apollo Gateway", "Hive Gateway"])
def router(request: pytest.FixtureRequest, composed: Path, env: dict[str, str]) -> Iterator[str]:
    """Return the URL of a router that serves the supergraph."""
    with ExitStack() as running:
        yield request.param(composed, env, running)


@pytest.fixture(scope="session")
def caching_router(composed: Path, home: Path, env: dict[str, str], watched: Supergraph) -> Iterator[str]:
    """Return the URL of Apollo Gateway over a supergraph whose gateway has a response cache."""
    settings = read_settings(
        upstream_api="chime", upstream_endpoint_url=watched.account.url, router_secret=SECRET, cache_ttl_seconds=3600
    )
    with ExitStack() as running:
        url = running.enter_context(serving_in_thread(create_app(settings, AwsKeyPair("local", "local"))))
        text, replaced = re.subn(r'(name: "phone-numbers", url: ")[^"]*', rf"\g<1>{url}/graphql", composed.read_text())
        assert replaced == 1
        supergraph = home / "caching.graphql"
        supergraph.write_text(text)
        yield _apollo(supergraph, env, running)


@pytest.fixture
def supergraph(router: str, watched: Supergraph) -> Supergraph:
    """Return the supergraph behind each router, without recorded requests."""
    watched.url = router
    watched.recorded.clear()
    watched.account.calls.clear()
    return watched
