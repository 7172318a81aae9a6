"""Traces over OTLP: their spans and attributes, the variables that turn them on, and content that they never have."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.server.run import serving_in_thread
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.processes import ROOT, environment
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.telemetry.collector import Collector, attributes_of, collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
LINKED = "query Linked { phoneNumberOrders(first: 2) { nodes { orderedPhoneNumbers { phoneNumber { status } } } } }"


@asynccontextmanager
async def gateway_over(settings: Settings) -> AsyncIterator[Gateway]:
    """Serve a gateway that shuts down, and so sends its last spans, at the end of the block."""
    with serving_in_thread(create_app(settings, AwsKeyPair("local", "local"))) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Gateway(http)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Serve a collector that gateways send to. It has all spans of a gateway that has shut down."""
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


async def test_spans_of_a_request_are_one_tree_down_to_its_upstream_calls(
    settings: Settings, aws: Aws, collector: Collector
) -> None:
    aws.holds(inventory=50, orders=2, numbers_each=5)
    async with gateway_over(settings) as gateway:
        await gateway.query(LINKED)
    assert collector.tree() == [
        (
            "POST /graphql",
            [("query", [("ListPhoneNumberOrders", []), ("load ListPhoneNumbers", [("ListPhoneNumbers", [])])])],
        )
    ]
    assert set(collector.services) == {"chime-gateway"}
    [request] = collector.named("POST /graphql")
    assert attributes_of(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/graphql",
        "network.protocol.version": "1.1",
        "url.path": "/graphql",
        "url.scheme": "http",
    }
    [operation] = collector.named("query")
    assert attributes_of(operation) == {"graphql.operation.name": "Linked", "graphql.operation.type": "query"}
    [batch] = collector.named("load ListPhoneNumbers")
    assert attributes_of(batch) == {
        "chime_gateway.loader.keys": 10,
        "chime_gateway.loader.plan": "list",
        "chime_gateway.loader.pages": 1,
        "chime_gateway.loader.gets": 0,
    }
    [call] = collector.named("ListPhoneNumbers")
    called = attributes_of(call)
    assert len(called.pop("aws.request_id")) == 36
    assert called == {"rpc.system.name": "aws-api", "rpc.method": "ListPhoneNumbers", "http.response.status_code": 200}


async def test_spans_continue_the_callers_trace_and_upstream_calls_carry_their_span(
    settings: Settings, aws: Aws, collector: Collector
) -> None:
    aws.holds(inventory=1)
    query = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}
    async with gateway_over(settings) as gateway:
        await gateway.http.post("/graphql", json=query, headers={"traceparent": TRACEPARENT, "tracestate": "a=1"})
    [request] = collector.named("POST /graphql")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    [call] = collector.named("ListPhoneNumbers")
    [headers] = aws.headers
    assert headers["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert headers["tracestate"] == "a=1"


async def test_each_attempt_of_a_call_has_its_own_span_with_its_error_code(collector: Collector) -> None:
    fault = ScriptedResponse({"Code": "ServiceUnavailable", "Message": "arn:aws:iam::123456789012:user/x"}, status=503)
    with scripted_upstream(fault, fault, ScriptedResponse({"PhoneNumbers": []})) as upstream:
        async with gateway_over(read_settings(upstream_api="chime", upstream_endpoint_url=upstream.url)) as gateway:
            await gateway.query("{ phoneNumbers(first: 1) { nodes { id } } }")
    assert collector.tree() == [("POST /graphql", [("query", [("ListPhoneNumbers", [])] * 3)])]
    called = [attributes_of(call) for call in collector.named("ListPhoneNumbers")]
    assert [(each["http.response.status_code"], each.get("error.type")) for each in called] == [
        (503, "UPSTREAM_UNAVAILABLE"),
        (503, "UPSTREAM_UNAVAILABLE"),
        (200, None),
    ]
    assert {each["aws.request_id"] for each in called} == {"11111111-2222-4333-8444-555555555555"}


async def test_traces_hold_no_content_of_requests_responses_or_errors(collector: Collector) -> None:
    said = ScriptedResponse({"Code": "NotFound", "Message": "secret-message of 123456789012"}, status=404)
    with scripted_upstream(said) as upstream:
        async with gateway_over(read_settings(upstream_api="chime", upstream_endpoint_url=upstream.url)) as gateway:
            document = "query($n: E164PhoneNumber!) { secretAlias: phoneNumber(e164PhoneNumber: $n) { id } }"
            await gateway.execute(document, n="+12065550100")
            await gateway.http.get("/graphql", params={"query": "{ secretAlias: __typename }"})
            await gateway.http.post("/graphql", json={"query": "{"}, headers={"authorization": "Bearer secret-token"})
    sent = b"".join(collector.bodies)
    assert b"GetPhoneNumber" in sent
    for secret in (b"secret", b"12065550100", b"123456789012", upstream.url.encode()):
        assert secret not in sent


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
    ids=lambda variables: next(iter(variables)),
)
async def test_variables_turn_traces_off_and_the_trace_context_is_passed_on(
    settings: Settings, aws: Aws, collector: Collector, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with gateway_over(settings) as gateway:
        response = await gateway.http.post(
            "/graphql", json={"query": "{ phoneNumbers { totalCount } }"}, headers={"traceparent": TRACEPARENT}
        )
    assert "errors" not in response.json()
    assert collector.bodies == []
    # The trace context is passed on unchanged.
    assert aws.headers[0]["traceparent"] == TRACEPARENT


async def test_standard_variables_set_service_name_sampler_and_endpoint(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint is the one for traces only."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "numbers")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with gateway_over(settings) as gateway:
        for headers in ({}, {"traceparent": TRACEPARENT}):
            await gateway.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    # Only the trace that the caller records is sampled.
    assert [(each.name, each.trace_id.hex()) for each in collector.named("POST /graphql")] == [("POST /graphql", TRACE)]
    assert set(collector.services) == {"numbers"}


async def test_unreachable_collector_does_not_fail_requests(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with gateway_over(settings) as gateway:
        assert await gateway.query("{ __typename }") == {"__typename": "Query"}


def test_opentelemetry_is_not_imported_if_traces_are_off(tmp_path: Path) -> None:
    program = "import sys, gateway.__main__; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "[]\n"
