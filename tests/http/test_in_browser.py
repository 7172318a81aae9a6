"""Responses in Chromium, as a page of the gateway's own origin and one of another origin read them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from gateway.settings import read_settings
from tests.support.aws import e164
from tests.support.chromium import started_chromium
from tests.support.gated import GatedAws, gated_aws
from tests.support.serving import served_gateway

# A host of another machine, for the browser. It offers zstd only to its own machine and over TLS.
HOST = "gateway.test"
# Keep the text that has arrived in `window.arrived`, and the response's headers in `window.head`.
READ_IN_PARTS = """async (query) => {
  window.arrived = ''
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'multipart/mixed' },
    body: JSON.stringify({ query }),
  })
  window.head = Object.fromEntries(response.headers)
  const read = async () => {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) window.arrived += text
    window.ended = true
  }
  read()
}"""

# Return the response's headers that the page's script can read, and its timing as the network panel shows it.
READ_TIMING = """async (url) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-debug-upstream': '1' },
    body: JSON.stringify({ query: '{ phoneNumbers(first: 1) { nodes { id } } }' }),
  })
  await response.text()
  const [entry] = performance.getEntriesByName(url).slice(-1)
  return {
    headers: Object.fromEntries(response.headers),
    timing: entry.serverTiming.map(({ name, description }) => [name, description]),
  }
}"""
OTHER_ORIGIN = "http://localhost:1"
TIMING = [["total", ""], ["upstream", "AWS calls: 1"], ["cache", "Cache hits: 0"]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # The second lets a page of that host call this machine.
    flags = f"--host-resolver-rules=MAP {HOST} 127.0.0.1", "--disable-features=LocalNetworkAccessChecks"
    with started_chromium("reading responses in a browser", *flags) as browser:
        yield browser


@pytest.fixture
def aws() -> Iterator[GatedAws]:
    with gated_aws() as account:
        account.holds(inventory=250)
        yield account


@pytest.fixture
def url(aws: GatedAws) -> Iterator[str]:
    settings = read_settings(
        upstream_api="chime",
        upstream_endpoint_url=aws.url,
        cors_origins=[OTHER_ORIGIN],
        rate_limit_points_per_minute=6000,
    )
    with served_gateway(settings) as url:
        yield url


@pytest.fixture
def page(request: pytest.FixtureRequest, chromium: Browser, url: str) -> Iterator[Page]:
    context = chromium.new_context()
    opened = context.new_page()
    # The gateway's own responses forbid scripts to connect.
    context.route("**/page", lambda route: route.fulfill(content_type="text/html", body="<title>A page</title>"))
    opened.goto(f"{url.replace('127.0.0.1', getattr(request, 'param', '127.0.0.1'))}/page")
    yield opened
    context.close()


@pytest.mark.parametrize(("page", "coding"), [("127.0.0.1", "zstd"), (HOST, "gzip")], indirect=["page"])
def test_browser_shows_each_part_of_a_compressed_response_before_the_next_is_in(
    page: Page, aws: GatedAws, coding: str
) -> None:
    aws.hold_back()
    aws.release(1)
    page.evaluate(READ_IN_PARTS, "{ phoneNumbers(first: 250) { nodes @stream(initialCount: 99) { e164PhoneNumber } } }")
    for last_row in (98, 197):
        page.wait_for_function("text => window.arrived.includes(text)", arg=f'"{e164(last_row)}"')
        assert e164(last_row + 1) not in page.evaluate("window.arrived")
        aws.release(1)
    page.wait_for_function("window.ended")
    assert page.evaluate("window.arrived").count("e164PhoneNumber") == 250
    assert page.evaluate("window.head")["content-encoding"] == coding


def test_network_panel_shows_times_calls_and_cache_hits(page: Page, url: str) -> None:
    assert page.evaluate(READ_TIMING, f"{url}/graphql")["timing"] == TIMING


def test_page_of_an_allowed_origin_reads_timing_and_points_left(page: Page, url: str) -> None:
    page.goto(f"{OTHER_ORIGIN}/page")
    seen = page.evaluate(READ_TIMING, f"{url}/graphql")
    assert seen["timing"] == TIMING
    assert {"server-timing", "ratelimit", "ratelimit-policy", "x-request-id"} <= set(seen["headers"])
