"""The log line of each slow request, with its upstream calls and without its content."""

import json
import signal
from pathlib import Path

import httpx

from tests.support.processes import BIN, environment, started

COMMAND = str(BIN / "chime-gateway")


def test_slow_request_is_logged_as_a_warning_with_its_upstream_calls(tmp_path: Path) -> None:
    env = environment(tmp_path, GATEWAY_SLOW_REQUEST_THRESHOLD_SECONDS="0.000001", GATEWAY_LOG_FORMAT="json")
    with started(COMMAND, "dev", "--port", "0", env=env, lines=3) as dev:
        document = "query Slow($n: Int) { secretAlias: phoneNumbers(first: $n) { nodes { id } } }"
        response = httpx.post(dev.lines[0].split()[1], json={"query": document, "variables": {"n": 198}}, timeout=30)
        assert dev.stop(signal.SIGTERM) == 0
        assert dev.process.stdout is not None
        lines = [json.loads(line) for line in dev.process.stdout.read().splitlines()]
    request, slow = (line for line in lines if "request" in line["event"])
    assert (request["event"], slow["event"], slow["level"]) == ("request", "slow request", "warning")
    assert slow["id"] == request["id"] == response.headers["x-request-id"]
    assert (slow["operation"], slow["cost"], slow["status"], slow["upstream_calls"]) == ("Slow", 200, 200, 2)
    assert (slow["method"], slow["caller"], slow["codes"]) == ("POST", "anyone", [])
    # The request made two calls, one after the other.
    assert 0 < slow["upstream_ms"] <= slow["ms"]
    assert "secretAlias" not in json.dumps(slow)
