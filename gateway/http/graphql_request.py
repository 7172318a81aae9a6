"""The parameters of a GraphQL request, out of a body or a URL.

Source: GraphQL over HTTP, "Request Parameters".
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

from gateway.http.error_response import BadRequest

# Objects and lists within each other, the body itself included. Variables need 4, federation's representations 5; .NET
# takes 64 and Ruby 100. Reading is linear in the text at any depth, but variables are walked by recursion further down.
MAX_DEPTH: Final = 32

# A document's id goes by three names: GraphQL over HTTP's, and the two that Relay's documentation shows.
_IDS: Final = ("documentId", "id", "doc_id")
_PARAMETERS: Final = ("query", "operationName", "variables", "extensions", *_IDS)
_NAMES: Final = tuple(f'"{name}"'.encode() for name in _PARAMETERS)


class GraphQLRequest(NamedTuple):
    """A well-formed request.

    query: empty where the document is only named.
    document_id, query_hash: what names it, the hash by Apollo's extension `persistedQuery`; it may come with a query.
    wants_cost: whether its extensions hold `"cost": true`.
    """

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    document_id: str | None
    query_hash: str | None
    wants_cost: bool


def from_body(body: bytes) -> GraphQLRequest:
    """The parameters in a JSON body.

    Raises: BadRequest, in words, for anything else.
    """
    parameters = _from_json(body, "The body")
    if not isinstance(parameters, dict):
        raise BadRequest("A GraphQL request is a JSON object; batches are not taken.")
    # Only a name that is there twice, or may be behind an escape, is worth a second look.
    if b"\\u" in body or any(body.count(name) > 1 for name in _NAMES):
        _refuse_repeated_names(body)
    return _checked(parameters)


def from_query_string(query_string: bytes) -> GraphQLRequest:
    """The parameters in a URL, where variables and extensions are JSON texts, and an empty one is none.

    Raises: BadRequest, in words, for anything else.
    """
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The URL's parameters are not in UTF-8.") from None
    parameters: dict[str, Any] = dict(pairs)
    if len(parameters) < len(pairs):
        _refuse_repeated([name for name, _ in pairs])
    for name in ("variables", "extensions"):
        if text := parameters.pop(name, ""):
            parameters[name] = _from_json(text, f"The {name} parameter")
    return _checked(parameters)


def _checked(parameters: Mapping[str, Any]) -> GraphQLRequest:
    query, variables = parameters.get("query"), parameters.get("variables")
    operation_name, extensions = parameters.get("operationName"), parameters.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("The extensions are an object, or null.")
    document_id, query_hash = _document_id(parameters), _query_hash(extensions or {})
    if query in (None, "") and (document_id or query_hash):
        query = ""
    elif not isinstance(query, str) or not query or query.isspace():
        raise BadRequest("A GraphQL request needs a query, which is a text.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("The variables are an object, or null.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest("The operationName is a text, or null.")
    wants_cost = extensions is not None and extensions.get("cost") is True
    return GraphQLRequest(query, variables, operation_name or None, document_id, query_hash, wants_cost)


def _document_id(parameters: Mapping[str, Any]) -> str | None:
    given = [value for name in _IDS if (value := parameters.get(name)) is not None]
    if parameters.get("query"):
        # What is sent is run. Many clients number their requests by an `id`, which then names nothing.
        return None
    if len(given) > 1 or not all(isinstance(value, str) for value in given):
        raise BadRequest(f"A document's id is one text, sent as one of {', '.join(_IDS)}.")
    return given[0] if given else None


def _query_hash(extensions: Mapping[str, Any]) -> str | None:
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    query_hash = persisted.get("sha256Hash") if isinstance(persisted, dict) and persisted.get("version") == 1 else None
    if not isinstance(query_hash, str):
        raise BadRequest("The extension persistedQuery is an object with the version 1 and a sha256Hash.")
    return query_hash


def _from_json(text: bytes | str, what: str) -> object:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest(
            f"{what} cannot be read as JSON: it is malformed, too deep, not in UTF-8, or holds too large a number."
        ) from None
    if _brackets(text) > MAX_DEPTH and not _is_within(value, MAX_DEPTH):
        raise BadRequest(f"{what} is too deep: more than {MAX_DEPTH} objects and lists within each other.")
    return value


def _brackets(text: bytes | str) -> int:
    """At least how deep it is; counted in a moment, and enough to tell for nearly all requests."""
    return text.count(b"{") + text.count(b"[") if isinstance(text, bytes) else text.count("{") + text.count("[")


def _is_within(value: object, depth: int) -> bool:
    """Whether a value is no deeper than this; a level at a time, so that each value is met once."""
    level = [value]
    for _ in range(depth):
        held = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in held for each in values]
        if not level:
            return True
    return not any(isinstance(each, dict | list) for each in level)


def _refuse_repeated_names(body: bytes) -> None:
    """Readers differ in which of two they take, so that what was checked on the way here may not be what is run."""
    try:
        pairs: list[tuple[str, object]] = json.loads(body, object_pairs_hook=list)
    except RecursionError:
        raise BadRequest("The body is too deep.") from None
    _refuse_repeated([name for name, _ in pairs])


def _refuse_repeated(names: list[str]) -> None:
    for name in _PARAMETERS:
        if names.count(name) > 1:
            raise BadRequest(f"The parameter {name} is given more than once.")
