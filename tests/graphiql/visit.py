"""A visit of the page in Chromium, with a new profile and without a network beyond this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect


class Visit:
    """One visit of the page with a new profile.

    Attributes:
        requests: Every request of the browser.
        trouble: Everything in the console, including violations of the page's policy, and failed scripts and requests.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.trouble: list[str] = []
        page.context.on("request", self._note_request)
        page.context.on("requestfailed", self._note_failure)
        page.on("pageerror", lambda error: self.trouble.append(f"raised: {error}"))
        page.on("console", self._note_message)

    def _note_request(self, request: Request) -> None:
        self.requests.append(request)

    def _note_failure(self, request: Request) -> None:
        # The page aborts requests itself, for example of an editor's worker when it creates the editor again.
        if request.failure != "net::ERR_ABORTED":
            self.trouble.append(f"failed, {request.failure}: {request.url}")

    def _note_message(self, message: ConsoleMessage) -> None:
        self.trouble.append(message.text)

    @property
    def run_button(self) -> Locator:
        return self.page.get_by_role("button", name="Execute query")

    @property
    def query(self) -> Locator:
        return self.editor("Operation Editor")

    @property
    def response(self) -> Locator:
        return self.page.locator(".graphiql-response .view-lines")

    def editor(self, name: str) -> Locator:
        """Return an open editor: `Operation Editor`, `Variables` or `Headers`."""
        return self.page.locator(f'[aria-label="{name}"] .graphiql-editor:not(.hidden) .view-lines')

    def begin_again(self, url: str) -> None:
        """Open the page without anything stored. It takes half the CPU time of a visit with a new profile."""
        self.page.goto(url.removesuffix("graphql"))
        self.page.evaluate("localStorage.clear(), sessionStorage.clear()")
        self.requests.clear()
        self.page.goto(url)
        expect(self.query).to_contain_text("FirstNumbers")

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        expect(self.query).to_contain_text(name)

    def write(self, editor: str, text: str) -> None:
        """Replace the text of an editor."""
        self.editor(editor).click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)
        # Delete the closing quotes and brackets that the editor added.
        self.page.keyboard.press("Control+Shift+End")
        self.page.keyboard.press("Delete")

    def put_cursor_after(self, word: str) -> None:
        self.query.get_by_text(word, exact=True).first.click()
        self.page.keyboard.press("End")


@contextmanager
def visiting(
    chromium: Browser, url: str, system: Literal["light", "dark"] = "light", width: int = 1280
) -> Iterator[Visit]:
    """Open the page while the block runs. Fail if there was trouble.

    Args:
        chromium: The browser. Each visit has a new profile in it.
        url: The address of the page.
        system: The system's colour scheme.
        width: The width of the window, in pixels. Its height is 800.
    """
    context = chromium.new_context(color_scheme=system, viewport={"width": width, "height": 800})
    visit = Visit(context.new_page())
    visit.page.goto(url)
    expect(visit.query).to_contain_text("FirstNumbers")
    yield visit
    assert visit.trouble == []
    context.close()
