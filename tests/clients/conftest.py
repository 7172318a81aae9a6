"""One account and one gateway for all front ends, and each page built once."""

import random
import re
from collections.abc import Iterator

import pytest

from tests.clients.browser import Browser, browser
from tests.clients.pages import built
from tests.support.aws import Aws, e164, emulated_aws, number_record, order_record
from tests.support.processes import BIN, environment, started

# Not in the order of the numbers: the upstream has none that a client could sort by.
INVENTORY = random.Random(7).sample(range(1_000), 1_000)
NUMBERS = [e164(index) for index in INVENTORY]
CONNECTOR = "abcdef1ghij2klmno3pqr4"
# Two numbers each, all of them in the inventory.
ORDERS = [order_record(index, NUMBERS[2 * index : 2 * index + 2]) for index in range(120)]


def assigned(index: int) -> dict[str, object]:
    """A number's record, with the Voice Connector that it belongs to."""
    association = {"Name": "VoiceConnectorId", "Value": CONNECTOR, "AssociatedTimestamp": "2019-10-28T18:40:37.511Z"}
    return number_record(index, Status="Assigned", Associations=[association])


@pytest.fixture(scope="session")
def shared_account() -> Iterator[Aws]:
    """1,000 numbers, and 120 orders of two of them each."""
    with emulated_aws() as account:
        account.adds_numbers(map(assigned, INVENTORY))
        account.adds_orders(ORDERS)
        yield account


@pytest.fixture
def account(shared_account: Aws) -> Iterator[Aws]:
    """The account, which a test may change or break: after it all is as it was."""
    yield shared_account
    shared_account.recovers()
    shared_account.adds_numbers(map(assigned, INVENTORY[:2]))


@pytest.fixture(scope="session")
def gateway_url(shared_account: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`chime-gateway serve` over the account."""
    env = environment(tmp_path_factory.mktemp("home"), **shared_account.variables)
    with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=1) as gateway:
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", gateway.lines[0])
        yield url


@pytest.fixture(scope="session", params=["relay", "apollo", "urql"])
def page_browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for each of the pages, in turn."""
    page: str = request.param
    with browser(built(page, tmp_path_factory.mktemp(page))) as opened:
        yield opened


@pytest.fixture
def reader(page_browser: Browser, gateway_url: str) -> Browser:
    """A reader of a front end over the gateway."""
    page_browser.visits(gateway_url)
    return page_browser
