"""The CORS policy: which origins' pages may read responses."""

import httpx
import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.serving import gateway_to_nowhere

LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}
OURS, ELSEWHERE = "https://app.example.com", "https://evil.example"


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", f"{OURS}, http://localhost:3000")
    aws.holds(inventory=1)
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000"])
async def test_a_page_of_an_allowed_origin_can_read_results_and_errors(gateway: Gateway, origin: str) -> None:
    headers = {"origin": origin, "sec-fetch-site": "cross-site"}
    preflight = await gateway.http.options(
        "/graphql",
        headers=headers
        | {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-api-key"},
    )
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert "POST" in preflight.headers["access-control-allow-methods"].split(", ")
    assert {"content-type", "x-api-key", "authorization"} <= set(
        preflight.headers["access-control-allow-headers"].split(", ")
    )
    responses = [
        preflight,
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
        await gateway.http.post("/graphql", content=b"[]", headers=headers),
    ]
    assert [response.status_code for response in responses] == [204, 200, 200, 415]
    for response in responses:
        assert response.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers["vary"] == "Accept, Accept-Encoding, Origin"


@pytest.mark.parametrize(
    ("setting", "origin"),
    [
        ("http://localhost:80", "http://localhost"),
        ("https://App.example.com:443", "https://app.example.com"),
        ("https://app.example.com", "https://app.example.com:443"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_may_be_set_with_or_without_its_default_port(
    monkeypatch: pytest.MonkeyPatch, setting: str, origin: str
) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", setting)
    typename = {"query": "{ __typename }"}
    with gateway_to_nowhere() as http:
        response = http.post("/graphql", json=typename, headers={"origin": origin, "sec-fetch-site": "cross-site"})
        assert response.json()["data"]
        # A browser compares this with the text that it sent.
        assert response.headers["access-control-allow-origin"] == origin
        preflight = http.options("/graphql", headers={"origin": origin, "access-control-request-method": "POST"})
        assert preflight.headers["access-control-allow-origin"] == origin
        scheme, _, rest = origin.partition("://")
        other = {"http": "https", "https": "http"}[scheme]
        assert http.post("/graphql", json=typename, headers={"origin": f"{other}://{rest}"}).status_code == 403


@pytest.mark.parametrize("origin", [ELSEWHERE, "null"])
async def test_a_preflight_of_another_origin_is_not_granted(gateway: Gateway, origin: str) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    response = await gateway.http.options("/graphql", headers=headers)
    assert not any(name.startswith("access-control-") for name in response.headers)


def test_without_the_setting_no_preflight_is_granted(endpoint: httpx.Client) -> None:
    response = endpoint.options("/graphql", headers={"origin": OURS, "access-control-request-method": "POST"})
    assert not any(name.startswith("access-control-") for name in response.headers)
    assert endpoint.post("/graphql", json=LISTED, headers={"origin": OURS}).status_code == 403


@pytest.mark.parametrize(
    "origins",
    ["null", "*", "https://*.example.com", f"{OURS}/", "app.example.com", "http://a:99999", "http://[::g]"],
)
def test_a_malformed_origin_in_the_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", origins)
    with pytest.raises(ConfigurationError, match=r"https://app\.example\.com.*\(GATEWAY_CORS_ORIGINS\)\.$"):
        read_settings()
