"""The executable schema: a federation v2 subgraph whose entities are resolved one by one, faults included."""

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig
from strawberry.types.info import Info
from strawberry.utils.inspect import get_func_args
from strawberry.utils.str_converters import to_camel_case

from gateway.errors import BadUserInput
from gateway.schema.associations import ChimeAccount, ChimeUser, SipRule, VoiceConnector, VoiceConnectorGroup
from gateway.schema.node import MAX_GLOBAL_ID_LENGTH
from gateway.schema.phone_number import PhoneNumber
from gateway.schema.phone_number_order import PhoneNumberOrder
from gateway.schema.query import Query, QueryWithNodes, error_as_value
from gateway.schema.scalars import SCALARS
from gateway.upstream.services import MAX_ID_LENGTH

ENTITIES: Mapping[str, Any] = {
    "PhoneNumber": PhoneNumber,
    "PhoneNumberOrder": PhoneNumberOrder,
    "ChimeAccount": ChimeAccount,
    "ChimeUser": ChimeUser,
    "VoiceConnector": VoiceConnector,
    "VoiceConnectorGroup": VoiceConnectorGroup,
    "SipRule": SipRule,
}


def _resolve_entity(info: Info[Any, None], representation: Any) -> Any:
    """The entity that a representation stands for.

    Raises: BadUserInput where its type is no entity of this subgraph, where it holds none of the type's keys, or where
    a key is no text. Fields that are no keys are passed over, since a router may send more than it must.
    """
    if not isinstance(representation, dict):
        raise BadUserInput("A representation is an object with __typename and a key.")
    typename = representation.get("__typename")
    entity = ENTITIES.get(typename) if isinstance(typename, str) else None
    if entity is None:
        raise BadUserInput(f"A representation's __typename is an entity of this subgraph: {', '.join(ENTITIES)}.")
    arguments = get_func_args(entity.resolve_reference)
    keys = {argument: to_camel_case(argument) for argument in arguments if argument not in {"cls", "info"}}
    given = {argument: representation[key] for argument, key in keys.items() if representation.get(key) is not None}
    if not given or not all(isinstance(value, str) and value for value in given.values()):
        raise BadUserInput(f"{typename} is known by {' or '.join(keys.values())}, a text that is not empty.")
    for argument, value in given.items():
        # A key is in the response as often as it is requested, and in the upstream's URL.
        longest = MAX_GLOBAL_ID_LENGTH if argument == "id" else MAX_ID_LENGTH
        if len(value) > longest:
            raise BadUserInput(f"A key has at most {longest} characters.")
    if "info" in arguments:
        given["info"] = info
    return entity.resolve_reference(**given)


class GatewaySchema(strawberry.federation.Schema):
    """Strawberry's federation schema, with entities that fail one by one."""

    def entities_resolver(self, info: Info[Any, None], representations: list[FederationAny]) -> list[FederationAny]:
        """The entities of a router's representations, in their order. A bad one nulls its own place alone."""
        return [error_as_value(_resolve_entity, info, representation) for representation in representations]

    def as_str(self) -> str:
        """The schema in SDL: what `_service` answers and schema.graphql holds, to the last newline."""
        return f"{super().as_str()}\n"


def build_schema(*, relay_node_fields: bool = True) -> GatewaySchema:
    """The schema of this gateway. Federation 2.9 is the newest version that every composer takes.

    relay_node_fields: whether the root type has Relay's node and nodes.
    """
    return GatewaySchema(
        query=QueryWithNodes if relay_node_fields else Query,
        types=list(ENTITIES.values()),
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
        federation_version="2.9",
    )
