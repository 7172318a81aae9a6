"""Relay's Node: ids that are unique across types, and back from an id to the record."""

import base64
import binascii
from collections.abc import Awaitable
from typing import Any, Final

import strawberry

from gateway.context import RequestContext
from gateway.errors import BadUserInput
from gateway.schema.scalars import read_e164
from gateway.upstream.services import MAX_ID_LENGTH

PHONE_NUMBER: Final = "PhoneNumber"
PHONE_NUMBER_ORDER: Final = "PhoneNumberOrder"

# Characters of the longest id that is given out: a type and a key in base64. A character of a key has up to 4 bytes.
MAX_GLOBAL_ID_LENGTH: Final = (len(f"{PHONE_NUMBER_ORDER}:") + 4 * MAX_ID_LENGTH) * 4 // 3 + 1


@strawberry.interface(description="An object that can be fetched again by its id.")
class Node:
    """Global Object Identification of the Relay server specification."""

    id: strawberry.ID = strawberry.field(
        description="Unique among all objects of this schema. Opaque: do not take it apart."
    )


def global_id(type_name: str, key: str) -> strawberry.ID:
    """The id of a record: type and key in base64url, so that nobody is tempted to build one by hand."""
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).decode().rstrip("="))


def read_global_id(node_id: str) -> tuple[str, str]:
    """The type's name and the key within an id.

    Raises: BadUserInput for a text that is no id of this schema.
    """
    try:
        text = base64.b64decode(node_id + "=" * (-len(node_id) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    type_name, _, key = text.partition(":")
    if type_name not in {PHONE_NUMBER, PHONE_NUMBER_ORDER} or not key:
        raise BadUserInput("This id was not given out here.")
    return type_name, key


def key_within(node_id: str, type_name: str) -> str:
    """The key within an id of this type.

    Raises: BadUserInput for an id of another type, or none.
    """
    found, key = read_global_id(node_id)
    if found != type_name:
        raise BadUserInput(f"This id is not a {type_name}'s.")
    return key


def load_node(context: RequestContext, node_id: str) -> Any | Awaitable[Any]:
    """The record that an id stands for; None where there is none any more.

    Cost: one upstream call, shared with all that the same query loads.
    Raises: BadUserInput; UpstreamError when awaited.
    """
    type_name, key = read_global_id(node_id)
    if type_name == PHONE_NUMBER:
        return context.phone_numbers.load(read_e164(key))
    return context.phone_number_orders.load(key)
