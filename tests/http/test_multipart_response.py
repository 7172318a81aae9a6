"""`@defer` and `@stream`: an answer in parts, each sent as it comes, to those who take parts."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

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
    """An account whose calls can be held back."""
    with gated_aws() as account:
        yield account


@pytest.fixture
def settings(aws: GatedAws) -> Settings:
    return settings_over(aws)


def settings_over(aws: GatedAws, **given: Any) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=aws.url, **given)


def numbers(rows: list[Any]) -> list[str]:
    return [row["node"]["e164PhoneNumber"] for row in rows]


# As they come


async def test_the_first_page_is_read_while_the_second_is_still_awaited(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=1_000)
    aws.hold_back()
    aws.release(1)
    async with stream_parts(gateway.http, STREAMED) as parts:
        first = await parts.next()
        assert aws.answered == 1
        assert numbers(first["data"]["phoneNumbers"]["edges"]) == [e164(index) for index in range(99)]
        assert first["pending"] == [{"id": "0", "path": ["phoneNumbers", "edges"]}]
        assert first["hasNext"] is True
        for page in range(1, 11):
            aws.release(1)
            part = await parts.next()
            [piece] = part["incremental"]
            assert numbers(piece["items"]) == [e164(index) for index in range(99 * page, min(99 * page + 99, 1_000))]
            assert aws.answered == page + 1
        assert (part["completed"], part["hasNext"]) == ([{"id": "0"}], False)
    assert aws.calls == ["ListPhoneNumbers"] * 11


async def test_no_page_is_asked_for_before_the_first_part_where_none_is_needed(gateway: Gateway, aws: GatedAws) -> None:
    aws.holds(inventory=3)
    aws.hold_back()
    async with stream_parts(gateway.http, "{ phoneNumbers { nodes @stream { e164PhoneNumber } } }") as parts:
        assert (await parts.next())["data"] == {"phoneNumbers": {"nodes": []}}
        aws.release(1)
        [part] = await parts.rest()
    assert part["incremental"] == [{"id": "0", "items": [{"e164PhoneNumber": e164(index)} for index in range(3)]}]


async def test_page_info_may_follow_the_rows_that_it_waits_for(gateway: Gateway, aws: GatedAws) -> None:
    """Beside a streamed list it would hold its first part back: where a list goes on is known at its end."""
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
async def test_deferred_records_are_looked_up_together_once_the_rest_is_out(
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


async def test_what_is_not_read_is_not_fetched_far_ahead(aws: GatedAws, settings: Settings) -> None:
    """A client that takes the first part and no more has one page fetched for it that it has not asked for."""
    aws.holds(inventory=1_000)
    sent: list[bytes] = []
    taken = asyncio.Event()

    async def receive() -> Message:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": json.dumps({"query": STREAMED}).encode()}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if body := message.get("body"):
            sent.append(body)
            if len(sent) == 2:
                taken.set()
                await asyncio.Event().wait()

    asked = asyncio.Event()
    headers = [(b"content-type", b"application/json"), (b"accept", INCREMENTAL_V0_2.encode())]
    request = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/graphql", "query_string": b""}
    request["headers"] = headers
    async with started(create_app(settings, AwsKeyPair("local", "local"))) as (app, state):
        answering = asyncio.ensure_future(app(request | {"state": state}, receive, send))
        await asyncio.wait_for(taken.wait(), TIMEOUT_SECONDS)
        for _ in range(3):
            assert await is_released(aws.asked)
        # Long enough for the eight others.
        await asyncio.sleep(0.3)
        answering.cancel()
        await asyncio.wait([answering])
    assert aws.calls == ["ListPhoneNumbers"] * 3


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[tuple[ASGIApp, dict[str, Any]]]:
    """An application that is asked without a server between, and the state of its lifespan."""
    state: dict[str, Any] = {}
    said: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan", "state": state}, said.get, told.put))
    await said.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    yield app, state
    await said.put({"type": "lifespan.shutdown"})
    await running


# The same in the end

ORDERS = "phoneNumberOrders(first: 3)"
DOCUMENTS = {
    "edges": "{ phoneNumbers(first: 250) { edges @stream(initialCount: 10) { cursor node { id status } } } }",
    "nodes beside edges": """{ phoneNumbers(first: 120) {
        nodes @stream { id } edges @stream(initialCount: 100) { cursor } } }""",
    "no more than come at once": "{ phoneNumbers(first: 9) { nodes @stream(initialCount: 9) { id } ...P @defer } } "
    "fragment P on PhoneNumberConnection { totalCount pageInfo { hasNextPage hasPreviousPage } }",
    "backwards": "{ phoneNumbers(last: 120) { nodes @stream(initialCount: 3) { e164PhoneNumber } } }",
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
    """A gateway that is not changed, by its URL."""
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
async def test_parts_come_to_what_the_answer_would_be_in_one(
    http: httpx.AsyncClient, accept: str, document: str
) -> None:
    assert {"data": merge_parts(await fetch_parts(http, document, accept=accept))} == await whole(http, document)


async def test_each_part_is_written_to_the_letter(http: httpx.AsyncClient) -> None:
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


async def test_the_form_of_2022_says_paths(http: httpx.AsyncClient) -> None:
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
async def test_parts_are_sent_to_those_who_name_them(
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
async def test_what_has_one_part_is_json_as_ever(http: httpx.AsyncClient, document: str) -> None:
    body = {"query": document, "operationName": "A" if document.startswith("query") else None}
    takes_parts = await http.post("/graphql", json=body, headers={"accept": "multipart/mixed"})
    assert takes_parts.headers["content-type"] == "application/json; charset=utf-8"
    assert takes_parts.content == (await http.post("/graphql", json=body)).content
    assert "errors" not in takes_parts.json()


async def test_a_get_is_answered_in_parts_and_a_head_is_told_so(http: httpx.AsyncClient) -> None:
    headers = {"accept": "multipart/mixed"}
    got = await http.get("/graphql", params={"query": SHORT}, headers=headers)
    assert got.text.endswith("-----\r\n")
    told = await http.head("/graphql", params={"query": SHORT}, headers=headers)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["content-type"] == got.headers["content-type"]


async def test_streamed_cursors_continue_where_they_stand(http: httpx.AsyncClient) -> None:
    document = """query ($after: String) { phoneNumbers(first: 150, after: $after) {
        edges @stream(initialCount: 20) { cursor node { e164PhoneNumber } } ... @defer { totalCount } } }"""
    after, seen = None, []
    for _ in range(2):
        parts = await fetch_parts(http, document, variables={"after": after})
        edges = merge_parts(parts)["phoneNumbers"]["edges"]
        seen += numbers(edges)
        after = edges[-1]["cursor"]
    assert seen == [e164(index) for index in range(300)]
    # From the middle of an upstream page, too.
    assert (
        numbers(
            merge_parts(await fetch_parts(http, document, variables={"after": edges[10]["cursor"]}))["phoneNumbers"][
                "edges"
            ]
        )
        == seen[161:]
    )


# What is asked


async def test_the_first_part_says_what_it_costs(http: httpx.AsyncClient) -> None:
    parts = await fetch_parts(http, SHORT, extensions={"cost": True})
    assert parts[0]["extensions"]["cost"]["points"] == 4
    assert all("extensions" not in part for part in parts[1:])


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
async def test_directives_that_are_wrong_are_refused(http: httpx.AsyncClient, accept: str, document: str) -> None:
    answer = await whole(http, document, accept)
    assert "data" not in answer
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize("accept", ["multipart/mixed", "application/json"])
@pytest.mark.parametrize("count", [-1, None])
async def test_an_initial_count_below_0_is_the_fields_own_error(
    http: httpx.AsyncClient, accept: str, count: int | None
) -> None:
    document = "query ($n: Int) { phoneNumbers { nodes @stream(initialCount: $n) { id } } __typename }"
    body = {"query": document, "variables": {"n": count}}
    answer = (await http.post("/graphql", json=body, headers={"accept": accept})).json()
    assert answer["data"] == {"phoneNumbers": None, "__typename": "Query"}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["phoneNumbers", "nodes"], "BAD_USER_INPUT")


async def test_directives_count_towards_their_limit(http: httpx.AsyncClient) -> None:
    answer = await whole(http, f"{{ {'... @defer { __typename } ' * 60} }}", "multipart/mixed")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["DOCUMENT_TOO_COMPLEX"]


# What goes wrong


async def test_a_page_that_fails_ends_its_stream_and_what_was_sent_stays(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_a_page_that_fails_is_said_in_the_form_of_2022_too(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_a_deferred_record_that_fails_is_null_in_its_part(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_a_root_that_fails_beside_a_stream_is_null_in_the_first_part(gateway: Gateway, aws: GatedAws) -> None:
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


async def test_at_the_deadline_a_stream_ends_with_its_error(aws: GatedAws) -> None:
    aws.holds(inventory=300)
    aws.hold_back()
    aws.release(1)
    settings = settings_over(aws, request_timeout_seconds=1)
    async with gateway_over(settings) as gateway, stream_parts(gateway.http, STREAMED) as parts:
        await parts.next()
        [last] = await parts.rest()
    [error] = last["completed"][0]["errors"]
    assert error["extensions"]["code"] == "UPSTREAM_TIMEOUT"
    assert aws.answered == 1


async def test_a_client_that_leaves_amid_a_stream_ends_its_calls(
    gateway: Gateway, aws: GatedAws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.holds(inventory=1_000)
    aws.hold_back()
    aws.release(1)
    leaving = httpx.AsyncClient(base_url=gateway.http.base_url, timeout=TIMEOUT_SECONDS)
    async with leaving, stream_parts(leaving, STREAMED) as parts:
        await parts.next()
        for _ in range(2):
            assert await is_released(aws.asked)
    assert await is_released(aws.given_up)
    assert aws.calls == ["ListPhoneNumbers"] * 2
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
