"""A real browser, without a network beyond this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.processes import needed

# Headless, as root, and without Chromium's own background requests.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def started_chromium(purpose: str, *flags: str) -> Iterator[Browser]:
    """Run Chromium with further flags while the block runs. Skip the test if it is not installed."""
    path = needed("chromium", purpose)
    with sync_playwright() as playwright:
        # A busy machine is slow. A passing test does not wait longer than necessary.
        expect.set_options(timeout=30_000)
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()
