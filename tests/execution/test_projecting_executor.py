"""The projecting executor's rules, by its responses and by the work that they take."""

import asyncio
import gc
import json
from itertools import product
from typing import Any

import pytest
import strawberry

from gateway.errors import Throttled
from gateway.execution.document_cache import MAX_CACHED_CHARACTERS
from gateway.schema.field_cost import PART_OF_RECORD, list_of
from gateway.schema.node import global_id
from gateway.upstream.requester import Requester
from tests.execution.comparison import (
    PROJECTING,
    SCHEMA,
    STANDARD,
    Executor,
    projecting_executor,
    response_of,
    same_response,
    standard_executor,
)
from tests.execution.function_calls import count_calls, fields_executed, projections_compiled
from tests.execution.in_memory_account import Account
from tests.execution.random_accounts import ORDER_IDS
from tests.support.aws import e164, number_record, order_record

INTROSPECTION = """
{
  __typename
  __schema {
    __typename
    types {
      __typename kind name
      fields(includeDeprecated: true) { name args { name type { kind name } } type { name } }
    }
    directives { name args { name } }
  }
  __type(name: "PhoneNumber") { name __typename interfaces { name __typename } }
}
"""


def account_with(**given: Any) -> Account:
    """Return an account of one number with these values, and an order of it."""
    return Account(numbers=[number_record(0, **given)], orders=[order_record(0, [e164(0)])])


async def test_only_the_odd_record_among_99_is_executed_field_by_field() -> None:
    text = "{ phoneNumbers(first: 100) { nodes { name country callingName status } } }"
    even = Account(numbers=[number_record(index) for index in range(99)])
    odd = Account(numbers=[number_record(index, Country={} if index == 40 else "US") for index in range(99)])
    await same_response(even, text)
    response = await same_response(odd, text)
    assert [path for _, path, *_ in response.errors] == [("phoneNumbers", "nodes", 40, "country")]
    _, calls = await count_calls(response_of(PROJECTING, even, text, None, None))
    assert fields_executed(calls) == 1  # phoneNumbers
    _, calls = await count_calls(response_of(PROJECTING, odd, text, None, None))
    assert fields_executed(calls) == 2 + 4  # The connection and its nodes, and the fields of the odd record.
    _, calls = await count_calls(response_of(STANDARD, even, text, None, None))
    assert fields_executed(calls) == 2 + 99 * 4


async def test_an_odd_record_within_a_record_leaves_other_records_projected() -> None:
    text = "{ phoneNumbers { nodes { country associations { value associatedTimestamp } } } }"
    association = {"Name": "VoiceConnectorId", "Value": "vc-1"}
    numbers = [number_record(index, Associations=[association]) for index in range(9)]
    numbers[4]["Associations"] = [association, association | {"AssociatedTimestamp": "yesterday"}]
    response = await same_response(Account(numbers=numbers), text)
    assert [path for _, path, *_ in response.errors] == [
        ("phoneNumbers", "nodes", 4, "associations", 1, "associatedTimestamp")
    ]
    _, calls = await count_calls(response_of(PROJECTING, Account(numbers=numbers), text, None, None))
    assert fields_executed(calls) == 2 + 2 + 2


async def test_missing_keys_have_the_values_that_their_fields_declare() -> None:
    selection = "status capabilities { inboundCall } associations { name value associatedTimestamp }"
    text = f"{{ phoneNumbers {{ nodes {{ {selection} }} }} }}"
    lacking = [
        number_record(0, Associations=None, Capabilities=None, Status=None),
        number_record(1, Associations=[{"Value": "vc-1"}], Capabilities={}),
    ]
    account = Account(numbers=lacking)
    nothing: dict[str, Any] = {"status": None, "capabilities": None, "associations": []}
    association = {"name": "UNKNOWN", "value": "vc-1", "associatedTimestamp": None}
    little = {"status": "UNASSIGNED", "capabilities": {"inboundCall": None}, "associations": [association]}
    assert json.loads((await same_response(account, text)).data) == {"phoneNumbers": {"nodes": [nothing, little]}}
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, None))
    assert fields_executed(calls) == 1


async def test_equal_capabilities_share_one_object_of_the_response() -> None:
    selection = "capabilities { inboundCall __typename } flags: capabilities { sms: outboundSMS mms: inboundMMS }"
    text = f"{{ phoneNumbers {{ nodes {{ {selection} no: capabilities {{ inboundSMS @skip(if: true) }} }} }} }}"
    flags = [{"OutboundSMS": sms, "InboundMMS": mms} for sms in (True, False, None) for mms in (True, False, None)]
    account = Account(numbers=[number_record(index, Capabilities=flags[index % 9]) for index in range(18)])
    shown = json.loads((await same_response(account, text)).data)["phoneNumbers"]["nodes"]
    assert [each["flags"] for each in shown] == [
        {"sms": each["OutboundSMS"], "mms": each["InboundMMS"]} for each in flags * 2
    ]
    result = await PROJECTING(text, None, None, account.context())
    assert result.data is not None
    assert len({id(each["flags"]) for each in result.data["phoneNumbers"]["nodes"]}) == 9


async def test_odd_capabilities_are_no_flags() -> None:
    text = "{ phoneNumbers { nodes { capabilities { inboundCall outboundCall } } } }"
    even = {"InboundCall": True, "OutboundCall": False}
    values: list[Any] = [1, 0, 1.0, 2, "yes", [], {}]
    for value in values:
        numbers = [number_record(index, Capabilities=even | {"InboundCall": value}) for index in (0, 1)]
        account = Account(numbers=[number_record(9, Capabilities=even), *numbers])
        response = await same_response(account, text)
        assert bool(response.errors) is not isinstance(value, int | float)


async def test_the_number_of_shared_capabilities_is_bounded() -> None:
    keys = ("InboundCall", "OutboundCall", "InboundSMS", "OutboundSMS", "InboundMMS", "OutboundMMS")
    every = [dict(zip(keys, flags, strict=True)) for flags in product((True, False, None), repeat=6)]
    names = "inboundCall outboundCall inboundSMS outboundSMS inboundMMS outboundMMS"
    text = f"{{ phoneNumbers(first: 1000) {{ nodes {{ capabilities {{ {names} }} }} }} }}"
    account = Account(numbers=[number_record(index, Capabilities=flags) for index, flags in enumerate(every)])
    await same_response(account, text)
    first, second = [await PROJECTING(text, None, None, account.context()) for _ in range(2)]
    assert first.data is not None
    assert second.data is not None
    pairs = zip(first.data["phoneNumbers"]["nodes"], second.data["phoneNumbers"]["nodes"], strict=True)
    assert sum(one["capabilities"] is other["capabilities"] for one, other in pairs) == 64


async def test_a_field_with_a_resolver_keeps_its_place_among_projected_fields() -> None:
    text = "{ phoneNumbers { nodes { status associations { target { __typename } } country order { id } name } } }"
    account = account_with(
        OrderId=order_record(0, [])["PhoneNumberOrderId"], Associations=[{"Name": "AccountId", "Value": "a"}]
    )
    response = await same_response(account, text)
    names = ["status", "associations", "country", "order", "name"]
    assert list(json.loads(response.data)["phoneNumbers"]["nodes"][0]) == names
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, None))
    # The connection, its nodes, the associations, their target and its typename, and a link beside these.
    assert fields_executed(calls) == 2 + 4


async def test_links_of_a_list_are_projected_at_every_level() -> None:
    ids = ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"]
    account = Account(
        numbers=[number_record(index, OrderId=ids[index % 2]) for index in range(8)],
        orders=[
            order_record(index, [e164(each) for each in range(4)], PhoneNumberOrderId=ids[index]) for index in (0, 1)
        ],
    )
    text = """
    {
      phoneNumberOrders {
        nodes {
          orderedPhoneNumbers {
            phoneNumber { country order { phoneNumberOrderId orderedPhoneNumbers { phoneNumber { status } } } }
            again: phoneNumber { id }
          }
        }
      }
    }
    """
    response = await same_response(account, text)
    (first, *_), *_ = [
        order["orderedPhoneNumbers"] for order in json.loads(response.data)["phoneNumberOrders"]["nodes"]
    ]
    assert first["phoneNumber"]["order"]["phoneNumberOrderId"] == ids[0]
    assert len(first["phoneNumber"]["order"]["orderedPhoneNumbers"]) == 4
    assert response.calls == ("ListPhoneNumberOrders", "ListPhoneNumbers")
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, None))
    assert fields_executed(calls) == 1


async def test_connection_of_which_no_field_is_left_costs_no_call() -> None:
    text = "{ phoneNumbers { nodes @include(if: false) { id } pageInfo @skip(if: true) { endCursor } } }"
    response = await same_response(account_with(), text)
    assert json.loads(response.data) == {"phoneNumbers": {}}
    assert response.calls == ()


class BrokenAccount(Account):
    """An account whose list of phone numbers raises an error that no code expects."""

    async def list_phone_numbers(self, *_: Any, **__: Any) -> Any:
        raise KeyError


async def test_an_unexpected_error_of_a_list_is_an_error_of_its_field() -> None:
    # Without the error, the fields would wait for ever.
    async with asyncio.timeout(20):
        response = await same_response(BrokenAccount(), "{ phoneNumbers { nodes { id } } }")
    assert [(path, kind) for _, path, _, kind, *_ in response.errors] == [(("phoneNumbers", "nodes"), KeyError)]


class AccountWithSlowOrders(Account):
    """An account whose gets of orders last some ticks of the event loop, and then note that they return."""

    async def get_phone_number_order(self, order_id: str, *, requester: Requester) -> Any:
        order = await super().get_phone_number_order(order_id, requester=requester)
        for _ in range(20):
            await asyncio.sleep(0)
        self.calls.append("order returned")
        return order


async def test_links_of_loaded_records_are_followed_while_other_records_are_loaded() -> None:
    text = """
    {
      phoneNumberOrders(first: 1) { nodes { status } }
      phoneNumbers(first: 2) { nodes { order { orderedPhoneNumbers { phoneNumber { name } } } } }
    }
    """
    account = AccountWithSlowOrders(
        numbers=[number_record(index, OrderId=ORDER_IDS[index % 2]) for index in range(4)],
        orders=[order_record(index, [e164(index + 2)]) for index in range(2)],
        rows_each=2,
    )
    await same_response(account, text)
    projected = await response_of(PROJECTING, account, text, None, None)
    assert projected.calls.count("GetPhoneNumber") == 2
    assert projected.calls.index("GetPhoneNumber") < projected.calls.index("order returned")


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        pytest.param({"CreatedTimestamp": "yesterday"}, ("phoneNumber", "createdTimestamp"), id="an odd value"),
        pytest.param({"CallingName": {}}, ("phoneNumber", "callingName"), id="an object"),
        pytest.param({"OrderId": 7}, ("phoneNumber", "order"), id="a link that is no text"),
    ],
)
async def test_an_odd_linked_record_is_an_error_of_its_own_path_only(
    odd: dict[str, Any], path: tuple[str, ...]
) -> None:
    text = """{ phoneNumberOrders { nodes { orderedPhoneNumbers {
      status phoneNumber { id createdTimestamp callingName order { id } } } } } }"""
    account = Account(
        numbers=[number_record(0), number_record(1, **odd), number_record(2)],
        orders=[order_record(0, [e164(index) for index in range(4)])],
    )
    response = await same_response(account, text)
    assert [told[1] for told in response.errors] == [("phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", 1, *path)]
    # The second execution uses the records of the first one. The get is for the number that the list does not hold. The
    # last call reads the orders for the numbers, because the chime API does not name their orders.
    assert response.calls == ("ListPhoneNumberOrders", "ListPhoneNumbers", "GetPhoneNumber", "ListPhoneNumberOrders")
    (order,) = json.loads(response.data)["phoneNumberOrders"]["nodes"]
    linked = [row["phoneNumber"] for row in order["orderedPhoneNumbers"]]
    assert [row is None for row in linked] == [False, False, False, True]


async def test_links_beside_a_field_with_a_resolver_are_followed() -> None:
    ordered, linked = "orderedPhoneNumbers", "phoneNumber { status }"
    resolved = "phoneNumber { associations { target { __typename } } }"
    account = Account(numbers=[number_record(0)], orders=[order_record(0, [e164(0)])])
    for selection in (
        f"nodes {{ a: {ordered} {{ {linked} }} b: {ordered} {{ {resolved} }} }}",
        f"nodes {{ a: {ordered} {{ {linked} x: {resolved} }} }}",
        f"edges {{ a: node {{ {ordered} {{ {linked} }} }} b: node {{ {ordered} {{ {resolved} }} }} }}",
    ):
        response = await same_response(account, f"{{ phoneNumberOrders {{ {selection} }} }}")
        assert '"status": "UNASSIGNED"' in response.data


async def test_an_error_of_one_linked_record_does_not_affect_the_others() -> None:
    text = "{ phoneNumberOrders { nodes { orderedPhoneNumbers { phoneNumber { id } } } } }"
    # Two numbers are fetched by gets, and the first number is in the list.
    account = Account(
        numbers=[number_record(0)],
        orders=[order_record(0, [e164(0), e164(1)])],
        failing={"GetPhoneNumber": Throttled},
    )
    response = await same_response(account, "{ phoneNumbers { nodes { id } } " + text.removeprefix("{"))
    assert [told[1][-2:] for told in response.errors] in (
        [(0, "phoneNumber"), (1, "phoneNumber")],
        [(1, "phoneNumber")],
    )


async def test_links_of_a_single_object_are_projected() -> None:
    selection = "status orderedPhoneNumbers { phoneNumber { id } }"
    text = f"query ($id: ID!) {{ phoneNumberOrder(phoneNumberOrderId: $id) {{ {selection} }} }}"
    account = account_with()
    given = {"id": account.orders[0]["PhoneNumberOrderId"]}
    assert '"phoneNumber": {' in (await same_response(account, text, given=given)).data
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, given))
    assert fields_executed(calls) == 1


async def test_resolver_errors_keep_path_and_order_beside_projected_and_odd_fields() -> None:
    text = """
    {
      phoneNumbers {
        nodes {
          createdTimestamp
          order { id }
          associations { value target { ... on ChimeAccount { phoneNumbers(first: -1) { nodes { id } } } } name }
          capabilities { inboundSMS }
        }
      }
    }
    """
    numbers = [
        number_record(0, Associations=[{"Name": "AccountId", "Value": "a"}]),
        number_record(1, CreatedTimestamp="yesterday", Capabilities={"InboundSMS": "no"}, OrderId="gone"),
        number_record(2, Associations=[{"Name": "AccountId", "Value": "b"}], Capabilities=[]),
    ]
    response = await same_response(Account(numbers=numbers), text)
    assert {path[2:4] for _, path, *_ in response.errors} == {
        *((0, "associations"), (1, "createdTimestamp"), (1, "capabilities"), (2, "associations"), (2, "capabilities")),
    }


async def test_projections_are_compiled_once_for_a_document() -> None:
    text = "{ once: phoneNumbers { nodes { country status } edges { cursor node { id } } } }"
    account = account_with()
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, None))
    assert projections_compiled(calls) == 1  # The connection, with its nodes and edges.
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, None))
    assert projections_compiled(calls) == 0
    # If a row is odd, its list and its fields are completed separately.
    odd = account_with(Country=3)
    _, calls = await count_calls(response_of(PROJECTING, odd, text, None, None))
    assert projections_compiled(calls) == 2
    _, calls = await count_calls(response_of(PROJECTING, odd, text, None, None))
    assert projections_compiled(calls) == 0


async def test_each_combination_of_boolean_variables_has_its_own_projection() -> None:
    text = """
    query ($a: Boolean!, $b: Boolean! = true, $c: Int) {
      phoneNumbers(first: $c) {
        nodes { country @skip(if: $a) capabilities { inboundCall @include(if: $b) outboundCall } }
      }
    }
    """
    account = account_with()
    for a in (True, False):
        for given in ({"a": a}, {"a": a, "b": False}):
            _, calls = await count_calls(response_of(PROJECTING, account, text, None, given))
            assert projections_compiled(calls) == 1
    # Variables of other types do not matter, and a default counts like a sent value.
    _, calls = await count_calls(response_of(PROJECTING, account, text, None, {"a": True, "b": True, "c": 3}))
    assert projections_compiled(calls) == 0
    for a, b in ((True, True), (True, False), (False, True), (False, False)):
        response = await same_response(account, text, given={"a": a, "b": b})
        assert ("country" in response.data, "inboundCall" in response.data) == (not a, b)


async def test_selections_with_the_same_names_have_separate_projections() -> None:
    """Projections are cached by all fields behind a response name, merged ones included."""
    text = """
    {
      a: phoneNumbers { nodes { x: country } }
      b: phoneNumbers { nodes { x: status } }
      c: phoneNumbers { nodes { ...F } }
      d: phoneNumbers { nodes { ...F capabilities { outboundCall } } }
    }
    fragment F on PhoneNumber { capabilities { inboundCall } }
    """
    both = {"inboundCall": True, "outboundCall": True}
    assert json.loads((await same_response(account_with(), text)).data) == {
        "a": {"nodes": [{"x": "US"}]},
        "b": {"nodes": [{"x": "UNASSIGNED"}]},
        "c": {"nodes": [{"capabilities": {"inboundCall": True}}]},
        "d": {"nodes": [{"capabilities": both}]},
    }


async def test_a_record_of_the_wrong_type_is_an_error_everywhere() -> None:
    """The upstream client removes such a key from a record (upstream/record_reader.py), so the account adds it."""
    stray = account_with()
    stray.numbers[0]["PhoneNumberOrderId"] = "order"
    stray.orders[0]["OrderedPhoneNumbers"].append({"E164PhoneNumber": e164(0)})
    for text in (
        "{ phoneNumbers { nodes { country } } }",
        "{ phoneNumbers { edges { cursor node { __typename } } } }",
        "{ phoneNumberOrders { nodes { orderedPhoneNumbers { status phoneNumber { country } } } } }",
        "{ phoneNumberOrders { nodes { orderedPhoneNumbers { phoneNumber { __typename } } } } }",
    ):
        response = await same_response(stray, text)
        assert response.errors[0][0].startswith("Expected value of type 'PhoneNumber' but got")


async def test_operations_of_one_document_have_separate_projections() -> None:
    text = """
    query A { phoneNumbers { nodes { ...F } } } query B { phoneNumbers { nodes { ...F country } } }
    fragment F on PhoneNumber { a: id }
    """
    account = account_with()
    for operation, names in (("A", '{"a"'), ("B", '"country": "US"'), ("A", '{"a"')):
        assert names in (await same_response(account, text, operation)).data


async def test_null_for_a_boolean_variable_with_a_default_is_an_error_of_each_object() -> None:
    """The error belongs to the objects of a list, so an empty list has no error."""
    selections = (
        "nodes { id @skip(if: $skipped) }",
        "nodes { capabilities { inboundCall @skip(if: $skipped) } }",
        "edges { node { id @skip(if: $skipped) } }",
    )
    for selection in selections:
        document = f"query ($skipped: Boolean = true) {{ phoneNumbers {{ {selection} }} }}"
        for account in (Account(), account_with(), account_with(Capabilities=None)):
            await same_response(account, document, given={"skipped": None})
            await same_response(account, document)


async def test_one_fragment_on_two_types_has_a_projection_for_each() -> None:
    text = "query ($ids: [ID!]!) { nodes(ids: $ids) { ...F } } fragment F on Node { id }"
    ids = [global_id("PhoneNumber", e164(0)), global_id("PhoneNumberOrder", ORDER_IDS[0])]
    response = await same_response(account_with(), text, given={"ids": ids})
    assert json.loads(response.data) == {"nodes": [{"id": each} for each in ids]}
    _, calls = await count_calls(response_of(PROJECTING, account_with(), text, None, {"ids": ids}))
    assert fields_executed(calls) == 1


async def test_introspection_equals_that_of_the_standard_executor() -> None:
    response = await same_response(Account(), INTROSPECTION)
    assert not response.errors


async def test_the_number_of_cached_projections_is_bounded() -> None:
    """Projections past the bound are compiled for each request. The response is the same."""
    switches = 9
    declared = ", ".join(f"$s{index}: Boolean!" for index in range(switches))
    fields = " ".join(f"f{index}: country @skip(if: $s{index})" for index in range(switches))
    text = f"query ({declared}) {{ phoneNumbers {{ nodes {{ id {fields} }} }} }}"
    account = account_with()
    made = []
    for _ in range(2):
        for combination in range(2**switches):
            given = {f"s{index}": bool(combination >> index & 1) for index in range(switches)}
            response, calls = await count_calls(response_of(PROJECTING, account, text, None, given))
            assert response.data.count('"US"') == switches - combination.bit_count()
            made.append(projections_compiled(calls))
    # The oldest is evicted first, so the second round finds no projection of the first.
    assert made == [1] * 2**switches * 2
    for _ in range(2):
        _, calls = await count_calls(response_of(PROJECTING, account, text, None, given))
        assert projections_compiled(calls) == 0


async def test_the_least_recently_used_documents_are_evicted() -> None:
    keys = ["country", "status", "type", "productType", "name"]
    values = ["US", "UNASSIGNED", "LOCAL", "VOICE_CONNECTOR", None]
    account = account_with()
    # So long that a few hundred documents fill the cache.
    padding = "#" + "x" * 1_000

    def text(index: int) -> str:
        return f"{{ forgotten{index}: phoneNumbers {{ nodes {{ value: {keys[index % 5]} }} }} }} {padding}"

    way = projecting_executor(SCHEMA)
    documents = 2 * MAX_CACHED_CHARACTERS // len(text(0))
    for index in range(documents):
        response, _ = await count_calls(response_of(way, account, text(index), None, None))
        assert json.loads(response.data) == {f"forgotten{index}": {"nodes": [{"value": values[index % 5]}]}}
        if index % 20 == 0:
            gc.collect()
            _, calls = await count_calls(response_of(way, account, text(0), None, None))
            assert calls["parse"] == 0
    _, calls = await count_calls(response_of(way, account, text(documents - 1), None, None))
    assert (calls["parse"], projections_compiled(calls)) == (0, 0)
    _, calls = await count_calls(response_of(way, account, text(1), None, None))
    assert (calls["parse"], projections_compiled(calls)) == (1, 1)


async def test_a_document_longer_than_the_cache_is_run_and_not_cached() -> None:
    text = "{ phoneNumbers { nodes { country } } } #" + "x" * MAX_CACHED_CHARACTERS
    way = projecting_executor(SCHEMA)
    for _ in range(2):
        response, calls = await count_calls(response_of(way, account_with(), text, None, None))
        assert json.loads(response.data) == {"phoneNumbers": {"nodes": [{"country": "US"}]}}
        assert calls["parse"] == 1


async def test_introspection_results_are_cached_unless_there_are_variables() -> None:
    way = projecting_executor(SCHEMA)
    first, _ = await count_calls(response_of(way, Account(), INTROSPECTION, None, None))
    again, calls = await count_calls(response_of(way, Account(), INTROSPECTION, None, None))
    assert again == first
    assert fields_executed(calls) == 0
    text = "query ($deprecated: Boolean!) { __schema { types { fields(includeDeprecated: $deprecated) { name } } } }"
    for deprecated in (True, False):
        _, calls = await count_calls(response_of(way, Account(), text, None, {"deprecated": deprecated}))
        assert fields_executed(calls) > 0


async def test_introspection_beside_records_is_not_cached() -> None:
    text = "{ __typename phoneNumbers { nodes { country } } }"
    for country in ("US", "CA"):
        response = await same_response(account_with(Country=country), text)
        assert f'"country": "{country}"' in response.data


@strawberry.type
class Thing:
    name: str = "thing"


async def _thing() -> Thing:
    return Thing()


async def _fails() -> Thing:
    raise ValueError("awaited")


def _things() -> Any:
    return [Thing(), None, ValueError("given"), _thing(), _fails(), Thing(name=5), Thing(name=None)]  # type: ignore[arg-type]  # Odd.


@strawberry.type
class Things:
    things: list[Thing | None] = strawberry.field(resolver=_things, directives=[PART_OF_RECORD, list_of(7)])
    even: Thing = strawberry.field(resolver=Thing, directives=[PART_OF_RECORD])
    odd: list[Thing | None] = strawberry.field(
        resolver=lambda: [Thing(), Thing(name=None)],  # type: ignore[arg-type]  # Odd.
        directives=[PART_OF_RECORD, list_of(2)],
    )
    just_things: list[Thing] | None = strawberry.field(resolver=_things, directives=[PART_OF_RECORD, list_of(7)])


async def test_null_in_a_non_null_field_nulls_its_object() -> None:
    schema = strawberry.Schema(Things)
    standard, projecting = standard_executor(schema), projecting_executor(schema)
    text = "{ odd { name again: name } }"
    assert await _told(projecting, text) == await _told(standard, text)
    assert (await _told(standard, text))[0] == {"odd": [{"name": "thing", "again": "thing"}, None]}


async def _told(way: Executor, text: str) -> tuple[Any, ...]:
    result = await way(text, None, None, Account().context())
    # If a non-null item failed, the items after it must still be awaited.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    return result.data, [(error.message, error.path, error.locations) for error in result.errors or ()]


async def test_lists_of_nulls_exceptions_and_awaitables_are_executed_field_by_field() -> None:
    schema = strawberry.Schema(Things)
    standard, projecting = standard_executor(schema), projecting_executor(schema)
    for selection in ("name", "__typename", "name __typename", "name @skip(if: true)"):
        for name in ("things", "justThings"):
            text = f"{{ {name} {{ {selection} }} }}"
            assert await _told(projecting, text) == await _told(standard, text), text


@strawberry.type
class CheckedThing:
    name: str

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        """Return whether a source is a thing with the right name."""
        return isinstance(source, cls) and source.name == "thing"


@strawberry.type
class CheckedThings:
    things: list[CheckedThing | None] = strawberry.field(
        resolver=lambda: [CheckedThing(name="thing"), CheckedThing(name="other")],
        directives=[PART_OF_RECORD, list_of(2)],
    )


async def test_a_type_with_a_test_of_its_own_is_executed_field_by_field() -> None:
    schema = strawberry.Schema(CheckedThings)
    text = "{ things { name } }"
    told = await _told(projecting_executor(schema), text)
    assert told == await _told(standard_executor(schema), text)
    assert told[0] == {"things": [{"name": "thing"}, None]}
