"""The page of a gateway whose callers must authenticate: the credential is asked for, sent, kept and forgotten."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gateway.auth.api_key_authenticator import hash_api_key
from tests.graphiql.visit import Visit, visiting
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, served_issuer
from tests.support.processes import BIN, environment, started
from tests.support.serving import gateway_to_nowhere

KEY: Final = "chime_gateway_one-that-is-known"
SYSTEMS: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
NEEDED: Final = "This gateway needs an API key."
SIGNED_IN: Final = "Signed in with an API key. It counts for all tabs, until you close this page."
# The browser itself writes each response of this status to the console.
UNAUTHORIZED: Final = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"


@pytest.fixture(scope="module")
def guarded(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a gateway with an API key, and return its URL. Fail if its output contains the key."""
    assert built.exists()
    env = environment(
        tmp_path_factory.mktemp("home"), GATEWAY_AUTH="api-key", GATEWAY_API_KEYS=hash_api_key(KEY.encode())
    )
    with started(str(BIN / "chime-gateway"), "dev", "--port", "0", env=env, lines=1) as dev:
        url = dev.lines[0].split()[1]
        yield url
        httpx.post(url, json={"query": "{ __typename }"}, headers={"authorization": f"Bearer {KEY}"}, timeout=30)
        dev.process.terminate()
        assert dev.process.stdout is not None
        output = dev.process.stdout.read()
    assert "] request " in output
    assert KEY not in output


@pytest.fixture(scope="module")
def window(chromium: Browser, guarded: str) -> Iterator[Visit]:
    """Return one visit for most tests, because a new profile takes 2 s of CPU, and a reload half of it."""
    with visiting(chromium, guarded) as visit:
        yield visit


@pytest.fixture
def visit(window: Visit, guarded: str) -> Iterator[Visit]:
    """Return a visit without anything stored. Responses of the status 401 are no trouble."""
    window.begin_again(guarded)
    yield window
    assert [each for each in window.trouble if each != UNAUTHORIZED] == []
    window.trouble.clear()


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="Authentication")


def enter(page: Page, credential: str, name: str = "API key") -> None:
    page.get_by_label(name, exact=True).fill(credential)
    page.get_by_role("button", name=f"Use this {name}").click()


def docs(visit: Visit) -> Locator:
    """Return the documentation panel, opened."""
    panel = visit.page.locator(".graphiql-plugin")
    if not panel.get_by_text("Docs").is_visible():
        visit.page.get_by_role("button", name="Show Documentation Explorer").click()
    return panel


def sent(visit: Visit) -> list[dict[str, str]]:
    """Return the headers of the requests to the endpoint."""
    return [request.headers for request in visit.requests if request.method == "POST"]


def test_page_says_that_a_key_is_needed_and_sends_no_request_without_it(visit: Visit) -> None:
    expect(bar(visit.page)).to_contain_text(NEEDED)
    words = "This gateway needs an API key. Enter it at the top of the page."
    expect(docs(visit)).to_contain_text(f"There is no documentation. {words}")
    expect(docs(visit)).not_to_contain_text("Error fetching schema")
    expect(visit.response).to_contain_text("This gateway needs an API key.")
    visit.run_button.click()
    expect(visit.response).to_contain_text("This gateway needs an API key.")
    assert sent(visit) == []
    assert visit.trouble == []


def test_wrong_key_is_rejected_in_words_and_can_be_changed(visit: Visit) -> None:
    page = visit.page
    rejection = "The API key is not valid. Send one that this gateway knows (GATEWAY_API_KEYS)."
    for _ in ("once", "the same one again"):
        with page.expect_response(re.compile("/graphql$")) as response:
            enter(page, "chime_gateway_wrong")
        assert response.value.status == 401
        expect(bar(page)).to_contain_text(rejection)
        expect(docs(visit)).to_contain_text(f"There is no documentation. {rejection}")
    enter(page, "not\u00e9 a key")
    expect(bar(page)).to_contain_text("That is not an API key, because of its spaces or special characters.")
    enter(page, f" {KEY} ")
    expect(bar(page)).to_contain_text(SIGNED_IN)


def test_right_key_loads_the_schema_and_counts_for_all_tabs(visit: Visit) -> None:
    page = visit.page
    expect(visit.response).to_contain_text("needs an API key")
    enter(page, KEY)
    expect(bar(page)).to_contain_text(SIGNED_IN)
    expect(bar(page).get_by_label("API key", exact=True)).to_be_hidden()
    expect(docs(visit)).to_contain_text("Welcome.")
    # The error of the first attempt is gone.
    expect(visit.response).not_to_contain_text("needs an API key")
    visit.run_button.click()
    expect(visit.response).to_contain_text("+12065550100")
    page.get_by_role("button", name="New tab").click()
    visit.write("Operation Editor", "{ phoneNumberOrders(first: 1) { nodes { id } } }")
    visit.run_button.click()
    expect(visit.response).to_contain_text("phoneNumberOrders")
    assert {headers["authorization"] for headers in sent(visit)} == {f"Bearer {KEY}"}


def test_key_is_kept_for_the_session_only_and_reaches_no_url_and_no_lasting_storage(
    visit: Visit, chromium: Browser, guarded: str
) -> None:
    page = visit.page
    enter(page, KEY)
    expect(bar(page)).to_contain_text(SIGNED_IN)
    visit.run_button.click()
    expect(visit.response).to_contain_text("+12065550100")
    # The history is written at once, the tabs half a second later.
    page.wait_for_function("localStorage.getItem('graphiql:queries')")
    page.wait_for_timeout(1000)
    page.reload()
    expect(bar(page)).to_contain_text(SIGNED_IN)
    expect(docs(visit)).to_contain_text("Welcome.")
    state = page.context.storage_state(indexed_db=True)
    assert state["cookies"] == []
    assert "graphiql:queries" in str(state)
    assert KEY not in str(state)
    assert KEY in page.evaluate("JSON.stringify(sessionStorage)")
    assert [request.url for request in visit.requests if KEY in request.url or "?" in request.url] == []
    assert KEY not in page.url
    # A new session has everything that lasts.
    context = chromium.new_context(storage_state=state)
    later = Visit(context.new_page())
    later.page.goto(guarded)
    expect(bar(later.page)).to_contain_text(NEEDED)
    expect(later.query).to_contain_text("FirstNumbers")
    assert sent(later) == []
    context.close()


def test_signing_out_forgets_the_key_and_the_responses(visit: Visit) -> None:
    page = visit.page
    enter(page, KEY)
    expect(bar(page)).to_contain_text(SIGNED_IN)
    visit.run_button.click()
    expect(visit.response).to_contain_text("+12065550100")
    page.get_by_role("button", name="Sign out").click()
    expect(bar(page)).to_contain_text(NEEDED)
    expect(visit.response).to_contain_text("needs an API key")
    assert KEY not in page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    sent_before = len(sent(visit))
    visit.run_button.click()
    expect(docs(visit)).to_contain_text("There is no documentation.")
    assert len(sent(visit)) == sent_before


def test_key_in_the_headers_of_a_tab_is_sent_instead(visit: Visit) -> None:
    page = visit.page
    enter(page, KEY)
    expect(bar(page)).to_contain_text(SIGNED_IN)
    page.get_by_role("button", name="Headers").click()
    visit.write("Headers", '{"X-API-Key": "chime_gateway_other"}')
    visit.run_button.click()
    expect(visit.response).to_contain_text("The API key is not valid.")
    # The other key is not the one that the user signed in with.
    expect(bar(page)).to_contain_text(SIGNED_IN)
    last = sent(visit)[-1]
    assert (last["x-api-key"], last.get("authorization")) == ("chime_gateway_other", None)


def test_access_token_is_asked_for_if_callers_need_one(chromium: Browser, built: Path) -> None:
    assert built.exists()
    key = SigningKey("one")
    with served_issuer(key) as issuer:
        settings = {"auth": "jwt", "jwt_jwks_url": issuer.url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        with (
            gateway_to_nowhere(graphiql=True, introspection=True, **settings) as http,
            visiting(chromium, f"{http.base_url}/graphql") as visit,
        ):
            expect(bar(visit.page)).to_contain_text("This gateway needs an access token.")
            enter(visit.page, key.token(exp=1), "access token")
            expect(bar(visit.page)).to_contain_text("The access token has expired. Request a new one.")
            enter(visit.page, f"Bearer {key.token()}", "access token")
            expect(bar(visit.page)).to_contain_text("Signed in with an access token.")
            expect(docs(visit)).to_contain_text("Welcome.")
            visit.trouble[:] = [each for each in visit.trouble if each != UNAUTHORIZED]


def test_gateway_that_is_gone_is_told_from_a_wrong_key(chromium: Browser, built: Path) -> None:
    assert built.exists()
    with (
        gateway_to_nowhere(graphiql=True, auth="api-key", api_keys=[hash_api_key(KEY.encode())]) as http,
        visiting(chromium, f"{http.base_url}/graphql") as visit,
    ):
        visit.page.context.set_offline(True)
        enter(visit.page, KEY)
        expect(bar(visit.page)).to_contain_text("The gateway does not respond.")
        visit.page.context.set_offline(False)
        enter(visit.page, KEY)
        # Introspection is off, which says nothing about the key.
        expect(bar(visit.page)).to_contain_text(SIGNED_IN)
        expect(docs(visit)).to_contain_text("There is no documentation. GraphQL introspection has been disabled")
        visit.trouble.clear()


def test_bar_fits_the_window(visit: Visit) -> None:
    page = visit.page
    parts: Any = bar(page).locator("p, input, button")
    for system in SYSTEMS:
        page.emulate_media(color_scheme=system)
        for width in (390, 850, 1400):
            page.set_viewport_size({"width": width, "height": 800})
            assert parts.count() == 3
            outer = bar(page).bounding_box()
            assert outer is not None
            assert (outer["x"], outer["y"], outer["width"]) == (0, 0, width)
            for part in parts.all():
                inner = part.bounding_box()
                assert inner["x"] + inner["width"] <= width
                assert inner["y"] + inner["height"] <= outer["height"]
            label, field = (bar(page).locator(part).bounding_box() for part in ("label", "input"))
            assert label is not None
            assert field is not None
            assert field["y"] <= label["y"]
            assert label["y"] + label["height"] <= field["y"] + field["height"]
            container = page.locator(".graphiql-container").bounding_box()
            assert container is not None
            assert container["y"] == outer["height"]
            assert container["y"] + container["height"] == 800
