"""The GraphiQL page and its assets over HTTP."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.http.graphiql_page import GraphiqlAssets, GraphiqlPage
from gateway.settings import for_development, read_settings
from tests.support.serving import NOWHERE, gateway_to_nowhere, served, served_gateway

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
BROWSER = {"accept": CHROME}


@pytest.fixture(scope="module")
def http(built: Path) -> Iterator[httpx.Client]:
    assert built.exists()
    with gateway_to_nowhere(graphiql=True) as http:
        yield http


@pytest.mark.parametrize(
    "accept",
    [FIREFOX, CHROME, "text/html", "TEXT/HTML;q=0.9, application/json;q=0.8", "text/*", "text/html, */*;q=0.1"],
)
def test_client_that_prefers_html_gets_the_page(http: httpx.Client, accept: str) -> None:
    response = http.get("/graphql", headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<div id="graphiql" ' in response.text


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/graphql-response+json, text/html",
        "application/json, text/html;q=0.9",
        "text/html;q=0.9, application/*",
        "text/html;q=0",
        "text/html;q=none",
        "application/xhtml+xml",
    ],
)
def test_client_that_prefers_json_gets_the_endpoint(http: httpx.Client, accept: str) -> None:
    response = http.get("/graphql", headers={"accept": accept})
    assert "json" in response.headers["content-type"]
    assert "data" not in response.json()


def test_link_to_a_query_is_executed_in_a_browser(http: httpx.Client) -> None:
    response = http.get("/graphql", params={"query": "{ __typename }"}, headers=BROWSER)
    assert response.json() == {"data": {"__typename": "Query"}}


def test_post_is_executed_although_the_client_prefers_html(http: httpx.Client) -> None:
    response = http.post("/graphql", json={"query": "{ __typename }"}, headers=BROWSER)
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("given", "authentication"),
    [
        ({}, "none"),
        ({"auth": "api-key", "api_keys": ["0" * 64]}, "api-key"),
        (
            {
                "auth": "jwt",
                "jwt_jwks_url": f"{NOWHERE}/jwks",
                "jwt_issuer": "https://issuer.example",
                "jwt_audience": "us",
            },
            "jwt",
        ),
    ],
    ids=["none", "api-key", "jwt"],
)
def test_page_knows_how_callers_authenticate(built: Path, given: dict[str, Any], authentication: str) -> None:
    assert built.exists()
    with gateway_to_nowhere(graphiql=True, **given) as http:
        response = http.get("/graphql", headers=BROWSER)
    assert (response.status_code, f'data-authentication="{authentication}"' in response.text) == (200, True)


def test_page_loads_only_from_its_own_origin(http: httpx.Client) -> None:
    response = http.get("/graphql", headers=BROWSER)
    policy = dict(
        directive.strip().split(" ", 1) for directive in response.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "font-src": "'self' data:",
        "img-src": "'self' data:",
        "worker-src": "'self'",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    linked = re.findall(r'(?:src|href)="([^"]*)"', response.text)
    assert len(linked) >= 3
    for path in linked:
        assert path.startswith("/graphql/assets/")
        assert (http.get(path)).status_code == 200


def test_page_is_revalidated_and_sent_only_if_it_changed(http: httpx.Client) -> None:
    first = http.get("/graphql", headers=BROWSER)
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["vary"].lower() == "accept"
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}'):
        again = http.get("/graphql", headers=BROWSER | {"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    changed = http.get("/graphql", headers=BROWSER | {"if-none-match": '"another"'})
    assert changed.text == first.text


def test_head_returns_the_headers_of_get_without_a_body(http: httpx.Client, built: Path) -> None:
    asset = next((built / "assets").glob("*.gz")).stem
    for path in ("/graphql", f"/graphql/assets/{asset}"):
        got = http.get(path, headers=BROWSER)
        head = http.head(path, headers=BROWSER)
        assert head.content == b""
        assert dict(head.headers, date="") == dict(got.headers, date="")


def test_every_asset_is_immutable_and_has_its_media_type(http: httpx.Client, built: Path) -> None:
    types = {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".ttf": "font/ttf",
    }
    files = list((built / "assets").iterdir())
    assert {Path(file.stem).suffix for file in files} == set(types)
    for file in files:
        assert file.suffix == ".gz"
        assert re.search(r"-[\w-]{8}\.\w+\.gz$", file.name)
        response = http.get(f"/graphql/assets/{file.stem}", headers={"accept-encoding": "br, gzip"})
        assert response.headers["content-type"] == types[Path(file.stem).suffix]
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["content-length"] == str(file.stat().st_size)
        assert response.headers["vary"].lower() == "accept-encoding"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.content == gzip.decompress(file.read_bytes())


@pytest.mark.parametrize("encoding", ["", "identity", "br", "gzip;q=0", "gzip;q=0, *", "*;q=0"])
def test_client_without_gzip_gets_an_uncompressed_asset(http: httpx.Client, built: Path, encoding: str) -> None:
    file = next((built / "assets").glob("index-*.css.gz"))
    response = http.get(f"/graphql/assets/{file.stem}", headers={"accept-encoding": encoding})
    assert "content-encoding" not in response.headers
    assert response.headers["vary"].lower() == "accept-encoding"
    assert response.content == gzip.decompress(file.read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "",
        "../index.html",
        "..%2findex.html",
        "%2e%2e/index.html",
        "..%5cindex.html",
        "%00",
        "/etc/passwd",
        "..%2f..%2fbuild.py",
    ],
)
def test_path_outside_of_the_assets_is_not_found(http: httpx.Client, name: str) -> None:
    # The raw path, because an HTTP client would resolve the dots.
    url = http.base_url.copy_with(raw_path=f"/graphql/assets/{name}".encode())
    response = http.send(httpx.Request("GET", url))
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["message"]
    assert "immutable" not in response.headers.get("cache-control", "")


def test_assets_allow_only_get_and_head(http: httpx.Client, built: Path) -> None:
    asset = next((built / "assets").glob("*.gz")).stem
    response = http.post(f"/graphql/assets/{asset}")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_page_can_be_turned_off(built: Path) -> None:
    asset = next((built / "assets").glob("*.gz")).stem
    with gateway_to_nowhere(graphiql=False) as http:
        for_browsers = http.get("/graphql", headers=BROWSER)
        for_programs = http.get("/graphql")
        assert for_browsers.json() == for_programs.json()
        assert for_browsers.status_code == for_programs.status_code
        assert http.get(f"/graphql/assets/{asset}").status_code == 404


def test_page_is_not_served_by_dev_if_a_router_secret_is_required() -> None:
    settings = for_development(read_settings(upstream_endpoint_url=NOWHERE, router_secret="known-to-the-router"))
    with served_gateway(settings) as url:
        assert httpx.get(f"{url}/graphql", headers=BROWSER, timeout=30).status_code == 401


@pytest.fixture
def unbuilt(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve the page's routes of an installation that was built without Node."""
    routes = [
        Route("/graphql", GraphiqlPage("none", tmp_path)),
        Route("/graphql/assets/{name}", GraphiqlAssets(tmp_path).asset),
    ]
    with served(Starlette(routes=routes)) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http


def test_page_that_was_not_built_says_how_to_build_it_and_loads_no_assets(
    unbuilt: httpx.Client,
) -> None:
    response = unbuilt.get("/graphql", headers=BROWSER)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "install Node" in response.text
    assert "make run" in response.text
    assert re.findall(r"src=|href=\"(?!data:)|<script", response.text) == []
    assert response.headers["etag"] == (unbuilt.head("/graphql", headers=BROWSER)).headers["etag"]
    assert (unbuilt.get("/graphql/assets/index.js")).status_code == 404
