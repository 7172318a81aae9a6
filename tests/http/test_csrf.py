"""Protection against cross-site request forgery (CSRF): which requests of a browser are accepted."""

import httpx
import pytest

from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws

LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}
OURS, ELSEWHERE = "https://app.example.com", "https://evil.example"
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}

# What a browser adds to a request that it sends for a page of another or an unknown site.
FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": ELSEWHERE},
    {"sec-fetch-site": "cross-site", "origin": "null"},
    {"origin": ELSEWHERE},
    {"origin": "null"},
    {"origin": ""},
    {"origin": f"{OURS}.evil.example"},
    {"origin": f"{OURS}:8443"},
    {"origin": OURS.upper()},
    {"origin": OURS.replace("https", "http")},
    {"origin": f"{OURS}, {ELSEWHERE}"},
]


@pytest.fixture
def settings(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", f"{OURS}, http://localhost:3000")
    aws.holds(inventory=1)
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


def assert_rejected(response: httpx.Response) -> None:
    assert response.status_code == 403
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN"}
    assert error["message"]
    assert not any(name.startswith("access-control-") for name in response.headers)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_request_of_a_page_of_another_site_is_403(gateway: Gateway, aws: Aws, headers: dict[str, str]) -> None:
    for response in (
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
    ):
        assert_rejected(response)
    assert (await gateway.http.head("/graphql", params=LISTED, headers=headers)).status_code == 403
    assert aws.calls == []


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_form_that_needs_no_preflight_is_415(gateway: Gateway, aws: Aws, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = await gateway.http.post("/graphql", content=b'{"query":"{ __typename }"}', headers=headers)
    assert response.status_code == 415
    assert aws.calls == []


async def test_a_browsers_get_of_an_unknown_page_needs_a_header_that_forces_a_preflight(
    gateway: Gateway, aws: Aws
) -> None:
    """Over plain HTTP a browser does not mark the GETs of pages, and any page can make it send them."""
    assert_rejected(await gateway.http.get("/graphql", params=LISTED, headers=BROWSER | {"content-type": "text/plain"}))
    assert aws.calls == []
    for header in (
        {"x-requested-with": "XMLHttpRequest"},
        {"apollo-require-preflight": "true"},
        {"x-apollo-operation-name": "A"},
        {"content-type": "application/json"},
    ):
        response = await gateway.http.get("/graphql", params=LISTED, headers=BROWSER | header)
        assert response.json()["data"]
    assert (await gateway.http.post("/graphql", json=LISTED, headers=BROWSER)).json()["data"]


@pytest.mark.parametrize("metadata", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}])
async def test_programs_and_the_gateways_own_pages_are_answered(gateway: Gateway, metadata: dict[str, str]) -> None:
    headers = BROWSER | metadata if metadata else {}
    for response in (
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
        # Without Fetch Metadata, the origin identifies the page.
        await gateway.http.post("/graphql", json=LISTED, headers={"origin": str(gateway.http.base_url).rstrip("/")}),
    ):
        assert response.json()["data"]
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost", "localhost:80"),
        ("http://localhost:80", "localhost"),
        ("http://localhost", "LOCALHOST"),
        ("https://gateway.example", "gateway.example"),
        ("https://gateway.example", "gateway.example:443"),
        ("https://gateway.example:443", "gateway.example"),
        ("https://gateway.example:8443", "gateway.example:8443"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("http://[::1]", "[::1]:80"),
        ("http://[::1]:8000", "[0:0:0:0:0:0:0:1]:8000"),
    ],
)
async def test_a_page_of_the_gateways_own_origin_is_answered_in_any_spelling(
    gateway: Gateway, origin: str, host: str
) -> None:
    response = await gateway.http.post("/graphql", json=LISTED, headers={"origin": origin, "host": host})
    assert response.json()["data"]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:80"),
        ("http://localhost:8080", "localhost"),
        ("http://localhost", "localhost:8080"),
        ("http://localhost", "localhost:443"),
        ("https://localhost", "localhost:80"),
        ("https://localhost:80", "localhost"),
        ("http://localhost:443", "localhost"),
        ("http://localhost.", "localhost"),
        ("http://localhost:99999", "localhost:99999"),
        ("http://[::1]", "[::2]:80"),
        ("ftp://localhost", "localhost"),
        ("http://user@localhost", "localhost"),
        ("http://localhost/", "localhost"),
    ],
)
async def test_a_page_of_another_port_or_name_is_rejected(gateway: Gateway, origin: str, host: str) -> None:
    headers = {"origin": origin, "host": host}
    assert (await gateway.http.post("/graphql", json=LISTED, headers=headers)).status_code in {400, 403}
