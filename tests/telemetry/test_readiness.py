"""/readyz, /healthz and /metrics: what they say of the upstream, what they cost it, and on which port they are."""

import signal
from pathlib import Path

import httpx
import pytest

from gateway.settings import Settings, read_settings
from gateway.upstream.resilience.circuit_breaker import FAILURES_TO_OPEN
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, started
from tests.support.scripted import Says, scripted_upstream

COMMAND = str(BIN / "chime-gateway")
ONE_PAGE = "{ phoneNumbers(first: 1) { nodes { id } } }"


def settings_for(url: str) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=url)


async def test_it_is_ready_once_aws_has_answered_at_one_call_for_many_probes(gateway: Gateway, aws: Aws) -> None:
    for _ in range(5):
        answer = await gateway.http.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"ready": True})
    assert aws.calls == ["ListPhoneNumbers"]
    assert "max-results=1" in aws.queries[0]


async def test_calls_that_are_made_anyway_are_all_that_it_needs(gateway: Gateway, aws: Aws) -> None:
    await gateway.query(ONE_PAGE)
    assert (await gateway.http.get("/readyz")).status_code == 200
    assert len(aws.calls) == 1


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [("ServiceFailure", 500, "UPSTREAM_FAILURE"), ("Unauthorized", 401, "UPSTREAM_UNAUTHORIZED")],
)
async def test_it_is_not_ready_while_aws_fails_and_is_again_with_the_first_answer(
    code: str, status: int, said: str
) -> None:
    fault = Says({"Code": code, "Message": "arn:aws:iam::123456789012:user/x"}, status=status)
    with scripted_upstream(fault) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            for _ in range(3):
                answer = await gateway.http.get("/readyz")
                assert answer.status_code == 503
                assert answer.json() == {"ready": False, "reason": f"AWS has not answered lately: {said}"}
            assert len(upstream.asked) == 1
            assert (await gateway.http.get("/healthz")).status_code == 200
            upstream.answers[:] = [Says({"PhoneNumbers": []})]
            await gateway.query(ONE_PAGE)
            assert (await gateway.http.get("/readyz")).status_code == 200


async def test_it_is_not_ready_once_a_breaker_has_opened_until_aws_answers_anything() -> None:
    """What AWS answered before says nothing then. One call finds out; another operation's answer tells, too."""
    with scripted_upstream(Says({"PhoneNumbers": []})) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            await gateway.query(ONE_PAGE)
            upstream.answers[:] = [Says({"Code": "ServiceUnavailable"}, status=503)]
            for _ in range(FAILURES_TO_OPEN):
                assert (await gateway.http.get("/readyz")).status_code == 200
                await gateway.answer(ONE_PAGE)
            asked = len(upstream.asked)
            for _ in range(3):
                answer = await gateway.http.get("/readyz")
                assert answer.json() == {"ready": False, "reason": "AWS has not answered lately: UPSTREAM_UNAVAILABLE"}
            assert len(upstream.asked) == asked + 1
            upstream.answers[:] = [Says({"PhoneNumberOrders": []})]
            await gateway.query("{ phoneNumberOrders(first: 1) { nodes { id } } }")
            assert (await gateway.http.get("/readyz")).status_code == 200
            assert len(upstream.asked) == asked + 2


async def test_what_aws_refuses_one_caller_does_not_take_it_out_of_service() -> None:
    with scripted_upstream(Says({"Code": "Throttled"}, status=429)) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            assert (await gateway.http.get("/readyz")).status_code == 200


async def test_it_is_not_ready_where_aws_was_never_reached() -> None:
    async with gateway_over(settings_for("http://127.0.0.1:9")) as gateway:
        assert "UPSTREAM_UNREACHABLE" in (await gateway.http.get("/readyz")).json()["reason"]


@pytest.mark.slow
async def test_it_is_not_ready_where_aws_hangs() -> None:
    with scripted_upstream(Says({}, after_seconds=2.5)) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            assert "UPSTREAM_TIMEOUT" in (await gateway.http.get("/readyz")).json()["reason"]


def test_a_port_of_its_own_has_them_and_the_main_port_has_health_alone(tmp_path: Path) -> None:
    """Where only some hosts' names are taken, probes on that port may use any."""
    env = environment(tmp_path, GATEWAY_ADMIN_PORT="0")
    with started(COMMAND, "dev", "--port", "0", env=env, lines=4) as dev:
        main = dev.lines[0].split()[1].removesuffix("/graphql")
        operations = dev.lines[3].split()[1].removesuffix("/metrics")
        assert dev.lines[3].startswith("Operate   http://127.0.0.1:")
        answers = {
            (base, path): httpx.get(f"{url}{path}", headers={"host": host}, timeout=30).status_code
            for base, url, host in (("main", main, "localhost"), ("operations", operations, "10.0.0.7"))
            for path in ("/healthz", "/readyz", "/metrics", "/graphql?query={__typename}")
        }
        assert [path for path in answers if answers[path] == 200] == [
            ("main", "/healthz"),
            ("main", "/graphql?query={__typename}"),
            ("operations", "/healthz"),
            ("operations", "/readyz"),
            ("operations", "/metrics"),
        ]
        assert dev.stop(signal.SIGTERM) == 0
    for url in (main, operations):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", timeout=30)
