"""Clients from npm that show a streamed list while it grows, each in the incremental format that it reads."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.settings import read_settings
from tests.clients.pages import FOLDER
from tests.conftest import gateway_over
from tests.support.aws import e164
from tests.support.gated import GatedAws, gated_aws
from tests.support.node import installed

STREAMED = """{ phoneNumbers(first: 250) {
    edges @stream(initialCount: 99) { cursor node { id e164PhoneNumber } }
    ... @defer { pageInfo { hasNextPage } } } }"""
CLIENTS = pytest.mark.parametrize("client", ["urql", "apollo", "apollo-2022"])


class Follower:
    """A running client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def shows(self, rows: int) -> dict[str, Any]:
        """Return the first output with so many rows. Fail if an output has fewer rows than the one before."""
        assert self._process.stdout is not None
        seen = 0
        for line in self._process.stdout:
            shown: dict[str, Any] = json.loads(line)
            numbers = shown.get("numbers") or []
            assert numbers == [e164(index) for index in range(len(numbers))]
            assert len(numbers) >= seen
            seen = len(numbers)
            if seen == rows:
                return shown
        raise AssertionError(f"the client ended with {seen} rows")

    def shows_at_last(self) -> dict[str, Any]:
        """Return the last output."""
        assert self._process.stdout is not None
        *_, last = (json.loads(line) for line in self._process.stdout)
        shown: dict[str, Any] = last
        return shown


@contextmanager
def following(client: str, url: str) -> Iterator[Follower]:
    with subprocess.Popen(
        ["node", "streaming.mjs", client, f"{url}/graphql", STREAMED],
        cwd=installed(FOLDER),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Follower(process)
        finally:
            process.kill()


@pytest.fixture
def aws() -> Iterator[GatedAws]:
    with gated_aws() as account:
        account.holds(inventory=300)
        account.hold_back()
        yield account


@CLIENTS
async def test_streamed_list_grows_with_each_upstream_page(aws: GatedAws, client: str) -> None:
    settings = read_settings(upstream_api="chime", upstream_endpoint_url=aws.url)
    async with gateway_over(settings) as gateway:
        with following(client, str(gateway.http.base_url)) as follower:
            aws.release(1)
            follower.shows(99)
            aws.release(1)
            follower.shows(198)
            aws.release(1)
            last = follower.shows_at_last()
    assert last == {"numbers": [e164(index) for index in range(250)], "hasNextPage": True}
    assert aws.calls == ["ListPhoneNumbers"] * 3


@CLIENTS
async def test_failing_page_shows_its_error_code_and_keeps_earlier_rows(aws: GatedAws, client: str) -> None:
    settings = read_settings(upstream_api="chime", upstream_endpoint_url=aws.url)
    async with gateway_over(settings) as gateway:
        with following(client, str(gateway.http.base_url)) as follower:
            aws.release(1)
            follower.shows(99)
            aws.fails("ListPhoneNumbers", "Forbidden")
            aws.release(1)
            last = follower.shows_at_last()
    assert last["numbers"] == [e164(index) for index in range(99)]
    assert last["errorCode"] == "UPSTREAM_FORBIDDEN"
