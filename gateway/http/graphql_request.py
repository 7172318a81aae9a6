"""The parameters of a GraphQL request, read from a JSON body or a query string.

Source: GraphQL over HTTP, "Request Parameters".
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

from gateway.http.error_response import BadRequest

# Nested objects and lists, the body itself included. Variables need 4 levels and federation's representations 5. .NET
# allows 64 and Ruby 100. Parsing takes linear time at any depth, but later steps walk through variables by recursion.
MAX_DEPTH: Final = 32

# A document's id has three names: the one of GraphQL over HTTP, and two that Relay's documentation shows.
_ID_NAMES: Final = ("documentId", "id", "doc_id")
_PARAMETERS: Final = ("query", "operationName", "variables", "extensions", *_ID_NAMES)
_QUOTED: Final = {name: f'"{name}"'.encode() for name in _PARAMETERS}


class GraphQLRequest(NamedTuple):
    """A well-formed request.

    Attributes:
        query: The document. It is empty if the request only names a persisted document.
        document_id: The id of a trusted document.
        query_hash: The hash in Apollo's extension `persistedQuery`. The request may have a query as well.
        wants_cost: Whether the extensions hold `"cost": true`.
    """

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    document_id: str | None
    query_hash: str | None
    wants_cost: bool


def from_body(body: bytes) -> GraphQLRequest:
    """Parse a JSON body.

    Raises:
        BadRequest: If the body is not a well-formed request.
    """
    parameters = _parse_json(body, "The body")
    if not isinstance(parameters, dict):
        raise BadRequest(
            "The body must be a JSON object. Send each request by itself, because batches are not supported."
        )
    # The second, slower parser is only needed if a name may occur twice, or be hidden by an escape. Most bodies have no
    # backslash, and one byte is found much faster than two.
    may_repeat = b"\\" in body and b"\\u" in body
    for name in parameters:
        may_repeat = may_repeat or (name in _QUOTED and body.count(_QUOTED[name]) > 1)
    if may_repeat:
        _reject_repeated_names(body)
    return _read(parameters)


def from_query_string(query_string: bytes) -> GraphQLRequest:
    """Parse a query string. Variables and extensions are JSON texts, and an empty text means none.

    Raises:
        BadRequest: If the query string is not a well-formed request.
    """
    try:
        pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The URL's parameters are not in UTF-8. Encode them in UTF-8.") from None
    parameters: dict[str, Any] = dict(pairs)
    if len(parameters) < len(pairs):
        _reject_repeated([name for name, _ in pairs])
    for name in ("variables", "extensions"):
        if text := parameters.pop(name, ""):
            parameters[name] = _parse_json(text, f"The parameter {name}")
    return _read(parameters)


def _read(parameters: Mapping[str, Any]) -> GraphQLRequest:
    extensions = _optional(parameters, "extensions", dict, "an object") or {}
    variables = _optional(parameters, "variables", dict, "an object")
    operation_name = _optional(parameters, "operationName", str, "a string")
    document_id, query_hash = _document_id(parameters), _query_hash(extensions)
    query = _query(parameters, is_persisted=bool(document_id or query_hash))
    wants_cost = extensions.get("cost") is True
    return GraphQLRequest(query, variables, operation_name or None, document_id, query_hash, wants_cost)


def _optional(parameters: Mapping[str, Any], name: str, kind: type, words: str) -> Any:
    value = parameters.get(name)
    if value is not None and not isinstance(value, kind):
        raise BadRequest(f"The parameter {name} must be {words} or null.")
    return value


def _query(parameters: Mapping[str, Any], *, is_persisted: bool) -> str:
    query = parameters.get("query")
    if is_persisted and query in (None, ""):
        return ""
    if not isinstance(query, str) or not query or query.isspace():
        raise BadRequest("The parameter query is missing. Send a GraphQL document as a string.")
    return query


def _document_id(parameters: Mapping[str, Any]) -> str | None:
    if parameters.get("query"):
        # A query that is sent is the one that runs. Many clients number their requests by an `id` of another meaning.
        return None
    ids = [value for name in _ID_NAMES if (value := parameters.get(name)) is not None]
    if len(ids) > 1 or not all(isinstance(value, str) for value in ids):
        raise BadRequest(f"A document's id must be one string. Send it as one of {', '.join(_ID_NAMES)}.")
    return ids[0] if ids else None


def _query_hash(extensions: Mapping[str, Any]) -> str | None:
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    query_hash = persisted.get("sha256Hash") if isinstance(persisted, dict) and persisted.get("version") == 1 else None
    if not isinstance(query_hash, str):
        raise BadRequest("The extension persistedQuery must be an object with version 1 and a sha256Hash.")
    return query_hash


def _parse_json(text: bytes | str, name: str) -> object:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest(
            f"{name} is not valid JSON: it is malformed, nested too deeply, not in UTF-8, or has a number that is too "
            "large."
        ) from None
    if _count_brackets(text) > MAX_DEPTH and not _is_within(value, MAX_DEPTH):
        raise BadRequest(f"{name} is nested too deeply. Use at most {MAX_DEPTH} levels of objects and lists.")
    return value


def _count_brackets(text: bytes | str) -> int:
    """Return an upper bound of the depth. It is fast, and low enough for nearly all requests."""
    return text.count(b"{") + text.count(b"[") if isinstance(text, bytes) else text.count("{") + text.count("[")


def _is_within(value: object, depth: int) -> bool:
    """Return whether a value is at most this deep. Go level by level, so that each value is visited once."""
    level = [value]
    for _ in range(depth):
        children = [
            each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)
        ]
        level = [each for values in children for each in values]
        if not level:
            return True
    return not any(isinstance(each, dict | list) for each in level)


def _reject_repeated_names(body: bytes) -> None:
    """Raise BadRequest if a parameter occurs twice.

    Parsers differ in which of the two they use. A proxy may have checked another value than the one that would run.
    """
    try:
        pairs: list[tuple[str, object]] = json.loads(body, object_pairs_hook=list)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    _reject_repeated([name for name, _ in pairs])


def _reject_repeated(names: list[str]) -> None:
    for name in _PARAMETERS:
        if names.count(name) > 1:
            raise BadRequest(f"The parameter {name} is repeated. Send it once.")
