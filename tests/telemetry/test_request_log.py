"""The log of a process: the line at its start, and the line of each request."""

import json
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.auth.api_key_authenticator import hash_api_key
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, started
from tests.support.raw_http import post, wire

COMMAND = str(BIN / "chime-gateway")
KEY = "a-key-of-one-caller"


def events(log: str, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if line["event"] == event]


def test_log_has_what_started_and_the_codes_the_method_and_the_kind_of_caller_of_each_request(
    tmp_path: Path, aws: Aws
) -> None:
    env = environment(
        tmp_path,
        **aws.variables,
        GATEWAY_AUTH="api-key",
        GATEWAY_API_KEYS=hash_api_key(KEY.encode()),
        GATEWAY_ROUTER_SECRET="known-to-the-router",
        GATEWAY_MAX_COST="400",
    )
    aws.fails("ListPhoneNumbers", "ServiceFailure")
    with started(COMMAND, "serve", "--port", "0", env=env, lines=3) as serve:
        url = serve.lines[0].split()[1].removesuffix("/graphql")
        secret = {"x-router-secret": "known-to-the-router"}
        with httpx.Client(base_url=url, headers={"x-api-key": KEY, **secret}, timeout=30) as http:
            http.post("/graphql", json={"query": "{ a: __typename }"})
            http.get("/graphql", params={"query": "{ nothing }"})
            http.get("/graphql")
            http.post("/graphql", json={"query": "{ a: phoneNumbers { totalCount } b: phoneNumbers { totalCount } }"})
            http.put("/graphql")
            http.post("/nowhere")
            http.get("/healthz")
        httpx.post(f"{url}/graphql", headers={"x-api-key": "a-wrong-key", **secret}, timeout=30)
        for rejected in (post(b"content-length: 99999999", body=b""), b"nonsense\r\n\r\n"):
            with wire(url) as client:
                client.sends(rejected)
                client.read_response()
        assert serve.stop(signal.SIGTERM) == 0
        assert serve.process.stdout is not None
        log = serve.process.stdout.read()
    [start] = events(log, "started")
    assert {name: start[name] for name in start.keys() - {"event", "level", "timestamp"}} == {
        "version": version("chime-gateway"),
        "service": "chime",
        "region": "us-east-1",
        "endpoint": urlsplit(aws.url).netloc,
        "authentication": "router-secret, api-key",
        "cache": "off",
        "settings": {"max_cost": 400, "cache_ttl_seconds": 0.0},
    }
    assert [(each["method"], each["caller"], each["status"], each["codes"]) for each in events(log, "request")] == [
        ("POST", "api-key", 200, []),
        ("GET", "api-key", 200, ["GRAPHQL_VALIDATION_FAILED"]),
        ("GET", "api-key", 400, ["BAD_USER_INPUT"]),
        ("POST", "api-key", 200, ["UPSTREAM_FAILURE"]),
        ("PUT", "api-key", 405, ["BAD_USER_INPUT"]),
        ("POST", None, 404, ["BAD_USER_INPUT"]),
        ("POST", None, 401, ["UNAUTHENTICATED"]),
        ("POST", None, 413, ["BAD_USER_INPUT"]),
        (None, None, 400, ["BAD_USER_INPUT"]),
    ]
    assert KEY not in log
    assert hash_api_key(KEY.encode())[:32] not in log
