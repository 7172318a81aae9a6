"""The executable schema: a federation v2 subgraph. One entity that fails does not fail the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import strawberry
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types.info import Info
from strawberry.utils.str_converters import to_camel_case

from gateway.context import RequestContext
from gateway.errors import BadUserInput
from gateway.schema.associations import ASSOCIATED_ENTITIES, AssociatedEntity
from gateway.schema.node import (
    MAX_GLOBAL_ID_LENGTH,
    NODE_TYPES,
    PHONE_NUMBER,
    PHONE_NUMBER_ORDER,
    error_as_value,
    load_reference,
)
from gateway.schema.phone_number import PhoneNumber
from gateway.schema.phone_number_order import PhoneNumberOrder
from gateway.schema.query import Query, QueryWithNodes
from gateway.schema.scalars import SCALARS
from gateway.upstream.services import MAX_ID_LENGTH


@dataclass(frozen=True, slots=True)
class Entity:
    """A type that routers look up by a key.

    Attributes:
        keys: The fields that are keys. A representation holds at least one of them.
        resolve: Returns the entity with these keys, or an awaitable of it.
    """

    type: Any
    keys: tuple[str, ...]
    resolve: Callable[[RequestContext, Mapping[str, str]], Any]


def _node_entity(type_name: str, kind: Any) -> Entity:
    def resolve(context: RequestContext, keys: Mapping[str, str]) -> Any:
        return load_reference(context, type_name, keys)

    return Entity(kind, ("id", NODE_TYPES[type_name].key), resolve)


def _associated_entity(entity: AssociatedEntity) -> Entity:
    return Entity(entity.type, (entity.key,), lambda _context, keys: entity.of(keys[entity.key]))


ENTITIES: Final[Mapping[str, Entity]] = {
    PHONE_NUMBER: _node_entity(PHONE_NUMBER, PhoneNumber),
    PHONE_NUMBER_ORDER: _node_entity(PHONE_NUMBER_ORDER, PhoneNumberOrder),
    **{entity.type_name: _associated_entity(entity) for entity in ASSOCIATED_ENTITIES},
}


def _resolve_entity(context: RequestContext, representation: Any) -> Any:
    """Return the entity of a representation. Ignore fields that are not keys, because a router may send more.

    Raises:
        BadUserInput: If the type is not an entity of this subgraph, or if a key is missing or not valid.
    """
    if not isinstance(representation, dict):
        raise BadUserInput("A representation must be an object with __typename and a key.")
    typename = representation.get("__typename")
    entity = ENTITIES.get(typename) if isinstance(typename, str) else None
    if entity is None:
        raise BadUserInput(f"The representation's __typename must be one of: {', '.join(ENTITIES)}.")
    keys = {key: representation[key] for key in entity.keys if representation.get(key) is not None}
    if not keys or not all(isinstance(value, str) and value for value in keys.values()):
        raise BadUserInput(f"A {typename} representation needs {' or '.join(entity.keys)}, as a non-empty string.")
    for key, value in keys.items():
        # The response repeats a key, and the upstream's URL holds it.
        limit = MAX_GLOBAL_ID_LENGTH if key == "id" else MAX_ID_LENGTH
        if len(value) > limit:
            raise BadUserInput(f"The key {key} has {len(value)} characters; the limit is {limit}.")
    return entity.resolve(context, keys)


class _CachedNames(NameConverter):
    """Strawberry's names in camel case. Strawberry converts the name of each argument in every request."""

    def apply_naming_config(self, name: str) -> str:
        """Return a Python name in camel case. The names are those of the code, so their number is limited."""
        return _camel_case(name)


_camel_case: Final = cache(to_camel_case)


class GatewaySchema(strawberry.federation.Schema):
    """Strawberry's federation schema, with entities whose errors are independent of each other."""

    def entities_resolver(self, info: Info[Any, None], representations: list[FederationAny]) -> list[FederationAny]:
        """Return the entities of a router's representations, in their order. An error nulls its own entity only."""
        resolve = partial(error_as_value, _resolve_entity, info.context)
        return [resolve(representation) for representation in representations]

    def as_str(self) -> str:
        """Return the schema in SDL, with a final newline. `_service` and schema.graphql hold this text."""
        return f"{super().as_str()}\n"


def build_schema(*, relay_node_fields: bool = True) -> GatewaySchema:
    """Return the gateway's schema. Federation 2.9 is the newest version that every composer accepts.

    Args:
        relay_node_fields: Whether the root type has Relay's `node` and `nodes`.
    """
    return GatewaySchema(
        query=QueryWithNodes if relay_node_fields else Query,
        types=[entity.type for entity in ENTITIES.values()],
        config=StrawberryConfig(
            scalar_map=SCALARS, name_converter=_CachedNames(), enable_experimental_incremental_execution=True
        ),
        federation_version="2.9",
    )
