"""The hosts by which clients may reach the gateway."""

from pathlib import Path

import httpx
import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, started

LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_ALLOWED_HOSTS", "Api.example.com, [2001:db8:0::1], other.example:443")
    aws.holds(inventory=1)
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


def assert_misdirected(response: httpx.Response) -> None:
    assert response.status_code == 421
    assert response.headers["cache-control"] == "no-store"
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "GATEWAY_ALLOWED_HOSTS" in error["message"]


@pytest.mark.parametrize(
    "host",
    [
        *("api.example.com", "API.example.com:8443", "api.example.com:80", "api.example.com.", "api.example.com.:443"),
        *("[2001:db8::1]", "[2001:db8::1]:80", "[2001:DB8:0:0:0:0:0:1]", "[2001:0db8::0001]:8443"),
        *("other.example", "other.example:443", "other.example:8443"),
    ],
)
async def test_an_allowed_host_is_answered_on_any_port(gateway: Gateway, host: str) -> None:
    response = await gateway.http.post("/graphql", json=LISTED, headers={"host": host})
    assert response.json()["data"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "api.example.com.evil.example.",
        "api.example.com..",
        "api.example.com.evil.example",
        "evil.api.example.com",
        "127.0.0.1",
        "[2001:db8::2]",
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/graphql/assets/x", "/other"])
async def test_another_host_is_421_on_every_path(gateway: Gateway, aws: Aws, host: str, path: str) -> None:
    for method in ("POST", "GET", "OPTIONS"):
        headers = {"host": host, "accept": "text/html", "content-type": "application/json"}
        assert_misdirected(await gateway.http.request(method, path, headers=headers, params=LISTED))
    assert aws.calls == []


async def test_health_checks_are_answered_for_any_host(gateway: Gateway) -> None:
    assert (await gateway.http.get("/healthz", headers={"host": "10.0.0.7:8000"})).text == "ok\n"


KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    "command",
    ["dev", "serve", "serve --workers 2"],
)
def test_an_open_gateway_on_loopback_accepts_only_loopback_hosts(tmp_path: Path, command: str) -> None:
    """To a browser, a page whose name resolves to this machine (DNS rebinding) has the gateway's own origin."""
    typename = {"query": "{ __typename }"}
    env = environment(tmp_path, **KEYS)
    with started(str(BIN / "chime-gateway"), *command.split(), "--port", "0", env=env, lines=1) as gateway:
        url = gateway.lines[0].split()[1]
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert httpx.post(url, json=typename, headers={"host": host}, timeout=30).json()["data"]
        rebound = {"host": "rebound.example", "origin": "http://rebound.example", "sec-fetch-site": "same-origin"}
        assert_misdirected(httpx.post(url, json=typename, headers=rebound, timeout=30))


@pytest.mark.parametrize(
    "given", [{"GATEWAY_ROUTER_SECRET": "a secret of a router's".replace(" ", "-")}, {"GATEWAY_ALLOWED_HOSTS": "a.b"}]
)
def test_with_authentication_or_allowed_hosts_other_hosts_are_accepted(tmp_path: Path, given: dict[str, str]) -> None:
    """A proxy on the same machine forwards the public host."""
    env = environment(tmp_path, **KEYS, **given)
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=1) as serve:
        headers = {"host": "a.b", "x-router-secret": given.get("GATEWAY_ROUTER_SECRET", "")}
        response = httpx.post(serve.lines[0].split()[1], json={"query": "{ __typename }"}, headers=headers, timeout=30)
        assert response.json()["data"]


@pytest.mark.parametrize(
    "hosts", ["api.example.com:8443", "api.example.com:", ".example.com", "https://api.example.com", "*", "a b"]
)
def test_a_malformed_host_in_the_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    monkeypatch.setenv("GATEWAY_ALLOWED_HOSTS", hosts)
    with pytest.raises(ConfigurationError, match=r"api\.example\.com.*\(GATEWAY_ALLOWED_HOSTS\)\.$"):
        read_settings()
