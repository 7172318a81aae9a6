"""Fields with arguments, whose resolvers graphql-core calls itself.

Strawberry would put several functions of its own between them. In each request, these functions look up the names and
types of all arguments again, and convert the values that graphql-core has read. That would be 6 % of a small query's
instructions. graphql-core can convert the names and the input objects itself, if the schema says how.
"""

from collections.abc import Callable, Sequence
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter


def resolver_field(
    resolver: Callable[..., Any], *, name: str | None = None, description: str, directives: Sequence[object] = ()
) -> Any:
    """Declare a field with arguments.

    Args:
        resolver: Returns the field's value for the parent, the execution info and the arguments. Of the info, it may
            read the context alone.
        name: The name in the schema, unless it is the attribute's name in camel case.
        description: The description in the schema.
        directives: The schema directives of the field, such as its cost.
    """
    return strawberry.field(
        resolver=resolver, name=name, description=description, directives=directives, metadata={"resolver": resolver}
    )


def call_resolvers_directly(schema: GraphQLSchema) -> None:
    """Let graphql-core call the resolvers of all fields that `resolver_field` declared, in a schema of Strawberry."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            _convert_to_python(kind)
        elif isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                _call_directly(field)


def _call_directly(field: GraphQLField) -> None:
    declared = _declared(field)
    if declared is None or "resolver" not in declared.metadata:
        return
    field.resolve = declared.metadata["resolver"]
    for argument in field.args.values():
        argument.out_name = _declared(argument).python_name


def _convert_to_python(kind: GraphQLInputObjectType) -> None:
    """Let graphql-core create the objects of an input type."""
    create = _declared(kind).origin
    names = {name: _declared(field).python_name for name, field in kind.fields.items()}
    # For a type with @oneOf, Strawberry has set a function that checks the values.
    checked = kind.out_type

    def convert(value: dict[str, Any]) -> Any:
        return create(**{names[name]: each for name, each in checked(value).items()})

    kind.out_type = convert  # type: ignore[method-assign]  # graphql-core's documented hook, of which it has a default.


def _declared(element: Any) -> Any:
    """Return the definition of a type, field or argument in Strawberry, or None if graphql-core itself defined it."""
    return element.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
