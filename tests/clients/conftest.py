"""Fixtures of the front ends: one account and one gateway for all of them, and each page built once."""

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.browser import Browser, browser
from tests.clients.pages import built
from tests.support.aws import Aws, e164, emulated_aws, number_record, order_record
from tests.support.processes import BIN, environment, started

# Shuffled, because AWS's lists have no order that a client could sort by.
INVENTORY = random.Random(7).sample(range(400), 400)
NUMBERS = [e164(index) for index in INVENTORY]
CONNECTOR = "abcdef1ghij2klmno3pqr4"
# Two numbers per order. The inventory holds all of them.
ORDERS = [order_record(index, NUMBERS[2 * index : 2 * index + 2]) for index in range(120)]


def assigned(index: int) -> dict[str, object]:
    """Return the record of a number that is assigned to a Voice Connector."""
    association = {"Name": "VoiceConnectorId", "Value": CONNECTOR, "AssociatedTimestamp": "2019-10-28T18:40:37.511Z"}
    return number_record(index, Status="Assigned", Associations=[association])


@pytest.fixture(scope="session")
def shared_account() -> Iterator[Aws]:
    """Return an account with 400 numbers, and 120 orders of two numbers each."""
    with emulated_aws() as account:
        account.adds_numbers(map(assigned, INVENTORY))
        account.adds_orders(ORDERS)
        yield account


@pytest.fixture
def account(shared_account: Aws) -> Iterator[Aws]:
    """Return the account. A test may change it, because it is restored after the test."""
    yield shared_account
    shared_account.recovers()
    shared_account.adds_numbers(map(assigned, INVENTORY[:2]))


@pytest.fixture(scope="session")
def gateway_url(shared_account: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run `chime-gateway serve` in front of the account, and return its URL."""
    env = environment(tmp_path_factory.mktemp("home"), **shared_account.variables)
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=1) as gateway:
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", gateway.lines[0])
        yield url


def mixed(index: int) -> dict[str, Any]:
    """Return the record of a number whose status, calling name and time of creation depend on its index."""
    return number_record(
        index,
        Status=["Assigned", "Unassigned", "DeleteInProgress"][index % 3],
        CallingName=[f"Sales {index}", f"Desk {index}", None][index // 3 % 3],
        CreatedTimestamp=f"2026-{1 + index % 11:02d}-{1 + index % 28:02d}T00:00:00Z",
    )


MIXED = [mixed(index) for index in INVENTORY[:300]]


@pytest.fixture(scope="session")
def mixed_account() -> Iterator[Aws]:
    """Return an account with the 300 numbers in MIXED: 4 upstream pages."""
    with emulated_aws() as account:
        account.adds_numbers(MIXED)
        yield account


@pytest.fixture(scope="session", params=["relay", "apollo", "urql"])
def page_browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser for each of the pages, one after the other."""
    page: str = request.param
    with browser(built(page, tmp_path_factory.mktemp(page))) as opened:
        yield opened


@pytest.fixture
def reader(page_browser: Browser, gateway_url: str) -> Browser:
    """Return the browser after it has loaded a page of the gateway."""
    page_browser.visits(gateway_url)
    return page_browser
