"""Persisted documents: trusted documents from a file, and documents that clients register by their hash."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import ConfigurationError
from gateway.execution.persisted_documents import REGISTERED_CHARACTERS
from gateway.http.content_negotiation import GRAPHQL_RESPONSE
from tests.support.processes import BIN, environment, started
from tests.support.serving import gateway_to_nowhere

TEXT = "query Kind { __typename }"
NAMED = "query Named($first: Int) { kind: __typename phoneNumbers(first: $first) { nodes { id } } }"
DATA = {"data": {"__typename": "Query"}}
RELAY = {"f00d": TEXT, "beef": NAMED}
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "f00d", "body": TEXT, "name": "Kind", "type": "query"},
        {"id": "beef", "body": NAMED, "name": "Named", "type": "query"},
    ],
}


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(query_hash: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": query_hash}}


def execute(http: httpx.Client, **parameters: Any) -> Any:
    return http.post("/graphql", json=parameters).json()


def code(response: Any) -> str:
    [error] = response["errors"]
    assert set(response) == {"errors"}
    assert error["message"]
    return str(error["extensions"]["code"])


@pytest.fixture(scope="module", params=[RELAY, APOLLO], ids=["relay", "apollo"])
def trusting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a gateway that runs two documents only."""
    file = tmp_path_factory.mktemp("trusted") / "documents.json"
    file.write_text(json.dumps(request.param))
    with gateway_to_nowhere(trusted_documents=file) as http:
        yield http


@pytest.mark.parametrize(
    "parameters",
    [{"documentId": "f00d"}, {"id": "f00d"}, {"doc_id": "f00d"}, {"extensions": persisted("f00d"), "query": None}],
)
def test_a_trusted_document_is_run_by_its_id(trusting: httpx.Client, parameters: dict[str, Any]) -> None:
    assert execute(trusting, **parameters) == DATA
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    texts.pop("query", None)
    assert (
        trusting.get("/graphql", params=texts, headers={"accept": "text/html, application/json;q=0.9"}).json() == DATA
    )


def test_a_trusted_document_accepts_variables_and_an_operation_name(trusting: httpx.Client) -> None:
    parameters = {"documentId": "beef", "operationName": "Named", "variables": {"first": 0}}
    assert execute(trusting, **parameters)["data"] == {"kind": "Query", "phoneNumbers": {"nodes": []}}
    assert code(execute(trusting, **{**parameters, "operationName": "Other"})) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": TEXT},
        {"query": "{ __typename }"},
        {"query": TEXT, "documentId": "f00d"},
        {"query": "{ kind: __typename }", "extensions": persisted("f00d")},
        {"query": TEXT, "extensions": persisted(hash_of(TEXT))},
        {"documentId": "cafe"},
        {"documentId": "sha256:f00d"},
        {"documentId": TEXT},
        {"extensions": persisted(hash_of(TEXT))},
    ],
)
def test_other_documents_are_rejected(trusting: httpx.Client, parameters: dict[str, Any]) -> None:
    for _ in range(2):
        assert code(execute(trusting, **parameters)) == "DOCUMENT_NOT_TRUSTED"
    strict = trusting.post("/graphql", json=parameters, headers={"accept": GRAPHQL_RESPONSE})
    assert strict.status_code == 400


def test_trusted_documents_are_subject_to_the_limits(tmp_path: Path) -> None:
    file = tmp_path / "documents.json"
    file.write_text(json.dumps(RELAY))
    with gateway_to_nowhere(trusted_documents=file, max_cost=9) as http:
        response = execute(http, documentId="beef", variables={"first": 9})
    assert code(response) == "DOCUMENT_TOO_COMPLEX"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON at line 1, column 2."),
        ('{\n "a": b}', "is not JSON at line 2, column 7."),
        ("[]", "must be an object"),
        ("{}", "contains no document"),
        ('{"a": 1}', "not so for 'a'"),
        ('{"": "{ __typename }"}', "not so for ''"),
        ('{"a": "{ __typename"}', "has a document that cannot be run, 'a': Syntax Error"),
        ('{"good": "{ __typename }", "a": "{ nowhere }"}', "cannot be run, 'a': Cannot query field 'nowhere'"),
        ('{"a": "{ phoneNumbers(frist: 1) { totalCount } }"}', "'a': Unknown argument 'frist'"),
        ('{"a": "{ __schema { queryType { name } } }"}', "'a': GraphQL introspection has been disabled"),
        (
            '{"a": "{' + " __typename" * 11 + '}"}',
            "'a': The document has 11 root fields; the limit is 10. To count rows by status, select facets of one",
        ),
        ('{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}', "is not a manifest"),
        ('{"format": "other", "version": 1, "operations": []}', "is not a manifest"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1}', "is not a manifest"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1, "operations": []}', "contains no document"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [3]}',
            "whose id or body is not a string",
        ),
        (
            json.dumps({**APOLLO, "operations": [{"id": "a", "body": TEXT}, {"id": "a", "body": NAMED}]}),
            "two documents",
        ),
    ],
)
def test_an_invalid_file_is_reported_in_one_line_at_start(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "documents.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as raised, gateway_to_nowhere(trusted_documents=file):
        pass
    assert str(raised.value).startswith(f"GATEWAY_TRUSTED_DOCUMENTS: {file} ")
    assert words in str(raised.value)


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_both_commands_report_an_invalid_file(tmp_path: Path, command: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    env = environment(tmp_path, **keys, GATEWAY_TRUSTED_DOCUMENTS=str(tmp_path / "nowhere.json"))
    with started(str(BIN / "chime-gateway"), command, "--port", "0", env=env, lines=1) as process:
        assert process.lines[0].startswith("Error: GATEWAY_TRUSTED_DOCUMENTS: ")
        assert process.process.wait(20) == 1


@pytest.fixture
def untrusting() -> Iterator[httpx.Client]:
    """Return a new gateway without trusted documents."""
    with gateway_to_nowhere() as http:
        yield http


def test_a_registered_document_is_run_by_its_hash(untrusting: httpx.Client) -> None:
    extensions = persisted(hash_of(TEXT))
    unknown = execute(untrusting, extensions=extensions)
    assert unknown["errors"][0]["message"] == "PersistedQueryNotFound"
    assert code(unknown) == "PERSISTED_QUERY_NOT_FOUND"
    assert execute(untrusting, query=TEXT, extensions=extensions) == DATA
    assert execute(untrusting, extensions=extensions) == DATA
    assert execute(untrusting, documentId=f"sha256:{hash_of(TEXT)}") == DATA
    assert untrusting.get("/graphql", params={"extensions": json.dumps(extensions)}).json() == DATA


def test_a_hash_of_another_document_is_rejected_and_not_registered(untrusting: httpx.Client) -> None:
    extensions = persisted(hash_of(TEXT))
    assert code(execute(untrusting, query="{ kind: __typename }", extensions=extensions)) == "BAD_USER_INPUT"
    assert code(execute(untrusting, extensions=extensions)) == "PERSISTED_QUERY_NOT_FOUND"
    assert execute(untrusting, query=TEXT, extensions=extensions) == DATA
    assert code(execute(untrusting, query="{ kind: __typename }", extensions=extensions)) == "BAD_USER_INPUT"
    assert execute(untrusting, extensions=extensions) == DATA


def test_a_document_without_a_hash_is_not_registered(untrusting: httpx.Client) -> None:
    assert execute(untrusting, query=TEXT) == DATA
    assert code(execute(untrusting, extensions=persisted(hash_of(TEXT)))) == "PERSISTED_QUERY_NOT_FOUND"


def test_registered_documents_are_subject_to_the_limits(untrusting: httpx.Client) -> None:
    text = "{" + "__typename " * 11 + "}"
    for parameters in ({"query": text}, {}):
        assert code(execute(untrusting, **parameters, extensions=persisted(hash_of(text)))) == "DOCUMENT_TOO_COMPLEX"


def test_the_least_recently_used_registered_document_is_evicted(untrusting: httpx.Client) -> None:
    def padded(index: int) -> str:
        return f"{TEXT} #{index}" + " " * 60_000

    for text in (TEXT, *map(padded, range(4))):
        assert execute(untrusting, query=text, extensions=persisted(hash_of(text))) == DATA
    assert 4 * len(padded(0)) + len(TEXT) + 5 * 64 < REGISTERED_CHARACTERS < 5 * len(padded(0))
    # Requested again, so that another document is the least recently used.
    assert execute(untrusting, extensions=persisted(hash_of(TEXT))) == DATA
    assert execute(untrusting, query=padded(4), extensions=persisted(hash_of(padded(4)))) == DATA
    assert code(execute(untrusting, extensions=persisted(hash_of(padded(0))))) == "PERSISTED_QUERY_NOT_FOUND"
    for text in (TEXT, padded(1), padded(4)):
        assert execute(untrusting, extensions=persisted(hash_of(text))) == DATA


def test_a_document_longer_than_all_that_can_be_registered_is_run_but_not_registered(untrusting: httpx.Client) -> None:
    registered = f"{TEXT} # another"
    assert execute(untrusting, query=registered, extensions=persisted(hash_of(registered))) == DATA
    text = TEXT + " " * REGISTERED_CHARACTERS
    assert execute(untrusting, query=text, extensions=persisted(hash_of(text))) == DATA
    assert code(execute(untrusting, extensions=persisted(hash_of(text)))) == "PERSISTED_QUERY_NOT_FOUND"
    # It has evicted no other document.
    assert execute(untrusting, extensions=persisted(hash_of(registered))) == DATA


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"documentId": ""},
        {"documentId": 7},
        {"id": ["a"]},
        {"documentId": "a", "id": "a"},
        {"query": 0, "documentId": "a"},
        {"query": " ", "documentId": "a"},
        {"extensions": {"persistedQuery": "a"}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a"}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"query": TEXT, "extensions": {"persistedQuery": {"version": 1}}},
    ],
)
def test_an_invalid_document_id_is_status_400_with_a_message(
    trusting: httpx.Client, parameters: dict[str, Any]
) -> None:
    response = trusting.post("/graphql", json=parameters)
    assert response.status_code == 400
    assert code(response.json()) == "BAD_USER_INPUT"


def test_a_repeated_document_id_is_rejected(trusting: httpx.Client) -> None:
    body = b'{"documentId": "f00d", "documentId": "beef"}'
    response = trusting.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, code(response.json())) == (400, "BAD_USER_INPUT")
    assert trusting.get("/graphql?id=f00d&id=beef").status_code == 400


def test_a_numeric_id_beside_a_query_is_ignored(untrusting: httpx.Client) -> None:
    assert execute(untrusting, query=TEXT, id=7, documentId="a") == DATA
