"""A request's parameters. Any malformed request gets a JSON error with a message, never a 500."""

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON_HEADERS = {"content-type": "application/json"}
TWO = "query A { a: __typename } query B { b: __typename }"
NAMED = "query Named($name: String!) { __type(name: $name) { name } }"

DOCUMENTS = st.sampled_from(
    [
        "{ __typename }",
        TWO,
        NAMED,
        "mutation { __typename }",
        "subscription { __typename }",
        "fragment F on Query { __typename }",
        "{ __typename @skip(if: true) }",
        "{ ...F } fragment F on Query { ...F }",
        "query ($a: Int = 99999999999999999999) { __typename }",
        "{" * 3_000,
        "\ufeff{ __typename }",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | DOCUMENTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("name"), inner, max_size=3)
    ),
    max_leaves=8,
)
# Each example is a request, and how long it takes depends on the machine.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(["query", "operationName", "variables", "extensions", "name"])


def assert_is_graphql_response(response: httpx.Response) -> None:
    """Assert that the response is a JSON object with data, or with errors that have a message and a code."""
    assert response.status_code in {200, 400, 405}, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert len(response.headers["x-request-id"]) == 32
    body = response.json()
    assert "data" in body or body["errors"]
    for error in body.get("errors", ()):
        assert error["message"]
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


@UNHURRIED
@given(st.binary(max_size=200) | st.text().map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_gets_a_graphql_response(endpoint: httpx.Client, body: bytes) -> None:
    assert_is_graphql_response(endpoint.post("/graphql", content=body, headers=JSON_HEADERS))


@UNHURRIED
@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]))
def test_any_parameters_get_a_graphql_response(
    endpoint: httpx.Client, given_ones: dict[str, Any], charset: str
) -> None:
    body = json.dumps(given_ones, ensure_ascii=charset == "latin-1").encode(charset, "surrogatepass")
    assert_is_graphql_response(endpoint.post("/graphql", content=body, headers=JSON_HEADERS))


@UNHURRIED
@given(
    st.binary(max_size=100).map(quote_from_bytes)
    | st.dictionaries(NAMES, DOCUMENTS | VALUES.map(json.dumps) | st.text(st.characters(codec="utf-8"))).map(urlencode)
)
def test_any_query_string_gets_a_graphql_response(endpoint: httpx.Client, query_string: str) -> None:
    # The server rejects a longer URL.
    assume(len(query_string) < 8_000)
    assert_is_graphql_response(endpoint.get(f"/graphql?{query_string}"))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param(b"", "JSON", id="nothing"),
        pytest.param(b" ", "JSON", id="a blank"),
        pytest.param(b"null", "object", id="null"),
        pytest.param(b"7", "object", id="a number"),
        pytest.param(b'"x"', "object", id="a text"),
        pytest.param(b"[]", "batches", id="an empty batch"),
        pytest.param(b'[{"query": "{ __typename }"}]', "batches", id="a batch"),
        pytest.param(b"{", "JSON", id="half an object"),
        pytest.param(b'{"query": "{ __typename }"} {}', "JSON", id="two objects"),
        pytest.param(b'\xef\xbb\xbf{"query": "{ __typename }"}', "JSON", id="a byte order mark"),
        pytest.param('{"query": "{ __typename }"}'.encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(b'{"query": "{ __typename } # \xe9"}', "UTF-8", id="Latin-1"),
        pytest.param(b'{"query": "{ __typename } # \\ud800"}', "JSON", id="half a character"),
        pytest.param(b"[" * 100_000, "deep", id="a hundred thousand levels"),
        pytest.param(
            b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
            "deep",
            id="five thousand levels of variables",
        ),
        pytest.param(
            b'{"query": "\\u007b __typename }", "variables": ' + b'{"a":' * 1_010 + b"1" + b"}" * 1_011,
            "deep",
            id="just as many levels as orjson takes",
        ),
        pytest.param(
            b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5_000 + b"}}", "number", id="5000 digits"
        ),
        pytest.param(b'{"query": "{ __typename }", "variables": {"a": NaN}}', "JSON", id="no number"),
        pytest.param(b"{}", "query", id="no query"),
        pytest.param(b'{"query": null}', "query", id="a null for a query"),
        pytest.param(b'{"query": ["{ __typename }"]}', "query", id="a list for a query"),
        pytest.param(b'{"query": ""}', "query", id="an empty query"),
        pytest.param(b'{"query": " \\n"}', "query", id="a blank query"),
        pytest.param(b'{"query": "{ __typename }", "variables": []}', "variables", id="a list for variables"),
        pytest.param(b'{"query": "{ __typename }", "variables": "{}"}', "variables", id="a text for variables"),
        pytest.param(b'{"query": "{ __typename }", "variables": false}', "variables", id="false for variables"),
        pytest.param(b'{"query": "{ __typename }", "operationName": 7}', "operationName", id="a number for a name"),
        pytest.param(b'{"query": "{ __typename }", "extensions": []}', "extensions", id="a list for extensions"),
        pytest.param(b'{"query": "{ __typename }", "extensions": "x"}', "extensions", id="a text for extensions"),
        pytest.param(b'{"query": "{ a }", "query": "{ __typename }"}', "query", id="two queries"),
        pytest.param(b'{"query": "{ a }", "\\u0071uery": "{ __typename }"}', "query", id="two queries, one escaped"),
        pytest.param(
            b'{"query": "query A { __typename } query B { __typename }", "operationName": "A", "operationName": "B"}',
            "operationName",
            id="two operationNames",
        ),
    ],
)
def test_a_malformed_body_is_400_with_a_message(endpoint: httpx.Client, body: bytes, word: str) -> None:
    for accept in ("application/json", GRAPHQL_RESPONSE):
        response = endpoint.post("/graphql", content=body, headers=JSON_HEADERS | {"accept": accept})
        assert response.status_code == 400
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        [error] = response.json()["errors"]
        assert word in error["message"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "data" not in response.json()


@pytest.mark.parametrize(
    ("query_string", "word"),
    [
        ("", "query"),
        ("query=", "query"),
        ("query={__typename}&query={__typename}", "query"),
        ("query={__typename}&query=", "query"),
        ("query={__typename}&operationName=&operationName=A", "operationName"),
        ("query={__typename}&variables={}&variables={}", "variables"),
        ("query={__typename}&variables=[]", "variables"),
        ("query={__typename}&variables=x", "variables"),
        ("query={__typename}&extensions=7", "extensions"),
        ("query={__typename}&extensions={", "extensions"),
        ("query=%ff", "UTF-8"),
        ("query=%ed%a0%80", "UTF-8"),
    ],
)
def test_a_malformed_query_string_is_400_with_a_message(endpoint: httpx.Client, query_string: str, word: str) -> None:
    response = endpoint.get(f"/graphql?{query_string}")
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert word in error["message"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": NAMED, "variables": {"name": "Query"}},
        {
            "query": NAMED,
            "variables": {"name": "Query", "unused": "\N{RUNNER}\N{LATIN SMALL LETTER E WITH ACUTE}"},
            "operationName": "Named",
        },
        {"query": NAMED, "variables": {"name": "Query"}, "operationName": "", "extensions": {"some": ["value"]}},
        {
            "query": f"\ufeff{NAMED} query Other {{ __typename }}",
            "variables": {"name": "Query"},
            "operationName": "Named",
        },
        {"query": NAMED, "variables": {"name": "Query"}, "query2": "{", "\N{RUNNER}": 1},
        {"query": f'{NAMED} # "query" "query"', "variables": {"name": "Query", "query": {"query": "\\u0071uery"}}},
    ],
)
def test_post_and_get_with_the_same_parameters_have_the_same_result(
    endpoint: httpx.Client, parameters: dict[str, Any]
) -> None:
    # In a URL, variables and extensions are JSON texts.
    texts = {name: each if isinstance(each, str) else json.dumps(each) for name, each in parameters.items()}
    posted = endpoint.post("/graphql", content=json.dumps(parameters), headers=JSON_HEADERS)
    got = endpoint.get("/graphql", params=texts)
    assert posted.json() == got.json() == {"data": {"__type": {"name": "Query"}}}
    assert posted.status_code == got.status_code == 200


def test_optional_parameters_may_be_null(endpoint: httpx.Client) -> None:
    parameters = {"query": "{ __typename }", "variables": None, "operationName": None, "extensions": None}
    assert endpoint.post("/graphql", json=parameters).json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("document", "name", "code", "word"),
    [
        (TWO, None, "BAD_USER_INPUT", "operation name"),
        (TWO, "C", "BAD_USER_INPUT", "C"),
        ("{ __typename } { __schema { __typename } }", None, "GRAPHQL_VALIDATION_FAILED", "must be the only"),
        ("query A { __typename } query A { __typename }", "A", "GRAPHQL_VALIDATION_FAILED", "A"),
        ("fragment F on Query { __typename }", None, "GRAPHQL_VALIDATION_FAILED", "never used"),
        ("mutation { __typename }", None, "GRAPHQL_VALIDATION_FAILED", "mutation"),
        ("subscription { __typename }", None, "GRAPHQL_VALIDATION_FAILED", "subscription"),
        (NAMED, None, "BAD_USER_INPUT", "name"),
    ],
)
def test_a_well_formed_request_that_cannot_be_run_has_the_status_of_its_media_type(
    endpoint: httpx.Client, document: str, name: str | None, code: str, word: str
) -> None:
    """Clients of plain JSON expect 200 from a GraphQL server. The other media type proves the origin of a 400."""
    for accept, status in (("application/json", 200), (GRAPHQL_RESPONSE, 400)):
        parameters = {"query": document, "operationName": name}
        response = endpoint.post("/graphql", json=parameters, headers={"accept": accept})
        assert response.status_code == status
        error, *_ = response.json()["errors"]
        assert error["extensions"]["code"] == code
        assert word in error["message"]
        assert "data" not in response.json()


def test_data_with_errors_beside_it_is_200_in_both_media_types(endpoint: httpx.Client) -> None:
    """Without an upstream the field is null, but the operation was executed."""
    for accept in ("application/json", GRAPHQL_RESPONSE):
        query = '{ phoneNumber(e164PhoneNumber: "+12065550100") { id } }'
        response = endpoint.post("/graphql", json={"query": query}, headers={"accept": accept})
        assert response.status_code == 200
        assert response.json()["data"] == {"phoneNumber": None}
        assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UPSTREAM_UNREACHABLE"]


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (
            "query ($f: String) { phoneNumbers(filter: { association: { voiceConnectorId: $f } }) { nodes { id } } }",
            {},
        ),
        (
            'query ($n: E164PhoneNumber = "+12065550100") { phoneNumber(e164PhoneNumber: $n) { id } }',
            {"n": None},
        ),
        ('query ($n: [ID!] = ["x"]) { nodes(ids: $n) { id } }', {"n": None}),
        ("query ($n: Boolean = true) { phoneNumbers(first: 0) { totalCount @skip(if: $n) } }", {"n": None}),
    ],
    ids=["none given", "null for a number", "null for a list", "null for @skip"],
)
def test_a_variable_that_does_not_fit_its_argument_is_bad_user_input(
    endpoint: httpx.Client, document: str, variables: dict[str, Any]
) -> None:
    response = endpoint.post("/graphql", json={"query": document, "variables": variables}).json()
    assert [error["extensions"] for error in response["errors"]] == [{"code": "BAD_USER_INPUT"}]


def nested(levels: int) -> str:
    """Return a JSON object with this many levels. Every other level is a list."""
    value: object = 1
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return json.dumps({"a": value})


def test_json_may_have_32_levels_but_not_33(endpoint: httpx.Client) -> None:
    """The body itself is one level. Braces within strings do not count."""
    texts = '"query": "{ __typename }", "extensions": {"a": "' + "{[" * 50 + '"}'
    for name in ("variables", "extensions"):
        for levels, status in ((31, 200), (32, 400)):
            body = f'{{{texts}, "{name}": {nested(levels)}}}'.replace('"extensions"', '"other"', name == "extensions")
            response = endpoint.post("/graphql", content=body, headers=JSON_HEADERS)
            assert (response.status_code, "32" in response.text) == (status, status == 400)
        for levels, status in ((32, 200), (33, 400)):
            response = endpoint.get("/graphql", params={"query": "{ __typename }", name: nested(levels)})
            assert (response.status_code, "32" in response.text) == (status, status == 400)


@pytest.mark.parametrize("digits", ["9" * 20, "-" + "9" * 30, "9" * 300])
def test_an_integer_beyond_64_bits_is_rejected_as_an_int(endpoint: httpx.Client, digits: str) -> None:
    """Int does not accept the float that the JSON parser makes of it. The escape makes the second parser read it."""
    document = "query ($first: Int) { phoneNumbers(first: $first) { nodes { id } } }"
    body = f'{{"query": {json.dumps(document)}, "variables": {{"first": {digits}, "\\u0061": {digits}}}}}'
    [error] = endpoint.post("/graphql", content=body, headers=JSON_HEADERS).json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


def test_a_number_of_any_length_gets_a_graphql_response(endpoint: httpx.Client) -> None:
    for number in ("9" * 5_000, "0." + "9" * 5_000, "1e400", "-" + "1" * 100_000):
        body = f'{{"query": "{{ __typename }}", "variables": {{"\\u0061": {number}}}}}'
        assert_is_graphql_response(endpoint.post("/graphql", content=body, headers=JSON_HEADERS))
