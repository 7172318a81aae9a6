"""The trace of a request goes on into the upstream calls that are made for it."""

import pytest

from gateway.settings import Settings
from tests.conftest import gateway_over
from tests.support.scripted import ScriptedResponse, scripted_upstream

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUERY = {"query": "{ phoneNumbers(first: 1) { nodes { id } } }"}


async def passed_on(given: list[tuple[str, str]]) -> dict[str, str]:
    """Return the trace headers of an upstream call, made for a request with these headers."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": []})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            response = await gateway.http.post("/graphql", json=QUERY, headers=given)
    assert response.json() == {"data": {"phoneNumbers": {"nodes": []}}}
    [headers] = upstream.headers
    return {name: value for name, value in headers.items() if name in {"traceparent", "tracestate", "baggage"}}


@pytest.mark.parametrize(
    "given",
    [
        [("traceparent", PARENT)],
        [("traceparent", PARENT), ("tracestate", "vendor=value,other=t61rcWkgMzE")],
        [("traceparent", PARENT.replace("00-", "cc-") + "-what-comes-later")],
    ],
    ids=["parent", "parent and state", "a later version"],
)
async def test_trace_context_is_passed_on_unchanged(given: list[tuple[str, str]]) -> None:
    assert await passed_on(given) == dict(given)


async def test_several_tracestate_headers_are_joined() -> None:
    given = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]
    assert await passed_on(given) == {"traceparent": PARENT, "tracestate": "a=1, b=2"}


@pytest.mark.parametrize(
    "given",
    [
        [],
        [("tracestate", "vendor=value")],
        [("baggage", "user=somebody")],
        [("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01")],
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01")],
        [("traceparent", "ff" + PARENT[2:])],
        [("traceparent", PARENT.upper())],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("traceparent", "anything else")],
    ],
    ids=["none", "state alone", "baggage", "no trace", "no parent", "version ff", "upper case", "two", "garbage"],
)
async def test_malformed_trace_context_is_not_passed_on(given: list[tuple[str, str]]) -> None:
    assert await passed_on(given) == {}


async def test_tracestate_above_the_limit_is_dropped() -> None:
    assert await passed_on([("traceparent", PARENT), ("tracestate", "a=" + "x" * 511)]) == {"traceparent": PARENT}


async def test_each_request_has_its_own_trace_context() -> None:
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": []})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            for headers in ({"traceparent": PARENT}, {}):
                await gateway.http.post("/graphql", json=QUERY, headers=headers)
    assert ["traceparent" in headers for headers in upstream.headers] == [True, False]
