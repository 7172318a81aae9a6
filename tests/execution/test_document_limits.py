"""Limits of a document, over HTTP: each at its bound and one past it, without an upstream call."""

import json
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from gateway.execution.document_cache import TOO_MANY_COMPARISONS
from gateway.http.content_negotiation import GRAPHQL_RESPONSE
from tests.conftest import Gateway
from tests.execution.random_documents import WHOLE_INTROSPECTION
from tests.support.serving import gateway_to_nowhere

ENTITIES = "query($of: [_Any!]!) { _entities(representations: $of) { __typename } }"
SOME = [{"__typename": "SipRule", "sipRuleId": "s"}]


def named(count: int) -> str:
    """Return the text of so many aliased root fields, of three tokens each."""
    return " ".join(f"a{index}: __typename" for index in range(count))


def nested(depth: int) -> str:
    """Return a document of this depth. It makes no upstream call, because its page has no rows."""
    levels = ["_entities(representations: $of)", "... on SipRule", "phoneNumbers(first: 0)", "nodes", "order"]
    levels += ["orderedPhoneNumbers", "phoneNumber", "order"] * depth
    # The second level is a type condition, not a field.
    levels = levels[:depth]
    return f"query($of: [_Any!]!) {{ {' { '.join([*levels, '__typename'])} {'}' * depth} }}"


def rejection(http: httpx.Client, text: str, **parameters: Any) -> dict[str, Any]:
    """Return the one error of a rejected request. Check that it is the same in both media types, without data."""
    body = {"query": text, **parameters}
    [error] = http.post("/graphql", json=body).json()["errors"]
    strict = http.post("/graphql", json=body, headers={"accept": GRAPHQL_RESPONSE})
    assert (strict.status_code, strict.json()) == (400, {"errors": [error]})
    return dict(error)


def succeeds(http: httpx.Client, text: str, **parameters: Any) -> bool:
    """Return whether an operation has data, and check that it has no error."""
    response = http.post("/graphql", json={"query": text, **parameters}).json()
    assert "errors" not in response, response
    return "data" in response


FRAGMENTS = "fragment F on Query { ...G ...G } fragment G on Query { a: __typename b: __typename }"


@pytest.mark.parametrize(
    ("setting", "value", "within", "past", "words"),
    [
        (
            "max_tokens",
            8,
            "{ a: __typename b: __typename }",
            "{ a: __typename b: __typename c }",
            "more than 8 tokens",
        ),
        ("max_tokens", 8, "# 1\n" * 8 + "{ __typename }", "# 1\n" * 9 + "{ __typename }", "more than 8 tokens"),
        ("max_depth", 12, nested(12), nested(13), "a depth of 13"),
        ("max_aliases", 9, f"{{ {named(9)} }}", f"{{ {named(10)} }}", "10 aliases"),
        ("max_aliases", 4, f"{{ ...F }} {FRAGMENTS}", f"{{ ...F a: __typename }} {FRAGMENTS}", "5 aliases"),
        ("max_root_fields", 10, "{" + "__typename " * 10 + "}", "{" + "__typename " * 11 + "}", "11 root fields"),
        (
            "max_root_fields",
            4,
            f"{{ ...F }} {FRAGMENTS}",
            f"{{ ...F ... {{ a: __typename }} }} {FRAGMENTS}",
            "5 root fields",
        ),
        (
            "max_directives",
            2,
            "{ a: __typename @skip(if: false) b: __typename @skip(if: false) }",
            "{ a: __typename @skip(if: false) b: __typename @skip(if: false) ... @skip(if: false) { __typename } }",
            "3 directives",
        ),
        (
            "max_directives",
            0,
            "query($a: Boolean = true) { __typename ... F } fragment F on Query { a: __typename }",
            "query($a: Boolean = true @b) @c { __typename @d ... F @e } fragment F on Query @f { a: __typename }",
            "5 directives",
        ),
        ("max_cost", 2, ENTITIES, "{ _entities(representations: [{}, {}]) { __typename } }", "a cost of 4 points"),
    ],
)
def test_a_document_at_a_limit_is_run_and_one_past_it_is_rejected(
    setting: str, value: int, within: str, past: str, words: str
) -> None:
    with gateway_to_nowhere(**{setting: value}) as http:
        of = {"of": SOME}
        assert succeeds(http, within.replace("query($a: Boolean = true)", "query"), variables=of)
        error = rejection(http, past, variables=of)
    assert error["extensions"] == {"code": "DOCUMENT_TOO_COMPLEX"}
    advice = ""
    if setting == "max_root_fields":
        advice = ". To count rows by status, select facets of one list. To list several statuses, use statusIn"
    assert error["message"] == f"The document has {words}; the limit is {value}{advice} (GATEWAY_{setting.upper()})."


def test_the_variables_of_each_request_decide_its_cost() -> None:
    with gateway_to_nowhere(max_cost=6) as http:
        assert succeeds(http, ENTITIES, variables={"of": SOME * 3})
        error = rejection(http, ENTITIES, variables={"of": SOME * 4})
        assert succeeds(http, ENTITIES, variables={"of": SOME * 2})
    assert error["extensions"] == {"code": "DOCUMENT_TOO_COMPLEX"}
    assert "a cost of 8 points; the limit is 6 " in error["message"]


@pytest.mark.parametrize("first", [1000, 1000.0])
async def test_an_operation_that_costs_too_much_makes_no_call(aws: Any, gateway: Gateway, first: float) -> None:
    text = (
        "query($n: Int) { phoneNumbers(first: $n) { nodes { associations { target { ... on VoiceConnector "
        "{ phoneNumbers(first: 1) { nodes { id } } } } } } } }"
    )
    response = await gateway.execute(text, n=first)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["DOCUMENT_TOO_COMPLEX"]
    assert "data" not in response
    assert aws.calls == []


def test_usual_introspection_documents_are_within_all_limits(endpoint: httpx.Client) -> None:
    for text in (get_introspection_query(), WHOLE_INTROSPECTION):
        assert succeeds(endpoint, text)


@pytest.mark.parametrize(
    "text",
    [
        f"{{ {' '.join(f'{alias}: __schema {{ types {{ name }} }}' for alias in 'abcdef')} }}",
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
    ],
)
def test_multiplied_introspection_is_rejected(endpoint: httpx.Client, text: str) -> None:
    rejection(endpoint, text)


@pytest.mark.parametrize(
    "text",
    [
        "{" + "phoneNumbers { nodes { id } } " * 4000 + "}",
        "{" * 60_000,
        "{ phoneNumbers {" + "nodes { id } " * 370 + "} }",
        "query($n: Int) { ...F0 } "
        + " ".join(f"fragment F{i} on Query {{ a: __typename ...F{i + 1} ...F{i + 1} }}" for i in range(90))
        + " fragment F90 on Query { __typename }",
        "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
        "{ " + " ".join(f"...F{i}" for i in range(200)) + " }",
        '{ phoneNumber(e164PhoneNumber: "' + "1" * 130_000 + '") { id } }',
        "{ phoneNumbers(first: " + "1" * 130_000 + ") { nodes { id } } }",
        "#" * 100 + "\n" + "#\n" * 60_000 + "{ __typename }",
        "{ __typename " + "@a " * 5000 + "}",
    ],
)
def test_hostile_documents_are_rejected_with_a_code_and_a_message(endpoint: httpx.Client, text: str) -> None:
    response = endpoint.post("/graphql", json={"query": text}).json()
    assert "data" not in response
    for error in response["errors"]:
        assert error["message"]
        assert error["extensions"]["code"] in {
            "DOCUMENT_TOO_COMPLEX",
            "GRAPHQL_PARSE_FAILED",
            "GRAPHQL_VALIDATION_FAILED",
            "BAD_USER_INPUT",
        }


@pytest.mark.parametrize(
    "text", ["{{ {}: __typename }}", "query {} {{ __typename }}", "{{ ...{0} }} fragment {0} on Query {{ __typename }}"]
)
def test_a_name_of_more_than_128_characters_is_rejected(endpoint: httpx.Client, text: str) -> None:
    """The response repeats an alias in every row, so its length is limited."""
    assert succeeds(endpoint, text.format("n" * 128))
    error = rejection(endpoint, text.format("n" * 129))
    assert error["extensions"] == {"code": "DOCUMENT_TOO_COMPLEX"}
    assert "128" in error["message"]
    # A comment may be longer than a name.
    assert succeeds(endpoint, f"{{ __typename @skip(if: false) nodes(ids: []) {{ id }} }} # {'c' * 129}")


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("{ __typename }", {"operationName": "n" * 900_000}),
        ('{ phoneNumbers(first: "%s") { totalCount } }' % ("1" * 900_000), {}),
        ("{ %s" % ("n" * 900_000), {}),
        ("query($n: Int) { phoneNumbers(first: $n) { totalCount } }", {"variables": {"n": "n" * 900_000}}),
    ],
)
def test_an_error_message_quotes_the_request_only_in_part(
    endpoint: httpx.Client, text: str, parameters: dict[str, Any]
) -> None:
    response = endpoint.post("/graphql", json={"query": text, **parameters})
    assert response.json()["errors"][0]["message"]
    assert len(response.content) < 1_500


@pytest.mark.parametrize(
    "text",
    [
        "{ phoneNumbers { nodes { " + "order { id } " * 300 + "} } }",
        "{ phoneNumberOrders { nodes { " + "orderedPhoneNumbers { status } " * 300 + "} } }",
        "{ phoneNumbers { nodes { " + "associations { target { __typename } } " * 170 + "} } }",
    ],
)
def test_validation_stops_if_too_many_fields_must_be_compared(endpoint: httpx.Client, text: str) -> None:
    error = rejection(endpoint, text)
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert error["message"] == TOO_MANY_COMPARISONS


def test_a_cached_introspection_result_holds_no_cost_of_another_request(endpoint: httpx.Client) -> None:
    body = {"query": "{ __schema { queryType { name } } }"}
    for _ in range(2):
        assert "extensions" in endpoint.post("/graphql", json=body | {"extensions": {"cost": True}}).json()
        assert "extensions" not in endpoint.post("/graphql", json=body).json()


def test_selections_nested_too_deep_for_the_parser_are_rejected_by_depth(endpoint: httpx.Client) -> None:
    assert "depth" in rejection(endpoint, "{a" * 700 + "}" * 700)["message"]


def test_the_cost_and_the_remaining_points_are_reported_on_request(endpoint: httpx.Client) -> None:
    body = {"query": ENTITIES, "variables": {"of": SOME * 3}, "extensions": {"cost": True}}
    actual = {"rows": 0, "calls": 0}
    expected = {"cost": {"points": 6, "limit": 5000, "left": 4994, "fields": 2, "actual": actual}}
    assert endpoint.post("/graphql", json=body).json()["extensions"] == expected
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    assert endpoint.get("/graphql", params=texts).json()["extensions"] == expected
    # The response of a failing field has it as well.
    faulty = {**body, "query": '{ node(id: "x") { id } }', "variables": None}
    response = endpoint.post("/graphql", json=faulty).json()
    assert (response["data"], response["extensions"]["cost"]["points"]) == ({"node": None}, 2)


@pytest.mark.parametrize("extensions", [None, {}, {"cost": False}, {"cost": 1}, {"cost": "true"}])
def test_the_cost_is_not_reported_unless_requested(endpoint: httpx.Client, extensions: Any) -> None:
    response = endpoint.post("/graphql", json={"query": "{ __typename }", "extensions": extensions})
    assert response.json() == {"data": {"__typename": "Query"}}
