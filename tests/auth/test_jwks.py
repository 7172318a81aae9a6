"""When an issuer's keys are fetched again, by a clock that the test moves."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.auth.jwks import REFRESH_SECONDS, RETRY_SECONDS, UNKNOWN_KEY_SECONDS, Jwks, KeysUnavailable
from tests.support.issuer import Issuer, SigningKey, issuer_of
from tests.support.scripted import Says

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
    with issuer_of(OLD) as running:
        yield running


async def fetched(issuer: Issuer, times: int) -> None:
    """Wait until the keys have been fetched so often, and taken."""
    async with asyncio.timeout(20):
        while issuer.fetches < times:  # noqa: ASYNC110  # The issuer tells nobody.
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


async def test_keys_are_kept_and_refreshed_in_time_while_the_known_ones_go_on(issuer: Issuer, clock: Clock) -> None:
    keys = Jwks(issuer.url, clock)
    known = await keys.key("old", "ES256")
    assert known is not None
    clock.now += REFRESH_SECONDS - 1
    assert await keys.key("old", "ES256") is known
    assert issuer.fetches == 1
    issuer.publishes(NEW)
    clock.now += 1
    # Nobody waits for the refresh.
    assert await keys.key("old", "ES256") is known
    await fetched(issuer, 2)
    # What the issuer has withdrawn is no longer taken.
    assert await keys.key("old", "ES256") is None
    assert await keys.key("new", "ES256") is not None


async def test_while_the_issuer_is_down_known_keys_go_on_and_it_is_asked_every_other_second(
    issuer: Issuer, clock: Clock
) -> None:
    keys = Jwks(issuer.url, clock)
    known = await keys.key("old", "ES256")
    issuer.says(Says("", status=503))
    clock.now += REFRESH_SECONDS
    for times in (2, 3, 4):
        for _ in range(5):
            assert await keys.key("old", "ES256") is known
        await fetched(issuer, times)
        assert issuer.fetches == times
        clock.now += RETRY_SECONDS


async def test_unknown_keys_have_them_fetched_once_in_a_while(issuer: Issuer, clock: Clock) -> None:
    keys = Jwks(issuer.url, clock)
    await keys.key("old", "ES256")
    for times in (2, 3):
        for each in range(10):
            assert await keys.key(f"unknown-{each}", "ES256") is None
        assert issuer.fetches == times
        clock.now += UNKNOWN_KEY_SECONDS
    issuer.publishes(OLD, NEW)
    assert await keys.key("new", "ES256") is not None


async def test_all_who_come_at_once_wait_for_one_fetch_and_one_who_leaves_ends_it_for_nobody(
    issuer: Issuer, clock: Clock
) -> None:
    keys = Jwks(issuer.url, clock)
    leaves, *stay = [asyncio.create_task(keys.key("old", "ES256")) for _ in range(20)]
    await asyncio.sleep(0)
    leaves.cancel()
    assert None not in await asyncio.gather(*stay)
    assert leaves.cancelled()
    assert issuer.fetches == 1


async def test_by_https_the_issuer_is_asked_through_the_proxy_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else leads out. The proxy sees a tunnel alone."""
    asked: list[bytes] = []

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuses, "127.0.0.1", 0) as proxy:
        host, port = proxy.sockets[0].getsockname()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{host}:{port}")
        with pytest.raises(KeysUnavailable):
            await Jwks("https://issuer.example/jwks.json").key("old", "ES256")
        assert asked == [b"CONNECT issuer.example:443 HTTP/1.1\r\n"]
        # Whoever is between could change what comes by http: it comes from this machine, by no proxy.
        with issuer_of(OLD) as issuer:
            assert await Jwks(issuer.url).key("old", "ES256") is not None
        assert len(asked) == 1
