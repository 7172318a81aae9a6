"""Values that AWS does not document, in every part of a response. Each affects only its own field or row."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.execution.comparison import same_response
from tests.execution.in_memory_account import Account
from tests.support.aws import e164, number_record, order_record
from tests.support.multipart import fetch_parts, merge_parts
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.telemetry.scraped_metrics import Metrics

LEFT_OUT = "chime_gateway_upstream_records_left_out_total"

NUMBER_FIELDS = """
  id phoneNumberId e164PhoneNumber country type productType status callingName callingNameStatus name
  capabilities { inboundCall outboundCall inboundSMS outboundSMS inboundMMS outboundMMS }
  associations { name value associatedTimestamp target { __typename } }
  createdTimestamp updatedTimestamp deletionTimestamp
"""
ORDER_FIELDS = """
  id phoneNumberOrderId productType status orderType createdTimestamp updatedTimestamp focDate
  orderedPhoneNumbers { e164PhoneNumber status }
"""
NUMBERS = f"{{ phoneNumbers(first: 5) {{ edges {{ cursor node {{ {NUMBER_FIELDS} }} }} pageInfo {{ endCursor }} }} }}"
ORDERS = f"{{ phoneNumberOrders(first: 5) {{ nodes {{ {ORDER_FIELDS} }} }} }}"

ODD = [
    *("7", "0", "-1.5", "1e308", "1e999", "9" * 400, "true", "false", '""', '"NaN"', '"\\ud800"', '"a\\u0000\\udfffb"'),
    *("[]", "{}", "[null]", "[1]", '["a"]', "[[]]", "[{}]", '{"Value": 7}', '{"a": {"b": [null]}}'),
    *("[" * 40 + "]" * 40, "[" * 1_000 + "]" * 1_000, "[" * 5_000 + "]" * 5_000, '{"a":' * 2_000 + "1" + "}" * 2_000),
]


def over(url: str) -> Settings:
    return Settings(upstream_api="chime", upstream_endpoint_url=url)  # type: ignore[arg-type]  # Pydantic parses the URL.


def body_with(key: str, records: list[dict[str, Any]], field: str, odd: str) -> str:
    """Return a page whose second record has this JSON text in a field."""
    records[1][field] = "ODD"
    return json.dumps({key: records}).replace('"ODD"', odd)


async def response_to(body: str, document: str) -> dict[str, Any]:
    with scripted_upstream(ScriptedResponse(body)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            return await gateway.execute(document)


@pytest.fixture(scope="module", params=[*number_record(0), "Name", "OrderId", "PhoneNumberOrderId"])
def number_key(request: pytest.FixtureRequest) -> str:
    key: str = request.param
    return key


async def each_odd_value(
    key: str, records: Callable[[], list[dict[str, Any]]], field: str, document: str
) -> list[tuple[str, dict[str, Any]]]:
    """Return each odd value with the response to a page that has it, from one gateway."""
    with scripted_upstream(*(ScriptedResponse(body_with(key, records(), field, odd)) for odd in ODD)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            return [(odd, await gateway.execute(document)) for odd in ODD]


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


async def test_an_odd_value_of_a_number_costs_one_field(number_key: str) -> None:
    def three() -> list[dict[str, Any]]:
        return [number_record(index) for index in range(3)]

    field = number_key[0].lower() + number_key[1:]
    sound = (await response_to(json.dumps({"PhoneNumbers": three()}), NUMBERS))["data"]["phoneNumbers"]["edges"]
    for odd, response in await each_odd_value("PhoneNumbers", three, number_key, NUMBERS):
        nodes = [edge["node"] for edge in response["data"]["phoneNumbers"]["edges"]]
        assert [nodes[0], nodes[-1]] == [sound[0]["node"], sound[-1]["node"]], odd
        # A number stays if one of its two keys is valid.
        assert without(nodes[1], field) == without(sound[1]["node"], field), odd
        assert {error["extensions"]["code"] for error in response.get("errors", ())} <= {"UPSTREAM_BAD_RESPONSE"}
        assert all(
            error["path"][:5] == ["phoneNumbers", "edges", 1, "node", field] for error in response.get("errors", ())
        )


@pytest.mark.parametrize("key", [*order_record(0, []), "OrderType", "FocDate", "E164PhoneNumber"])
async def test_an_odd_value_of_an_order_costs_one_field_and_an_odd_id_the_order(key: str) -> None:
    def three() -> list[dict[str, Any]]:
        return [order_record(index, [e164(index)]) for index in range(3)]

    field = key[0].lower() + key[1:]
    sound = (await response_to(json.dumps({"PhoneNumberOrders": three()}), ORDERS))["data"]["phoneNumberOrders"][
        "nodes"
    ]
    for odd, response in await each_odd_value("PhoneNumberOrders", three, key, ORDERS):
        nodes = response["data"]["phoneNumberOrders"]["nodes"]
        assert [nodes[0], nodes[-1]] == [sound[0], sound[-1]], odd
        if key == "PhoneNumberOrderId":
            assert len(nodes) == (3 if odd == '"NaN"' else 2), odd
        else:
            assert without(nodes[1], field) == without(sound[1], field), odd
        assert {error["extensions"]["code"] for error in response.get("errors", ())} <= {"UPSTREAM_BAD_RESPONSE"}


async def numbers_of(gateway: Gateway) -> Metrics:
    return Metrics.of((await gateway.http.get("/metrics")).text)


NO_ROWS: list[Any] = [
    *(None, 7, "+12065550001", [], {}, True, {"Status": "Assigned"}, {"e164PhoneNumber": "+12065550001"}),
    *(
        {"E164PhoneNumber": number}
        for number in (12065550001, "", "+", "abc", "+0123456", "+" + "1" * 16, ["+12065550001"])
    ),
    {"E164PhoneNumber": None, "PhoneNumberId": 7},
    {"E164PhoneNumber": "+1 206 555 0001", "PhoneNumberId": "%252B12065550001"},
]


@pytest.mark.parametrize("row", NO_ROWS, ids=repr)
async def test_a_row_without_a_number_is_left_out_counted_and_logged(
    row: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page = {"PhoneNumbers": [number_record(0), row, number_record(2), row]}
    with scripted_upstream(ScriptedResponse(page)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            before = await numbers_of(gateway)
            data = await gateway.query("{ phoneNumbers { totalCount nodes { e164PhoneNumber } } }")
            after = await numbers_of(gateway)
    assert data["phoneNumbers"] == {
        "totalCount": 2,
        "nodes": [{"e164PhoneNumber": e164(0)}, {"e164PhoneNumber": e164(2)}],
    }
    counted = sum(after.since(before, LEFT_OUT).values())
    [line] = [line for line in caplog.messages if "left out" in line]
    # The gateway logs one warning for each AWS response, and each has two such rows.
    assert counted == 2
    assert line.endswith("ListPhoneNumbers: left out 2 records without a usable key")


@pytest.mark.parametrize("rows", [[7], [None, {}], [{"Status": "Assigned"}] * 3])
async def test_a_page_of_only_odd_rows_is_empty_and_has_a_next_page(rows: list[Any]) -> None:
    pages = [
        ScriptedResponse({"PhoneNumbers": rows, "NextToken": "t"}),
        ScriptedResponse({"PhoneNumbers": [number_record(0)]}),
    ]
    with scripted_upstream(*pages) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            data = await gateway.query("{ phoneNumbers { nodes { e164PhoneNumber } pageInfo { hasNextPage } } }")
    assert data["phoneNumbers"] == {"nodes": [{"e164PhoneNumber": e164(0)}], "pageInfo": {"hasNextPage": False}}


async def test_a_repeated_row_is_returned_twice_and_paging_continues_after_it() -> None:
    page = {"PhoneNumbers": [number_record(0), number_record(1), number_record(1), number_record(2)]}
    with scripted_upstream(ScriptedResponse(page)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            data = await gateway.query("{ phoneNumbers { edges { cursor node { e164PhoneNumber } } } }")
            edges = data["phoneNumbers"]["edges"]
            assert [edge["node"]["e164PhoneNumber"] for edge in edges] == [e164(0), e164(1), e164(1), e164(2)]
            for at, edge in enumerate(edges):
                following = await gateway.query(
                    "query ($after: String) { phoneNumbers(after: $after) { nodes { e164PhoneNumber } } }",
                    after=edge["cursor"],
                )
                assert len(following["phoneNumbers"]["nodes"]) == 3 - at


ODD_ORDERED: list[Any] = [
    *(None, 7, "a", [], {}, {"Status": "Acquired"}),
    *({"E164PhoneNumber": odd} for odd in (None, 12065550001, 1.5, True, "", "abc", "+1", "+" + "2" * 16)),
    *({"E164PhoneNumber": []}, {"E164PhoneNumber": {}}, {"e164PhoneNumber": "+12065550001"}),
]


@pytest.mark.parametrize("odd", ODD_ORDERED, ids=repr)
async def test_an_odd_ordered_number_is_left_out_of_its_order_counted_and_logged(
    odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    order = order_record(0, [e164(0), e164(0)])
    order["OrderedPhoneNumbers"].insert(1, odd)
    document = "{ phoneNumberOrders { nodes { orderedPhoneNumbers { e164PhoneNumber phoneNumber { status } } } } }"
    with scripted_upstream(
        ScriptedResponse({"PhoneNumberOrders": [order]}), ScriptedResponse({"PhoneNumber": number_record(0)})
    ) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            before = await numbers_of(gateway)
            data = await gateway.query(document)
            after = await numbers_of(gateway)
    [node] = data["phoneNumberOrders"]["nodes"]
    linked = {"e164PhoneNumber": e164(0), "phoneNumber": {"status": "UNASSIGNED"}}
    assert node["orderedPhoneNumbers"] == [linked, linked]
    assert after.since(before, LEFT_OUT) == {'{aws_operation="ListPhoneNumberOrders"}': 1}
    assert len([line for line in caplog.messages if "left out 1 records" in line]) == 1


@pytest.mark.parametrize(
    "associations", [{}, "VoiceConnectorId", 7, [None], ["a"], [{"Name": "SipRuleId"}], [{"Value": 7}]]
)
async def test_odd_associations_are_left_out_of_their_number_and_counted(associations: Any) -> None:
    sound = {"Name": "VoiceConnectorId", "Value": "vc"}
    mixed = [*associations, sound] if isinstance(associations, list) else associations
    page = {"PhoneNumbers": [number_record(0, Associations=mixed)]}
    with scripted_upstream(ScriptedResponse(page)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            before = await numbers_of(gateway)
            data = await gateway.query("{ phoneNumbers { nodes { e164PhoneNumber associations { value } } } }")
            after = await numbers_of(gateway)
    kept = [{"value": "vc"}] if isinstance(associations, list) else []
    assert data["phoneNumbers"]["nodes"] == [{"e164PhoneNumber": e164(0), "associations": kept}]
    assert after.since(before, LEFT_OUT) == {'{aws_operation="ListPhoneNumbers"}': 1}


async def test_one_odd_record_of_a_batch_does_not_affect_the_others() -> None:
    """Three keys are looked up by a list page with an odd second row, and then by a get."""
    order = order_record(0, [e164(index) for index in range(3)])
    rows = [number_record(0), {"E164PhoneNumber": 7}, number_record(2, Capabilities="all", CallingName=[])]
    pages = [
        ScriptedResponse({"PhoneNumberOrders": [order]}),
        ScriptedResponse({"PhoneNumbers": rows, "NextToken": "t"}),
    ]
    with scripted_upstream(*pages, ScriptedResponse({"PhoneNumber": number_record(1)})) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            response = await gateway.execute(
                """{ phoneNumberOrders { nodes { orderedPhoneNumbers {
                     phoneNumber { e164PhoneNumber callingName capabilities { inboundCall } } } } } }"""
            )
    [node] = response["data"]["phoneNumberOrders"]["nodes"]
    linked = [each["phoneNumber"] for each in node["orderedPhoneNumbers"]]
    assert [each["e164PhoneNumber"] for each in linked] == [e164(0), e164(1), e164(2)]
    assert [error["path"][-1] for error in response["errors"]] == ["callingName", "capabilities"]


@pytest.mark.parametrize("accept", ["multipart/mixed", "multipart/mixed;deferSpec=20220824"])
async def test_a_response_in_parts_equals_the_whole_response(accept: str) -> None:
    rows = [number_record(0), {}, number_record(1, CreatedTimestamp="yesterday"), None, number_record(2, Name={})]
    selection = "{ e164PhoneNumber createdTimestamp name }"
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": rows})) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            whole = await gateway.execute(f"{{ phoneNumbers {{ nodes {selection} }} }}")
            parts = await fetch_parts(
                gateway.http, f"{{ phoneNumbers {{ nodes @stream(initialCount: 1) {selection} }} }}", accept=accept
            )
    assert merge_parts(parts) == whole["data"]
    assert [node["e164PhoneNumber"] for node in whole["data"]["phoneNumbers"]["nodes"]] == [e164(0), e164(1), e164(2)]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(
    st.sampled_from([*number_record(0), *order_record(0, []), "Name", "OrderId", "OrderType", "FocDate"]),
    JSON_VALUES,
    max_size=6,
)


@hypothesis_settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(odd=st.lists(RECORDS | JSON_VALUES, max_size=3))
async def test_both_executors_return_the_valid_rows_of_any_page(odd: list[Any]) -> None:
    account = Account(
        numbers=[number_record(0), *odd, number_record(1)],
        orders=[order_record(0, [e164(0)]), *odd, order_record(1, [e164(1)])],
    )
    link = "orderedPhoneNumbers { e164PhoneNumber phoneNumber { status } }"
    document = f"{{ {NUMBERS[1:-1]} phoneNumberOrders(first: 5) {{ nodes {{ {ORDER_FIELDS} {link} }} }} }}"
    data = json.loads((await same_response(account, document)).data)
    edges, nodes = data["phoneNumbers"]["edges"], data["phoneNumberOrders"]["nodes"]
    assert [edges[at]["node"]["e164PhoneNumber"] for at in (0, -1)] == [e164(0), e164(1)]
    assert [nodes[at]["orderedPhoneNumbers"][0]["phoneNumber"] for at in (0, -1)] == [{"status": "UNASSIGNED"}] * 2
