"""`@defer` and `@stream`: a response in parts, for clients that accept parts. Each part is sent once it is complete."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Send

from gateway.app import create_app
from gateway.server.run import serving_in_thread
from gateway.settings import Settings, read_settings
from gateway.upstream.aws.session import AwsKeyPair
from tests.conftest import Gateway, gateway_over
from tests.support.aws import e164, number_record, order_record
from tests.support.gated import TIMEOUT_SECONDS, GatedAws, gated_aws, is_released
from tests.support.multipart import DEFER_2022, INCREMENTAL_V0_2, fetch_parts, merge_parts, stream_parts

STREAMED = "{ phoneNumbers(first: 1000) { edges @stream(initialCount: 99) { cursor node { e164PhoneNumber } } } }"
FORMS = [pytest.param(INCREMENTAL_V0_2, id="by ids"), pytest.param(DEFER_2022, id="by paths")]


@pytest.fixture
def aws() -> Iterator[GatedAws]:
    """Return an account whose calls the test can hold back."""
    with gated_aws() as account:
        yield account


@pytest.fixture
def settings(aws: GatedAws) -> Settings:
    return settings_over(aws)


def settings_over(aws: GatedAws, **given: Any) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=aws.url, **given)


def numbers(rows: list[Any]) -> list[str]:
    return [row["node"]["e164PhoneNumber"] for row in rows]


# Delivery


async def test_the_first_page_is_sent_while_the_second_is_in_flight(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=1_000)
    aws.hold_back()
    aws.release(1)
    async with stream_parts(gateway.http, STREAMED) as parts:
        first = await parts.next()
        assert aws.responded == 1
        assert numbers(first["data"]["phoneNumbers"]["edges"]) == [e164(index) for index in range(99)]
        assert first["pending"] == [{"id": "0", "path": ["phoneNumbers", "edges"]}]
        assert first["hasNext"] is True
        for page in range(1, 11):
            aws.release(1)
            part = await parts.next()
            [piece] = part["incremental"]
            assert numbers(piece["items"]) == [e164(index) for index in range(99 * page, min(99 * page + 99, 1_000))]
            assert aws.responded == page + 1
        assert (part["completed"], part["hasNext"]) == ([{"id": "0"}], False)
    assert aws.calls == ["ListPhoneNumbers"] * 11


async def test_a_sorted_list_is_sent_in_parts_of_an_upstream_page_after_it_is_complete(
    gateway: Gateway, aws: GatedAws
) -> None:
    aws.holds(inventory=250)
    aws.hold_back()
    document = """{ phoneNumbers(first: 240, sort: { field: E164_PHONE_NUMBER, direction: DESC }) {
        edges @stream { cursor node { e164PhoneNumber } } } }"""
    async with stream_parts(gateway.http, document) as parts:
        assert (await parts.next())["data"] == {"phoneNumbers": {"edges": []}}
        aws.release(3)
        rest = await parts.rest()
    pieces = [numbers(piece["items"]) for part in rest for piece in part.get("incremental", ())]
    assert [len(piece) for piece in pieces] == [99, 99, 42]
    assert [number for piece in pieces for number in piece] == [e164(249 - index) for index in range(240)]
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_the_first_part_waits_for_no_page_if_it_needs_none(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=3)
    aws.hold_back()
    async with stream_parts(gateway.http, "{ phoneNumbers { nodes @stream { e164PhoneNumber } } }") as parts:
        assert (await parts.next())["data"] == {"phoneNumbers": {"nodes": []}}
        aws.release(1)
        [part] = await parts.rest()
    assert part["incremental"] == [{"id": "0", "items": [{"e164PhoneNumber": e164(index)} for index in range(3)]}]


async def test_deferred_page_info_follows_the_streamed_rows(gateway: Gateway, aws: GatedAws) -> None:
    """If page info is not deferred, it delays the first part, because it is known only at the end of the list."""
    aws.holds(inventory=250)
    aws.hold_back()
    document = """{ phoneNumbers(first: 200) {
        edges @stream(initialCount: 99) { cursor } ... @defer { pageInfo { hasNextPage endCursor } } } }"""
    aws.release(1)
    async with stream_parts(gateway.http, document) as parts:
        first = await parts.next()
        assert len(first["data"]["phoneNumbers"]["edges"]) == 99
        aws.release(2)
        connection = merge_parts([first, *await parts.rest()])["phoneNumbers"]
    assert len(connection["edges"]) == 200
    assert connection["pageInfo"] == {"hasNextPage": True, "endCursor": connection["edges"][-1]["cursor"]}
    assert aws.calls == ["ListPhoneNumbers"] * 3


LINKED = "{ phoneNumberOrders { nodes { phoneNumberOrderId %s } } }"
DEFERRED_LINKS = {
    "within each number": LINKED % "orderedPhoneNumbers { e164PhoneNumber ... @defer { phoneNumber { status } } }",
    "of an order's number that is asked for at once, too": LINKED
    % "orderedPhoneNumbers { e164PhoneNumber } ... @defer { orderedPhoneNumbers { phoneNumber { status } } }",
    "in a fragment on an order": LINKED % '...Linked @defer(label: "linked")'
    + "fragment Linked on PhoneNumberOrder { orderedPhoneNumbers { phoneNumber { status } } }",
}


@pytest.mark.parametrize("document", DEFERRED_LINKS.values(), ids=DEFERRED_LINKS)
async def test_deferred_records_are_fetched_in_one_batch_after_the_first_part(
    gateway: Gateway, aws: GatedAws, document: str
) -> None:
    aws.holds(inventory=100, orders=20, numbers_each=5)
    aws.hold_back()
    aws.release(1)
    async with stream_parts(gateway.http, document) as parts:
        first = await parts.next()
        assert len(first["data"]["phoneNumberOrders"]["nodes"]) == 20
        assert '"status"' not in json.dumps(first)
        aws.release(2)
        orders = merge_parts([first, *await parts.rest()])["phoneNumberOrders"]["nodes"]
    found = [ordered["phoneNumber"] for order in orders for ordered in order["orderedPhoneNumbers"]]
    assert found == [{"status": "UNASSIGNED"}] * 100
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers", "GetPhoneNumber"]


async def test_at_most_one_page_is_fetched_ahead_of_the_client(aws: GatedAws, settings: Settings) -> None:
    """If a client stops reading after the first part, one more page is fetched, and no further ones."""
    aws.holds(inventory=1_000)
    parts_sent = 0
    stopped_reading = asyncio.Event()

    async def send(message: Message) -> None:
        nonlocal parts_sent
        if message.get("body"):
            parts_sent += 1
            if parts_sent == 2:
                stopped_reading.set()
                await asyncio.Event().wait()

    async def ignore(_message: Message) -> None:
        pass

    async with started(create_app(settings, AwsKeyPair("local", "local"))) as (app, state):
        streaming = asyncio.ensure_future(post(app, state, STREAMED, send))
        await asyncio.wait_for(stopped_reading.wait(), TIMEOUT_SECONDS)
        for _ in range(3):
            assert await is_released(aws.called)
        # Each of these makes one upstream call, as each of the eight other pages would meanwhile.
        for index in range(8):
            await post(app, state, f'{{ phoneNumber(e164PhoneNumber: "{e164(index)}") {{ id }} }}', ignore)
        streaming.cancel()
        await asyncio.wait([streaming])
    assert aws.calls == ["ListPhoneNumbers"] * 3 + ["GetPhoneNumber"] * 8


async def post(app: ASGIApp, state: dict[str, Any], document: str, send: Send) -> None:
    """Post a document to an application that has no server."""
    messages: list[Message] = [{"type": "http.request", "body": json.dumps({"query": document}).encode()}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    headers = [(b"content-type", b"application/json"), (b"accept", INCREMENTAL_V0_2.encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/graphql", "query_string": b""}
    await app(scope | {"headers": headers, "state": state}, receive, send)


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[tuple[ASGIApp, dict[str, Any]]]:
    """Start an application without a server. Yield it, with the state of its lifespan."""
    state: dict[str, Any] = {}
    said: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan", "state": state}, said.get, told.put))
    await said.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    yield app, state
    await said.put({"type": "lifespan.shutdown"})
    await running


# Content

ORDERS = "phoneNumberOrders(first: 3)"
DOCUMENTS = {
    "edges": "{ phoneNumbers(first: 250) { edges @stream(initialCount: 10) { cursor node { id status } } } }",
    "nodes beside edges": """{ phoneNumbers(first: 120) {
        nodes @stream { id } edges @stream(initialCount: 100) { cursor } } }""",
    "no more than come at once": "{ phoneNumbers(first: 9) { nodes @stream(initialCount: 9) { id } ...P @defer } } "
    "fragment P on PhoneNumberConnection { totalCount pageInfo { hasNextPage hasPreviousPage } }",
    "backwards": "{ phoneNumbers(last: 120) { nodes @stream(initialCount: 3) { e164PhoneNumber } } }",
    "a sorted list": """{ phoneNumbers(first: 250, sort: { field: E164_PHONE_NUMBER, direction: DESC }) {
        edges @stream(initialCount: 10) { cursor node { id } } ...F @defer } } fragment F on PhoneNumberConnection {
        totalCount facets { status { count } } }""",
    "a sorted list backwards": """{ phoneNumbers(last: 120, sort: { field: STATUS }) {
        nodes @stream(initialCount: 3) { e164PhoneNumber } } }""",
    "the root": "{ ... @defer { phoneNumbers(first: 3) { nodes @stream(initialCount: 1) { id } } } __typename }",
    "fragments within fragments": "{ "
    + ORDERS
    + """ { nodes { id ... @defer { status
        orderedPhoneNumbers { e164PhoneNumber ... @defer { phoneNumber { status ... @defer { country } } } } } } } }""",
    "a fragment of what is there already": "{ "
    + ORDERS
    + """ { nodes { id status orderedPhoneNumbers { status }
        ... @defer { id status orderedPhoneNumbers { status phoneNumber { id } } } } } }""",
    "links of streamed rows": "{ "
    + ORDERS
    + """ { edges @stream(initialCount: 1) {
        node { orderedPhoneNumbers { phoneNumber { id associations { target { __typename } } } } } } } }""",
    "fragments on streamed rows": "{ "
    + ORDERS
    + """ { nodes @stream { id
        ... @defer(label: "links") { orderedPhoneNumbers { phoneNumber { id } } } } } }""",
    "lists within rows": "{ "
    + ORDERS
    + """ { nodes {
        orderedPhoneNumbers @stream(initialCount: 1) { e164PhoneNumber phoneNumber { status } } } } }""",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """Return the URL of a gateway that all tests share and none changes."""
    with gated_aws() as account:
        account.holds(inventory=300, orders=4, numbers_each=3)
        with serving_in_thread(create_app(settings_over(account), AwsKeyPair("local", "local"))) as url:
            yield url


@pytest.fixture
async def http(shared: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=shared, timeout=TIMEOUT_SECONDS) as client:
        yield client


async def whole(http: httpx.AsyncClient, document: str, accept: str = "application/json") -> Any:
    response = await http.post("/graphql", json={"query": document}, headers={"accept": accept})
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return response.json()


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_the_merged_parts_equal_the_response_in_one_piece(
    http: httpx.AsyncClient, accept: str, document: str
) -> None:
    assert {"data": merge_parts(await fetch_parts(http, document, accept=accept))} == await whole(http, document)


async def test_each_part_has_the_exact_bytes_of_the_specification(http: httpx.AsyncClient) -> None:
    document = '{ phoneNumbers(first: 3) { nodes @stream(initialCount: 1, label: "more") { e164PhoneNumber } } }'
    response = await http.post("/graphql", json={"query": document}, headers={"accept": INCREMENTAL_V0_2})
    first = (
        '{"data":{"phoneNumbers":{"nodes":[{"e164PhoneNumber":"+12065550000"}]}},'
        '"pending":[{"id":"0","path":["phoneNumbers","nodes"],"label":"more"}],"hasNext":true}'
    )
    second = (
        '{"incremental":[{"id":"0","items":[{"e164PhoneNumber":"+12065550001"},{"e164PhoneNumber":"+12065550002"}]}],'
        '"completed":[{"id":"0"}],"hasNext":false}'
    )
    head = "Content-Type: application/json; charset=utf-8\r\n\r\n"
    assert response.text == f"---\r\n{head}{first}\r\n---\r\n{head}{second}\r\n-----\r\n"
    assert response.headers["content-type"] == 'multipart/mixed; boundary="-"'
    assert response.headers["transfer-encoding"] == "chunked"
    for name in ("cache-control", "content-security-policy", "referrer-policy", "x-content-type-options", "vary"):
        assert name in response.headers


async def test_the_format_of_2022_has_paths(http: httpx.AsyncClient) -> None:
    document = """{ phoneNumbers(first: 3) { nodes @stream(initialCount: 1, label: "more") { e164PhoneNumber } } }"""
    first, second = await fetch_parts(http, document, accept=DEFER_2022)
    assert first == {"data": {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0)}]}}, "hasNext": True}
    items = [{"e164PhoneNumber": e164(1)}, {"e164PhoneNumber": e164(2)}]
    piece = {"path": ["phoneNumbers", "nodes", 1], "items": items, "label": "more"}
    assert second == {"incremental": [piece], "hasNext": False}


SHORT = "{ phoneNumbers(first: 3) { nodes @stream { e164PhoneNumber } } }"


@pytest.mark.parametrize(
    ("accept", "incremental"),
    [
        ("multipart/mixed", "pending"),
        ('Multipart/Mixed; boundary="-"', "pending"),
        ("multipart/mixed;incrementalSpec=v0.2,application/graphql-response+json,application/json;q=0.9", "pending"),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "pending"),
        ("application/json, multipart/mixed;q=0.1", "pending"),
        ("multipart/mixed;deferSpec=20220824,application/graphql-response+json", "path"),
        ("multipart/mixed;deferSpec=20990101, multipart/mixed;deferSpec=20220824", "path"),
        ("multipart/mixed;deferSpec=20990101, application/json", None),
        ('multipart/mixed;boundary="graphql";subscriptionSpec=1.0, application/json', None),
        ("multipart/mixed;q=0, application/json", None),
        ("multipart/*, application/json", None),
        ("application/json", None),
        ("*/*", None),
    ],
)
async def test_parts_are_sent_only_to_clients_that_accept_a_known_format(
    http: httpx.AsyncClient, accept: str, incremental: str | None
) -> None:
    response = await http.post("/graphql", json={"query": SHORT}, headers={"accept": accept})
    if incremental is None:
        rows = [{"e164PhoneNumber": e164(index)} for index in range(3)]
        assert response.json() == {"data": {"phoneNumbers": {"nodes": rows}}}
    else:
        assert response.headers["content-type"].startswith("multipart/mixed")
        assert f'"{incremental}":' in response.text


NOTHING_TO_DIVIDE = {
    "no directive": "{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }",
    "directives that are off": "{ phoneNumbers(first: 1) { nodes @stream(if: false) { e164PhoneNumber } "
    "... @defer(if: false) { __typename } } }",
    "just as many rows": "{ phoneNumbers(first: 2) { nodes @stream(initialCount: 2) { e164PhoneNumber } } }",
    "all rows at once": "{ phoneNumbers(first: 1) { nodes @stream(initialCount: 9) { e164PhoneNumber } } }",
    "no rows": "{ phoneNumbers(first: 0) { nodes { id } edges @stream(initialCount: 1) { cursor } } }",
    "another operation's": "query A { __typename } query B { ... @defer { __typename } }",
}


@pytest.mark.parametrize("document", NOTHING_TO_DIVIDE.values(), ids=NOTHING_TO_DIVIDE)
async def test_a_result_with_one_part_is_plain_json(http: httpx.AsyncClient, document: str) -> None:
    body = {"query": document, "operationName": "A" if document.startswith("query") else None}
    takes_parts = await http.post("/graphql", json=body, headers={"accept": "multipart/mixed"})
    assert takes_parts.headers["content-type"] == "application/json; charset=utf-8"
    assert takes_parts.content == (await http.post("/graphql", json=body)).content
    assert "errors" not in takes_parts.json()


async def test_get_is_answered_in_parts_and_head_has_the_same_content_type(http: httpx.AsyncClient) -> None:
    headers = {"accept": "multipart/mixed"}
    got = await http.get("/graphql", params={"query": SHORT}, headers=headers)
    assert got.text.endswith("-----\r\n")
    told = await http.head("/graphql", params={"query": SHORT}, headers=headers)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["content-type"] == got.headers["content-type"]


async def test_streamed_cursors_continue_after_their_rows(http: httpx.AsyncClient) -> None:
    document = """query ($after: String) { phoneNumbers(first: 150, after: $after) {
        edges @stream(initialCount: 20) { cursor node { e164PhoneNumber } } ... @defer { totalCount } } }"""
    after, seen = None, []
    for _ in range(2):
        parts = await fetch_parts(http, document, variables={"after": after})
        edges = merge_parts(parts)["phoneNumbers"]["edges"]
        seen += numbers(edges)
        after = edges[-1]["cursor"]
    assert seen == [e164(index) for index in range(300)]
    # A cursor from the middle of an upstream page continues after its row as well.
    assert (
        numbers(
            merge_parts(await fetch_parts(http, document, variables={"after": edges[10]["cursor"]}))["phoneNumbers"][
                "edges"
            ]
        )
        == seen[161:]
    )


# Requests


async def test_the_first_part_reports_the_cost(http: httpx.AsyncClient) -> None:
    parts = await fetch_parts(http, SHORT, extensions={"cost": True})
    assert parts[0]["extensions"]["cost"]["points"] == 4
    # The last part reports the rows and calls that were really read.
    assert parts[-1]["extensions"]["cost"]["actual"] == {"rows": 3, "calls": 1}
    assert all("extensions" not in part for part in parts[1:-1])


@pytest.mark.parametrize(
    "document",
    [
        '{ a: phoneNumbers { nodes @stream(label: "x") { id } } ... @defer(label: "x") { __typename } }',
        "query ($label: String) { ... @defer(label: $label) { __typename } }",
        "{ phoneNumbers @stream { nodes { id } } }",
        "{ phoneNumbers { nodes @stream(initialCount: 1) { id } nodes @stream(initialCount: 2) { id } } }",
        "{ phoneNumbers @defer { nodes { id } } }",
        '{ phoneNumbers { nodes @stream(initialCount: "1") { id } } }',
    ],
    ids=["a label twice", "a label that varies", "no list", "streams that differ", "no fragment", "no number"],
)
@pytest.mark.parametrize("accept", ["multipart/mixed", "application/json"])
async def test_invalid_directives_fail_validation(http: httpx.AsyncClient, accept: str, document: str) -> None:
    response = await whole(http, document, accept)
    assert "data" not in response
    assert {error["extensions"]["code"] for error in response["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize("accept", ["multipart/mixed", "application/json"])
@pytest.mark.parametrize("count", [-1, None])
async def test_an_invalid_initial_count_is_an_error_of_the_field(
    http: httpx.AsyncClient, accept: str, count: int | None
) -> None:
    document = "query ($n: Int) { phoneNumbers { nodes @stream(initialCount: $n) { id } } __typename }"
    body = {"query": document, "variables": {"n": count}}
    response = (await http.post("/graphql", json=body, headers={"accept": accept})).json()
    assert response["data"] == {"phoneNumbers": None, "__typename": "Query"}
    [error] = response["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["phoneNumbers", "nodes"], "BAD_USER_INPUT")


async def test_defer_counts_towards_the_directive_limit(http: httpx.AsyncClient) -> None:
    response = await whole(http, f"{{ {'... @defer { __typename } ' * 60} }}", "multipart/mixed")
    assert [error["extensions"]["code"] for error in response["errors"]] == ["DOCUMENT_TOO_COMPLEX"]


# Errors


async def test_a_failed_page_ends_its_stream(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=300)
    aws.hold_back()
    document = """{ phoneNumbers(first: 300) { edges @stream(initialCount: 99) { node { e164PhoneNumber } } } }"""
    aws.release(1)
    async with stream_parts(gateway.http, document) as parts:
        assert len((await parts.next())["data"]["phoneNumbers"]["edges"]) == 99
        aws.fails("ListPhoneNumbers", "Forbidden")
        aws.release(1)
        [last] = await parts.rest()
    assert "incremental" not in last
    [done] = last["completed"]
    [error] = done["errors"]
    assert error["message"] == "The gateway's credentials do not allow this call to the upstream."
    assert error["path"] == ["phoneNumbers", "edges"]
    assert error["extensions"]["code"] == "UPSTREAM_FORBIDDEN"


async def test_the_format_of_2022_reports_a_failed_page(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=300)
    aws.hold_back()
    document = """{ phoneNumbers(first: 300) { nodes @stream(initialCount: 5) { id } ... @defer { totalCount } } }"""
    aws.release(1)
    async with stream_parts(gateway.http, document, accept=DEFER_2022) as parts:
        await parts.next()
        aws.fails("ListPhoneNumbers", "Forbidden")
        aws.release(2)
        pieces = [piece for part in await parts.rest() for piece in part.get("incremental", ())]
    assert [piece["path"] for piece in pieces if "items" in piece] == [
        ["phoneNumbers", "nodes", 5],
        ["phoneNumbers", "nodes", 99],
    ]
    failed = {tuple(error["path"]): error["extensions"]["code"] for each in pieces for error in each.get("errors", ())}
    assert failed == {
        ("phoneNumbers", "nodes"): "UPSTREAM_FORBIDDEN",
        ("phoneNumbers", "totalCount"): "UPSTREAM_FORBIDDEN",
    }


async def test_a_failed_deferred_record_is_null_in_its_part(gateway: Gateway, aws: GatedAws) -> None:
    aws.adds_orders([order_record(0, [e164(1), e164(2)])])
    aws.adds_numbers([number_record(1), number_record(2)])
    aws.fails("GetPhoneNumber", "Forbidden")
    aws.fails("ListPhoneNumbers", "Forbidden")
    document = "{ phoneNumberOrders { nodes { id ... @defer { orderedPhoneNumbers { phoneNumber { id } } } } } }"
    parts = await fetch_parts(gateway.http, document)
    assert merge_parts(parts)["phoneNumberOrders"]["nodes"][0]["orderedPhoneNumbers"] == [{"phoneNumber": None}] * 2
    errors = [error for part in parts for piece in part.get("incremental", ()) for error in piece.get("errors", ())]
    assert [error["path"] for error in errors] == [
        ["phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", at, "phoneNumber"] for at in range(2)
    ]
    assert {error["extensions"]["code"] for error in errors} == {"UPSTREAM_FORBIDDEN"}


async def test_a_failed_root_field_beside_a_stream_is_null_in_the_first_part(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=3)
    first, second = await fetch_parts(
        gateway.http,
        """{ phoneNumbers { nodes @stream(initialCount: 1) { e164PhoneNumber } }
             wrong: phoneNumbers(first: -1) { __typename } }""",
    )
    assert first["data"]["wrong"] is None
    assert [(error["path"], error["extensions"]["code"]) for error in first["errors"]] == [
        (["wrong"], "BAD_USER_INPUT")
    ]
    assert len(second["incremental"][0]["items"]) == 2


async def test_a_stream_ends_with_an_error_at_the_deadline(aws: GatedAws) -> None:
    aws.holds(inventory=300)
    aws.hold_back()
    aws.release(1)
    settings = settings_over(aws, request_timeout_seconds=1)
    async with gateway_over(settings) as gateway, stream_parts(gateway.http, STREAMED) as parts:
        await parts.next()
        [last] = await parts.rest()
    [error] = last["completed"][0]["errors"]
    assert error["extensions"]["code"] == "UPSTREAM_TIMEOUT"
    assert aws.responded == 1


async def test_a_disconnect_during_a_stream_cancels_its_calls(
    gateway: Gateway, aws: GatedAws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.holds(inventory=1_000)
    aws.hold_back()
    aws.release(1)
    leaving = httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS)
    async with leaving, stream_parts(leaving, STREAMED) as parts:
        await parts.next()
        for _ in range(2):
            assert await is_released(aws.called)
    assert await is_released(aws.given_up)
    assert aws.calls == ["ListPhoneNumbers"] * 2
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
