"""Relay's Node: global ids, and the lookup of a record by its id."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import strawberry

from gateway.context import RequestContext
from gateway.errors import BadUserInput, CallerError
from gateway.schema.scalars import read_e164
from gateway.upstream.services import MAX_ID_LENGTH

PHONE_NUMBER: Final = "PhoneNumber"
PHONE_NUMBER_ORDER: Final = "PhoneNumberOrder"

ID_DESCRIPTION: Final = "A global id, unique among all objects of this schema. It is opaque, so do not parse it."

# Characters of the longest id: a type and a key in base64. A character of a key has up to 4 bytes.
MAX_GLOBAL_ID_LENGTH: Final = (len(f"{PHONE_NUMBER_ORDER}:") + 4 * MAX_ID_LENGTH) * 4 // 3 + 1


@strawberry.interface(description="An object that you can fetch again by its id.")
class Node:
    """Relay's Node. Source: Relay server specification, Global Object Identification."""

    id: strawberry.ID = strawberry.field(description=ID_DESCRIPTION)


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type whose records can be loaded by a key.

    Attributes:
        key: The GraphQL field that holds the key.
        parse_key: Returns a client's key in the form in which it is loaded, or raises BadUserInput.
        load: Returns the record of a key, or an awaitable of it.
    """

    key: str
    parse_key: Callable[[str], str]
    load: Callable[[RequestContext, str], Any]


NODE_TYPES: Final[Mapping[str, NodeType]] = {
    PHONE_NUMBER: NodeType("e164PhoneNumber", read_e164, lambda context, key: context.phone_numbers.load(key)),
    PHONE_NUMBER_ORDER: NodeType("phoneNumberOrderId", str, lambda context, key: context.phone_number_orders.load(key)),
}


def global_id(type_name: str, key: str) -> strawberry.ID:
    """Return a record's id: its type and key in base64url, so that clients do not build ids by hand."""
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).decode().rstrip("="))


def read_global_id(node_id: str) -> tuple[str, str]:
    """Return the type's name and the key of an id.

    Raises:
        BadUserInput: If the text is not an id of this schema.
    """
    try:
        text = base64.b64decode(node_id + "=" * (-len(node_id) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    type_name, _, key = text.partition(":")
    if type_name not in NODE_TYPES or not key:
        raise BadUserInput("The id is not from this gateway. Use an `id` that it returned.")
    return type_name, key


def load_node(context: RequestContext, node_id: str) -> Any | Awaitable[Any]:
    """Return the record of an id, or None if it no longer exists.

    Raises:
        BadUserInput: If it is not an id of this schema.
        UpstreamError: When awaited, if AWS fails the call.

    Cost: One upstream call, in one batch with the other lookups of the operation.
    """
    type_name, key = read_global_id(node_id)
    node_type = NODE_TYPES[type_name]
    return node_type.load(context, node_type.parse_key(key))


def load_reference(context: RequestContext, type_name: str, keys: Mapping[str, str]) -> Any | Awaitable[Any]:
    """Return the record of a federation representation, or None if it does not exist.

    Args:
        context: The request's context.
        type_name: The GraphQL type of the representation.
        keys: The representation's `id`, the type's own key, or both.

    Raises:
        BadUserInput: If a key is not valid, or if the two keys name different records.
        UpstreamError: When awaited, if AWS fails the call.

    Cost: As `load_node`.
    """
    node_type = NODE_TYPES[type_name]
    parsed = {
        node_type.parse_key(_key_of_id(value, type_name) if name == "id" else value) for name, value in keys.items()
    }
    if len(parsed) > 1:
        raise BadUserInput(f"The keys id and {node_type.key} name different {type_name} records. Send one of them.")
    return node_type.load(context, parsed.pop())


def _key_of_id(node_id: str, type_name: str) -> str:
    found, key = read_global_id(node_id)
    if found != type_name:
        raise BadUserInput(f"The id belongs to a {found}, not to a {type_name}.")
    return key


def error_as_value(load: Callable[..., Any], *args: Any) -> Any:
    """Return what `load` returns, or the caller's error that it raises.

    In a list, an error that is a value nulls its own item. An error that is raised nulls the whole list.
    """
    try:
        return load(*args)
    except CallerError as error:
        return error
