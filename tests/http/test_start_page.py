"""The page at `/`: who gets it, and what it says for each setting."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.chromium import started_chromium
from tests.support.serving import gateway_to_nowhere

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
BROWSER = {"accept": CHROME}
API_KEY = {"auth": "api-key", "api_keys": ["0" * 64]}
JWT = {
    "auth": "jwt",
    "jwt_jwks_url": "http://127.0.0.1:9/jwks",
    "jwt_issuer": "https://issuer.example",
    "jwt_audience": "us",
}


def words(html: str) -> str:
    """Return the text of a page without tags and line breaks."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", "", html, flags=re.DOTALL).split())


def test_browser_gets_a_page_that_says_where_everything_is() -> None:
    with gateway_to_nowhere(graphiql=True) as http:
        response = http.get("/", headers=BROWSER)
        linked = re.findall(r'href="(/[^"]*)"', response.text)
        assert linked == ["/graphql", "/healthz", "/readyz", "/metrics"]
        statuses = [http.get(path, headers=BROWSER).status_code for path in linked if path != "/readyz"]
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert statuses == [200, 200, 200]
    assert "to /graphql. Explore" in words(response.text)
    assert "docs/README.md" in response.text
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        response.headers["content-security-policy"],
    )


def test_head_has_the_headers_of_get() -> None:
    with gateway_to_nowhere() as http:
        for headers in (BROWSER, {}):
            head, got = http.head("/", headers=headers), http.get("/", headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b"")
            ignored = {"date": "", "x-request-id": ""}
            assert {**head.headers, **ignored} == {**got.headers, **ignored}


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0"])
def test_program_gets_404_in_json(accept: str) -> None:
    with gateway_to_nowhere(graphiql=True) as http:
        response = http.get("/", headers={"accept": accept})
        elsewhere = http.get("/elsewhere", headers={"accept": accept})
    assert response.status_code == elsewhere.status_code == 404
    assert response.json() == elsewhere.json()
    assert response.headers["vary"] == "Accept"


def test_post_of_a_browser_gets_404_in_json() -> None:
    with gateway_to_nowhere() as http:
        response = http.post("/", headers=BROWSER)
    assert (response.status_code, "application/json" in response.headers["content-type"]) == (404, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (API_KEY, "Each request needs an API key in x-api-key. "),
        (JWT, "Each request needs an access token as Authorization: Bearer. "),
        (
            {"router_secret": "known-to-the-router", **API_KEY},
            "It accepts requests only from its router. Each request needs an API key in x-api-key. ",
        ),
    ],
    ids=["api-key", "jwt", "router-secret"],
)
def test_page_needs_no_credential_and_says_which_one_the_endpoint_needs(given: dict[str, Any], said: str) -> None:
    with gateway_to_nowhere(**given) as http:
        response = http.get("/", headers=BROWSER)
    assert response.status_code == 200
    assert said in words(response.text)
    assert "GraphiQL is off (GATEWAY_GRAPHIQL)." in words(response.text)
    assert 'href="/graphql"' not in response.text


def test_page_links_only_health_if_the_probes_have_their_own_port() -> None:
    with gateway_to_nowhere(admin_port=9090) as http:
        response = http.get("/", headers=BROWSER)
        assert re.findall(r'href="(/[^"]*)"', response.text) == ["/healthz"]
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 404
    assert "readiness /readyz and metrics /metrics on the admin port" in words(response.text)


def test_page_is_for_allowed_hosts_only() -> None:
    with gateway_to_nowhere(allowed_hosts=["gateway.example"]) as http:
        assert http.get("/", headers=BROWSER).status_code == 421
        assert http.get("/", headers=BROWSER | {"host": "gateway.example"}).status_code == 200


def test_page_is_readable_in_both_schemes_and_on_a_phone() -> None:
    trouble: list[str] = []
    with gateway_to_nowhere() as http, started_chromium("reading the start page") as chromium:
        shades = {}
        for scheme in ("light", "dark"):
            context = chromium.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
            page = context.new_page()
            page.on("console", lambda message: trouble.append(message.text))
            page.goto(str(http.base_url))
            expect(page.get_by_role("heading", name="chime-gateway")).to_be_visible()
            # The ground is the browser's own: white in the light scheme, almost black in the dark one.
            shades[scheme] = page.evaluate("getComputedStyle(document.querySelector('dd')).color")
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            assert page.evaluate("getComputedStyle(document.querySelector('dt')).fontWeight") == "600"
            context.close()
    assert shades == {"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}
    assert trouble == []


def test_absent_accept_header_gets_404() -> None:
    with gateway_to_nowhere() as http:
        request = httpx.Request("GET", http.base_url)
        assert http.send(request).status_code == 404
