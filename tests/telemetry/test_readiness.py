"""/readyz, /healthz and /metrics: their responses, their upstream calls and their ports."""

import signal
from pathlib import Path

import httpx
import pytest

from gateway.settings import Settings, read_settings
from gateway.upstream.resilience.circuit_breaking_transport import FAILURES_TO_OPEN
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, started
from tests.support.scripted import ScriptedResponse, scripted_upstream

COMMAND = str(BIN / "chime-gateway")
ONE_PAGE = "{ phoneNumbers(first: 1) { nodes { id } } }"


def settings_for(url: str) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=url)


async def test_ready_after_a_response_from_aws_with_one_call_for_many_probes(gateway: Gateway, aws: Aws) -> None:
    for _ in range(5):
        response = await gateway.http.get("/readyz")
        assert (response.status_code, response.json()) == (200, {"ready": True})
    assert aws.calls == ["ListPhoneNumbers"]
    assert "max-results=1" in aws.queries[0]


async def test_readiness_needs_no_call_beside_those_of_requests(gateway: Gateway, aws: Aws) -> None:
    await gateway.query(ONE_PAGE)
    assert (await gateway.http.get("/readyz")).status_code == 200
    assert len(aws.calls) == 1


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [("ServiceFailure", 500, "UPSTREAM_FAILURE"), ("Unauthorized", 401, "UPSTREAM_UNAUTHORIZED")],
)
async def test_not_ready_while_aws_fails_until_its_first_response(code: str, status: int, said: str) -> None:
    fault = ScriptedResponse({"Code": code, "Message": "arn:aws:iam::123456789012:user/x"}, status=status)
    with scripted_upstream(fault) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            for _ in range(3):
                response = await gateway.http.get("/readyz")
                assert response.status_code == 503
                assert response.json() == {"ready": False, "reason": f"AWS has not responded recently: {said}"}
            assert len(upstream.requests) == 1
            assert (await gateway.http.get("/healthz")).status_code == 200
            upstream.responses[:] = [ScriptedResponse({"PhoneNumbers": []})]
            await gateway.query(ONE_PAGE)
            assert (await gateway.http.get("/readyz")).status_code == 200


async def test_replica_that_aws_has_responded_to_stays_ready_while_aws_fails() -> None:
    """So callers get error codes, stale responses and cached pages, and not the load balancer's 503."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": []})) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            await gateway.query(ONE_PAGE)
            assert (await gateway.http.get("/readyz")).status_code == 200
            upstream.responses[:] = [ScriptedResponse({"Code": "ServiceUnavailable"}, status=503)]
            for _ in range(FAILURES_TO_OPEN):
                failed = await gateway.execute(ONE_PAGE)
            assert failed["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
            response = await gateway.http.get("/readyz")
            assert (response.status_code, response.json()) == (200, {"ready": True})


async def test_not_ready_while_a_circuit_breaker_is_open_until_aws_responds_if_the_setting_says_so() -> None:
    """Earlier responses no longer count. The probes make one call, and a response to another operation counts too."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": []})) as upstream:
        settings = settings_for(upstream.url).model_copy(update={"ready_while_aws_fails": False})
        async with gateway_over(settings) as gateway:
            await gateway.query(ONE_PAGE)
            upstream.responses[:] = [ScriptedResponse({"Code": "ServiceUnavailable"}, status=503)]
            for _ in range(FAILURES_TO_OPEN):
                assert (await gateway.http.get("/readyz")).status_code == 200
                await gateway.execute(ONE_PAGE)
            requested = len(upstream.requests)
            for _ in range(3):
                response = await gateway.http.get("/readyz")
                assert response.json() == {
                    "ready": False,
                    "reason": "AWS has not responded recently: UPSTREAM_UNAVAILABLE",
                }
            assert len(upstream.requests) == requested + 1
            upstream.responses[:] = [ScriptedResponse({"PhoneNumberOrders": []})]
            await gateway.query("{ phoneNumberOrders(first: 1) { nodes { id } } }")
            assert (await gateway.http.get("/readyz")).status_code == 200
            assert len(upstream.requests) == requested + 2


async def test_throttling_does_not_make_it_unready() -> None:
    with scripted_upstream(ScriptedResponse({"Code": "Throttled"}, status=429)) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            assert (await gateway.http.get("/readyz")).status_code == 200


async def test_not_ready_if_aws_is_unreachable() -> None:
    async with gateway_over(settings_for("http://127.0.0.1:9")) as gateway:
        assert "UPSTREAM_UNREACHABLE" in (await gateway.http.get("/readyz")).json()["reason"]


@pytest.mark.slow
async def test_not_ready_if_aws_hangs() -> None:
    with scripted_upstream(ScriptedResponse({}, after_seconds=2.5)) as upstream:
        async with gateway_over(settings_for(upstream.url)) as gateway:
            assert "UPSTREAM_TIMEOUT" in (await gateway.http.get("/readyz")).json()["reason"]


def test_admin_port_serves_all_probes_and_the_main_port_health_only(tmp_path: Path) -> None:
    """The admin port accepts any Host, even if the main port accepts only some."""
    env = environment(tmp_path, GATEWAY_ADMIN_PORT="0")
    with started(COMMAND, "dev", "--port", "0", env=env, lines=4) as dev:
        main = dev.lines[0].split()[1].removesuffix("/graphql")
        admin = dev.lines[3].split()[1].removesuffix("/metrics")
        assert dev.lines[3].startswith("Admin     http://127.0.0.1:")
        responses = {
            (base, path): httpx.get(f"{url}{path}", headers={"host": host}, timeout=30).status_code
            for base, url, host in (("main", main, "localhost"), ("admin", admin, "10.0.0.7"))
            for path in ("/healthz", "/readyz", "/metrics", "/graphql?query={__typename}")
        }
        assert "The admin port has /healthz, /readyz and /metrics." in httpx.get(f"{admin}/", timeout=30).text
        assert [path for path in responses if responses[path] == 200] == [
            ("main", "/healthz"),
            ("main", "/graphql?query={__typename}"),
            ("admin", "/healthz"),
            ("admin", "/readyz"),
            ("admin", "/metrics"),
        ]
        assert dev.stop(signal.SIGTERM) == 0
    for url in (main, admin):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", timeout=30)
