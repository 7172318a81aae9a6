"""The page in Chromium, with a new profile and without a network beyond this machine."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.graphiql.tabs import TABS
from tests.graphiql.visit import Visit, visiting

FIRST_NUMBER = "+12065550100"


@pytest.fixture(scope="module")
def window(chromium: Browser, url: str) -> Iterator[Visit]:
    """Return one visit for most tests."""
    with visiting(chromium, url) as visit:
        yield visit


@pytest.fixture
def visit(request: pytest.FixtureRequest, window: Visit, url: str) -> Iterator[Visit]:
    """Return a first visit. The system's scheme is light unless the test is parametrized with `dark` (indirect)."""
    window.page.emulate_media(color_scheme=getattr(request, "param", "light"))
    window.begin_again(url)
    yield window
    assert window.trouble == []


@pytest.fixture(scope="module")
def attacked(chromium: Browser, url: str) -> Iterator[Visit]:
    """Return one visit for all attacks on the page's policy."""
    with visiting(chromium, url) as visit:
        yield visit


def test_page_opens_on_its_tabs_and_requests_only_its_own_origin(visit: Visit, url: str) -> None:
    page = visit.page
    expect(page).to_have_title("chime-gateway · GraphiQL")
    expect(page.get_by_role("tab")).to_contain_text([tab.name for tab in TABS])
    for tab in TABS:
        visit.open_tab(tab.name)
    # The editor marks an error only if its workers run.
    visit.write("Operation Editor", "{ nothing }")
    expect(page.locator(".squiggly-error").first).to_be_attached()
    origin = url.removesuffix("/graphql")
    assert len(visit.requests) > 10
    assert [
        request.url for request in visit.requests if not request.url.startswith((origin + "/graphql", "data:"))
    ] == []
    assert [request.url for request in visit.requests if "?" in request.url] == []
    [icon] = [request for request in visit.requests if "favicon" in request.url]
    assert "/graphql/assets/" in icon.url


def test_button_runs_the_query(visit: Visit) -> None:
    visit.run_button.click()
    expect(visit.response).to_contain_text(FIRST_NUMBER)


def test_ctrl_enter_runs_the_query(visit: Visit) -> None:
    visit.query.click()
    visit.page.keyboard.press("Control+Enter")
    expect(visit.response).to_contain_text(FIRST_NUMBER)


def test_run_uses_the_tab_that_was_just_opened(visit: Visit) -> None:
    tab = visit.page.get_by_role("tab", name="OrdersWithNumbers").get_by_role("button").first
    # After 30 ms the editor shows the tab, but has not parsed its operations yet.
    button = visit.run_button.element_handle()
    tab.evaluate("(tab, button) => { tab.click(); setTimeout(() => button.click(), 30) }", button)
    expect(visit.response).to_contain_text("phoneNumberOrders")


def test_cursor_in_the_variable_returns_the_next_page(visit: Visit) -> None:
    visit.open_tab("NextPage")
    responses = []
    for _ in range(2):
        with visit.page.expect_response(re.compile("/graphql$")) as response:
            visit.run_button.click()
        responses.append(response.value.json()["data"]["phoneNumbers"])
        visit.write("Variables", json.dumps({"after": responses[0]["pageInfo"]["endCursor"]}))
    first, second = ({node["e164PhoneNumber"] for node in body["nodes"]} for body in responses)
    assert len(first | second) == 10


def test_incremental_response_is_merged(visit: Visit, url: str) -> None:
    streamed = (
        "{ phoneNumbers(first: 3) { nodes @stream(initialCount: 1) { e164PhoneNumber } ... @defer { totalCount } } }"
    )
    visit.write("Operation Editor", streamed)
    with visit.page.expect_response(re.compile("/graphql$")) as response:
        visit.run_button.click()
    assert response.value.headers["content-type"].startswith("multipart/mixed")
    for shown in (FIRST_NUMBER, "+12065550102", '"totalCount": 250'):
        expect(visit.response).to_contain_text(shown)
    # The page aborts the response at its last delimiter, which may be shortly before the end of the HTTP body.
    visit.trouble[:] = [each for each in visit.trouble if each != f"failed: {url}"]


def test_typed_field_is_completed(visit: Visit) -> None:
    visit.put_cursor_after("e164PhoneNumber")
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.type("count")
    suggested = visit.page.locator(".suggest-widget .monaco-list-row", has_text="country")
    expect(suggested).to_be_visible()
    suggested.click()
    expect(visit.query.get_by_text("country", exact=True)).to_be_visible()
    visit.run_button.click()
    expect(visit.response).to_contain_text('"country"')


def test_documentation_explorer_shows_schema_descriptions(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.locator(".graphiql-plugin")
    docs.get_by_role("link", name="Query").click()
    docs.get_by_role("link", name="phoneNumbers", exact=True).click()
    expect(docs).to_contain_text("The account's phone numbers, page by page")


def test_click_in_the_explorer_edits_the_query(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Show GraphiQL Explorer").click()
    expect(visit.query).not_to_contain_text("callingNameStatus")
    page.locator(".graphiql-plugin").get_by_text("callingNameStatus", exact=True).click()
    expect(visit.query).to_contain_text("callingNameStatus")
    visit.run_button.click()
    expect(visit.response).to_contain_text("callingNameStatus")


@pytest.mark.parametrize(
    ("directive", "attempt"),
    [
        pytest.param("script-src-elem", "element('script', {textContent: INTRUDE})", id="an inline script"),
        pytest.param("script-src-attr", "element('div', {innerHTML: `<b onclick='${INTRUDE}'></b>`})", id="a handler"),
        pytest.param("script-src-elem", "element('script', {src: AWAY})", id="a script from elsewhere"),
        pytest.param("frame-src", "element('iframe', {src: AWAY})", id="a frame"),
        pytest.param("img-src", "element('img', {src: AWAY})", id="an image from elsewhere"),
        pytest.param("connect-src", "fetch(AWAY).catch(() => {})", id="a call elsewhere"),
        pytest.param("script-src", "setTimeout(INTRUDE)", id="eval"),
    ],
)
def test_content_security_policy_blocks(attacked: Visit, directive: str, attempt: str) -> None:
    blocked = attacked.page.evaluate(
        """() => new Promise(blocked => {
            const AWAY = 'http://127.0.0.1:9/', INTRUDE = 'window.intruded = true'
            const element = (name, its) => document.body.append(Object.assign(document.createElement(name), its))
            addEventListener('securitypolicyviolation', event => blocked([event.disposition, event.effectiveDirective]))
            setTimeout(() => blocked('nothing'), 5000)
            ATTEMPT
        })""".replace("ATTEMPT", attempt)
    )
    assert blocked == ["enforce", directive]
    assert attacked.page.evaluate("window.intruded") is None
    assert [text for text in attacked.trouble if "Content Security Policy" in text]
    attacked.trouble.clear()


@pytest.mark.parametrize(("visit", "other"), [("light", "Dark"), ("dark", "Light")], indirect=["visit"])
def test_page_follows_the_system_scheme_until_its_own_switch_is_used(visit: Visit, other: str) -> None:
    def look(light: bool) -> None:
        """Wait until the page is light with dark text in its editors, or the reverse."""
        visit.page.wait_for_function(
            """light => {
                const page = document.querySelector('.graphiql-container')
                const editor = document.querySelector('.monaco-editor')
                const isBright = colour => colour.match(/\\d+/g)[0] > 127
                return editor && isBright(getComputedStyle(page).backgroundColor) == light
                    && isBright(getComputedStyle(editor).color) != light
            }""",
            arg=light,
        )

    look(light=other == "Dark")
    visit.page.get_by_role("button", name="Open settings dialog").click()
    visit.page.get_by_role("button", name=other).click()
    look(light=other == "Light")
    visit.page.reload()
    look(light=other == "Light")


@pytest.mark.parametrize("kept", [False, True])
def test_headers_are_sent_with_the_query_and_stored_only_if_chosen(visit: Visit, *, kept: bool) -> None:
    page = visit.page
    if kept:
        page.get_by_role("button", name="Open settings dialog").click()
        page.get_by_role("button", name="On", exact=True).click()
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Headers").click()
    visit.write("Headers", '{"x-secret": "mellon"}')
    with page.expect_request(lambda request: request.method == "POST") as sent:
        visit.run_button.click()
    assert sent.value.headers["x-secret"] == "mellon"
    expect(visit.response).to_contain_text(FIRST_NUMBER)
    # The history is written at once, the tabs half a second later.
    page.wait_for_function("localStorage.getItem('graphiql:queries')")
    page.wait_for_timeout(1000)
    assert ("mellon" in page.evaluate("JSON.stringify(localStorage)")) == kept
    assert [request.url for request in visit.requests if "mellon" in request.url] == []
    assert "mellon" not in page.url
    visit.page.reload()
    page.get_by_role("button", name="Headers").click()
    headers = visit.editor("Headers")
    expect(headers).to_contain_text("mellon") if kept else expect(headers).not_to_contain_text("mellon")
    page.get_by_role("button", name="Open settings dialog").click()
    chosen = page.get_by_role("button", name="On" if kept else "Off", exact=True)
    expect(chosen).to_have_class(re.compile(r"\bactive\b"))
