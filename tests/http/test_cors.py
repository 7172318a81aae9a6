"""Which pages a browser may ask for: the gateway's own, and those that a setting names."""

import httpx
import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.serving import gateway_to_nowhere

LISTED = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}
OURS, ELSEWHERE = "https://app.example.com", "https://evil.example"
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}

# What a browser adds to a request that a page of another site, or nobody knows which, has it send.
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


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 403
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN"}
    assert error["message"]
    assert not any(name.startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("fields", FOREIGN)
async def test_a_page_of_another_site_is_refused(gateway: Gateway, aws: Aws, fields: dict[str, str]) -> None:
    for answer in (
        await gateway.http.get("/graphql", params=LISTED, headers=fields),
        await gateway.http.post("/graphql", json=LISTED, headers=fields),
    ):
        assert_refused(answer)
    assert (await gateway.http.head("/graphql", params=LISTED, headers=fields)).status_code == 403
    assert aws.calls == []


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_form_that_a_browser_sends_without_a_preflight_is_no_request(
    gateway: Gateway, aws: Aws, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await gateway.http.post("/graphql", content=b'{"query":"{ __typename }"}', headers=headers)
    assert answer.status_code == 415
    assert aws.calls == []


async def test_a_browser_that_does_not_say_who_asks_adds_a_header_to_what_it_gets(gateway: Gateway, aws: Aws) -> None:
    """Over plain HTTP it marks no page's GETs, and a page can make it send them."""
    assert_refused(await gateway.http.get("/graphql", params=LISTED, headers=BROWSER | {"content-type": "text/plain"}))
    assert aws.calls == []
    for field in (
        {"x-requested-with": "XMLHttpRequest"},
        {"apollo-require-preflight": "true"},
        {"x-apollo-operation-name": "A"},
        {"content-type": "application/json"},
    ):
        answer = await gateway.http.get("/graphql", params=LISTED, headers=BROWSER | field)
        assert answer.json()["data"]
    assert (await gateway.http.post("/graphql", json=LISTED, headers=BROWSER)).json()["data"]


@pytest.mark.parametrize("fields", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}])
async def test_programs_and_the_gateways_own_pages_are_answered(gateway: Gateway, fields: dict[str, str]) -> None:
    headers = BROWSER | fields if fields else {}
    for answer in (
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
        # Without Fetch Metadata the origin says whose page it is.
        await gateway.http.post("/graphql", json=LISTED, headers={"origin": str(gateway.http.base_url).rstrip("/")}),
    ):
        assert answer.json()["data"]
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000"])
async def test_a_page_of_an_origin_that_is_named_asks_and_reads_answers_and_refusals(
    gateway: Gateway, origin: str
) -> None:
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
    answers = [
        preflight,
        await gateway.http.post("/graphql", json=LISTED, headers=headers),
        await gateway.http.get("/graphql", params=LISTED, headers=headers),
        await gateway.http.post("/graphql", content=b"[]", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [204, 200, 200, 415]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Accept, Origin"


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
async def test_a_page_of_the_gateways_own_origin_is_answered_however_its_port_is_written(
    gateway: Gateway, origin: str, host: str
) -> None:
    answer = await gateway.http.post("/graphql", json=LISTED, headers={"origin": origin, "host": host})
    assert answer.json()["data"]


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
async def test_a_page_of_another_port_or_name_is_refused(gateway: Gateway, origin: str, host: str) -> None:
    headers = {"origin": origin, "host": host}
    assert (await gateway.http.post("/graphql", json=LISTED, headers=headers)).status_code in {400, 403}


@pytest.mark.parametrize(
    ("named", "origin"),
    [
        ("http://localhost:80", "http://localhost"),
        ("https://App.example.com:443", "https://app.example.com"),
        ("https://app.example.com", "https://app.example.com:443"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_may_be_named_with_or_without_its_default_port(
    monkeypatch: pytest.MonkeyPatch, named: str, origin: str
) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", named)
    typename = {"query": "{ __typename }"}
    with gateway_to_nowhere() as http:
        answer = http.post("/graphql", json=typename, headers={"origin": origin, "sec-fetch-site": "cross-site"})
        assert answer.json()["data"]
        # A browser looks for the very text that it sent.
        assert answer.headers["access-control-allow-origin"] == origin
        preflight = http.options("/graphql", headers={"origin": origin, "access-control-request-method": "POST"})
        assert preflight.headers["access-control-allow-origin"] == origin
        scheme, _, rest = origin.partition("://")
        other = {"http": "https", "https": "http"}[scheme]
        assert http.post("/graphql", json=typename, headers={"origin": f"{other}://{rest}"}).status_code == 403


@pytest.mark.parametrize("origin", [ELSEWHERE, "null"])
async def test_another_origins_preflight_grants_nothing(gateway: Gateway, origin: str) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = await gateway.http.options("/graphql", headers=headers)
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_unless_origins_are_named_no_preflight_grants_anything(endpoint: httpx.Client) -> None:
    answer = endpoint.options("/graphql", headers={"origin": OURS, "access-control-request-method": "POST"})
    assert not any(name.startswith("access-control-") for name in answer.headers)
    assert endpoint.post("/graphql", json=LISTED, headers={"origin": OURS}).status_code == 403


@pytest.mark.parametrize(
    "origins",
    ["null", "*", "https://*.example.com", f"{OURS}/", "app.example.com", "http://a:99999", "http://[::g]"],
)
def test_what_is_no_origin_is_refused_at_start_up(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", origins)
    with pytest.raises(ConfigurationError, match=r"GATEWAY_CORS_ORIGINS: .*https://app\.example\.com"):
        read_settings()
