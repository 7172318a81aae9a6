"""The executable schema: a federation v2 subgraph. One entity that fails does not fail the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Union

import strawberry
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig

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
from gateway.schema.query import GatewayInfo, Query, QueryWithNodes
from gateway.schema.resolvers import call_resolvers_directly, resolver_field
from gateway.schema.scalars import SCALARS
from gateway.upstream.services import MAX_ID_LENGTH

# Exploring tools show it first, as Markdown. The start page is at the root of the gateway.
DESCRIPTION: Final = """\
Welcome. Here are the phone numbers of an Amazon Chime account, and its orders of phone numbers.

Begin with `phoneNumbers` or `phoneNumberOrders`: lists with pages, filters, sort and counts.

The gateway's [start page](/) says where its documentation is."""


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


def _entities(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    representations: Annotated[
        list[FederationAny],
        strawberry.argument(description="Objects with the `__typename` and a key of each entity."),
    ],
) -> Any:
    """Return the entities of a router's representations, in their order. An error nulls its own entity only."""
    resolve = partial(error_as_value, _resolve_entity, info.context)
    return [resolve(representation) for representation in representations]


@strawberry.type(name="_Service", description="This subgraph, as routers and composers see it.")
class SubgraphService:
    """The schema's text, for routers and composers. Source: Apollo Federation subgraph specification."""

    sdl: str = strawberry.field(description="The schema in SDL, with the directives of Apollo Federation.")


def _service(info: GatewayInfo) -> SubgraphService:
    return SubgraphService(sdl=info.schema.as_str())


_ENTITY: Final[Any] = Annotated[
    Union[tuple(entity.type for entity in sorted(ENTITIES.values(), key=lambda entity: entity.type.__name__))],  # noqa: UP007  # The operator takes no tuple.
    strawberry.union("_Entity", description="An object that routers look up by a key."),
]


# Strawberry would add both fields itself, without descriptions and before all others.
@strawberry.type
class RouterFields:
    """The root type's fields for routers and composers. Source: Apollo Federation subgraph specification."""

    entities: list[_ENTITY | None] = resolver_field(
        _entities,
        name="_entities",
        description="For routers of a federated graph: objects by their keys, in the same order, with null for each "
        "that no longer exists. Clients use `node` or the fields above.",
    )
    service: SubgraphService = strawberry.field(
        name="_service",
        resolver=_service,
        description="For routers and composers of a federated graph: this schema as text. No upstream call.",
    )


_QUERY: Final = "The account's phone numbers and its orders of phone numbers."


@strawberry.type(name="Query", description=_QUERY)
class SubgraphQuery(Query, RouterFields):
    """The root type for a subgraph that leaves `node` and `nodes` to another one."""


@strawberry.type(name="Query", description=_QUERY)
class SubgraphQueryWithNodes(QueryWithNodes, RouterFields):
    """The root type."""


class GatewaySchema(strawberry.federation.Schema):
    """Strawberry's federation schema, with a description in its text."""

    def as_str(self) -> str:
        """Return the schema in SDL, with a final newline. `_service` and schema.graphql hold this text."""
        before, schema, after = super().as_str().partition("schema @link")
        return f'{before}"""\n{DESCRIPTION}\n"""\n{schema}{after}\n'


def build_schema(*, relay_node_fields: bool = True) -> GatewaySchema:
    """Return the gateway's schema. Federation 2.9 is the newest version that every composer accepts.

    Args:
        relay_node_fields: Whether the root type has Relay's `node` and `nodes`.
    """
    schema = GatewaySchema(
        query=SubgraphQueryWithNodes if relay_node_fields else SubgraphQuery,
        types=[entity.type for entity in ENTITIES.values()],
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
        federation_version="2.9",
    )
    core_schema = schema._schema  # noqa: SLF001  # There is no public way.
    # Strawberry can describe a schema neither here nor in its printer.
    core_schema.description = DESCRIPTION
    call_resolvers_directly(core_schema)
    return schema
