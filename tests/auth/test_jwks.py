"""When an issuer's keys are fetched again. The tests move the clock."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.auth.jwks import REFRESH_SECONDS, RETRY_SECONDS, UNKNOWN_KEY_SECONDS, Jwks, KeysUnavailable
from tests.support.issuer import Issuer, SigningKey, served_issuer
from tests.support.scripted import ScriptedResponse

OLD, NEW = SigningKey("old"), SigningKey("new")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with served_issuer(OLD) as running:
        yield running


async def test_keys_are_cached_and_refreshed_in_the_background(issuer: Issuer, clock: Clock) -> None:
    keys = Jwks(issuer.url, clock)
    known = await keys.key("old", "ES256")
    assert known is not None
    clock.now += REFRESH_SECONDS - 1
    assert await keys.key("old", "ES256") is known
    assert issuer.fetches == 1
    issuer.publishes(NEW)
    clock.now += 1
    # The request does not wait for the refresh.
    assert await keys.key("old", "ES256") is known
    await keys.fetched()
    assert issuer.fetches == 2
    # The issuer has withdrawn the old key.
    assert await keys.key("old", "ES256") is None
    assert await keys.key("new", "ES256") is not None


async def test_while_the_issuer_is_down_known_keys_stay_valid_and_it_is_called_every_two_seconds(
    issuer: Issuer, clock: Clock
) -> None:
    keys = Jwks(issuer.url, clock)
    known = await keys.key("old", "ES256")
    issuer.says(ScriptedResponse("", status=503))
    clock.now += REFRESH_SECONDS
    for times in (2, 3, 4):
        for _ in range(5):
            assert await keys.key("old", "ES256") is known
        await keys.fetched()
        assert issuer.fetches == times
        clock.now += RETRY_SECONDS


async def test_unknown_key_ids_cause_one_early_fetch_in_30_seconds(issuer: Issuer, clock: Clock) -> None:
    keys = Jwks(issuer.url, clock)
    await keys.key("old", "ES256")
    for times in (2, 3):
        for each in range(10):
            assert await keys.key(f"unknown-{each}", "ES256") is None
        assert issuer.fetches == times
        clock.now += UNKNOWN_KEY_SECONDS
    issuer.publishes(OLD, NEW)
    assert await keys.key("new", "ES256") is not None


async def test_concurrent_requests_share_one_fetch_that_survives_a_cancelled_request(
    issuer: Issuer, clock: Clock
) -> None:
    keys = Jwks(issuer.url, clock)
    leaves, *stay = [asyncio.create_task(keys.key("old", "ES256")) for _ in range(20)]
    await asyncio.sleep(0)
    leaves.cancel()
    assert None not in await asyncio.gather(*stay)
    assert leaves.cancelled()
    assert issuer.fetches == 1


async def test_an_https_issuer_is_called_through_the_configured_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy only opens a tunnel, so it cannot read or change the keys."""
    requested: list[bytes] = []

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requested.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuses, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{host}:{port}")
        with pytest.raises(KeysUnavailable):
            await Jwks("https://issuer.example/jwks.json").key("old", "ES256")
        assert requested == [b"CONNECT issuer.example:443 HTTP/1.1\r\n"]
        # A proxy could change keys that are fetched by http, so these are fetched from this machine without one.
        with served_issuer(OLD) as issuer:
            assert await Jwks(issuer.url).key("old", "ES256") is not None
        assert len(requested) == 1
