"""Cursors over HTTP. A cursor of other keys or another list is BAD_CURSOR, without an upstream call."""

import base64
import json
import signal
from pathlib import Path

import httpx
import pytest
from pydantic import SecretBytes

from gateway.errors import ConfigurationError
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, emulated_aws
from tests.support.processes import BIN, environment, started

PAGE = """query ($first: Int, $after: String) {
  phoneNumbers(first: $first, after: $after) { nodes { e164PhoneNumber } pageInfo { endCursor hasNextPage } }
}"""
ONE, OTHER = base64.b64encode(b"1" * 32).decode(), base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")


def with_keys(settings: Settings, keys: str) -> Settings:
    """Return the settings with these keys from the environment."""
    return read_settings(**settings.model_dump(exclude={"cursor_keys"}), cursor_keys=keys)


async def end_cursor(gateway: Gateway) -> str:
    cursor: str = (await gateway.query(PAGE, first=2))["phoneNumbers"]["pageInfo"]["endCursor"]
    return cursor


async def codes_after(gateway: Gateway, cursor: str) -> list[str]:
    response = await gateway.execute(PAGE, first=2, after=cursor)
    return [error["extensions"]["code"] for error in response.get("errors", ())]


async def test_a_changed_cursor_is_rejected_without_a_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=5)
    cursor = await end_cursor(gateway)
    aws.calls.clear()
    for at in range(0, len(cursor), 7):
        damaged = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert await codes_after(gateway, damaged) == ["BAD_CURSOR"], at
    assert aws.calls == []
    assert await codes_after(gateway, cursor) == []


async def test_a_cursor_does_not_show_the_next_token(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=5)
    cursor = await end_cursor(gateway)
    await gateway.query(PAGE, first=2, after=cursor)
    [token] = [query.partition("next-token=")[2].partition("&")[0] for query in aws.queries if "next-token" in query]
    head = cursor.partition(".")[0]
    assert token.encode()[:8] not in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)) + cursor.encode()


async def test_replicas_accept_each_others_cursors_only_if_they_share_a_key(settings: Settings, aws: Aws) -> None:
    aws.holds(inventory=5)
    async with gateway_over(with_keys(settings, ONE)) as gateway:
        cursor = await end_cursor(gateway)
    aws.calls.clear()
    for keys, codes in ((ONE, []), (f"{OTHER}, {ONE}", []), (OTHER, ["BAD_CURSOR"])):
        async with gateway_over(with_keys(settings, keys)) as replica:
            assert await codes_after(replica, cursor) == codes, keys
    async with gateway_over(settings) as replica:
        assert await codes_after(replica, cursor) == ["BAD_CURSOR"]
    assert len(aws.calls) == 2


@pytest.mark.parametrize(
    "keys",
    [
        "secret-of-mine",
        f"{ONE};{OTHER}",
        base64.b64encode(b"1" * 16).decode(),
        f"{ONE[:-2]}*=",
        "\xe9" * 43,
    ],
)
def test_invalid_keys_are_rejected_at_start_and_not_shown(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setenv("GATEWAY_CURSOR_KEYS", keys)
    with pytest.raises(ConfigurationError, match=r"32 bytes in base64.*\(GATEWAY_CURSOR_KEYS\)\.$") as refusal:
        read_settings()
    assert keys not in str(refusal.value)


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CURSOR_KEYS", f"{ONE},{OTHER}")
    settings = read_settings()
    assert settings.cursor_keys == (SecretBytes(b"1" * 32), SecretBytes(b"\xff" * 32))
    shown = f"{settings!r}{settings}{settings.model_dump_json()}"
    assert ONE not in shown
    assert "1111" not in shown
    assert "xff" not in shown


@pytest.mark.parametrize(("variables", "warnings"), [({}, 1), ({"GATEWAY_CURSOR_KEYS": ONE}, 0)])
def test_workers_share_a_key_and_one_warning_says_that_replicas_do_not(
    tmp_path: Path, variables: dict[str, str], warnings: int
) -> None:
    """Each request uses a new connection, so that both workers receive some."""
    with emulated_aws() as aws:
        aws.holds(inventory=5)
        env = environment(tmp_path, **aws.variables, **variables)
        command = (str(BIN / "chime-gateway"), "serve", "--port", "0", "--workers", "2")
        with started(*command, env=env, lines=3) as serve:
            url = serve.lines[0].split()[1]
            first = httpx.post(url, json={"query": PAGE, "variables": {"first": 2}}, timeout=30).json()
            after = first["data"]["phoneNumbers"]["pageInfo"]["endCursor"]
            for _ in range(12):
                response = httpx.post(url, json={"query": PAGE, "variables": {"first": 2, "after": after}}, timeout=30)
                assert "errors" not in response.json(), json.dumps(response.json())
            assert serve.stop(signal.SIGTERM) == 0
            assert serve.process.stdout is not None
            assert serve.process.stdout.read().count("Cursors are encrypted with a random key") == warnings
