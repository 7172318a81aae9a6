"""The plan of a projection: how each field of a selection is read from a record, as data.

A field can be planned if its value depends on the record alone. Such are record fields, plain attributes, the objects
and lists within a record, links, and the rows of a connection. Other fields have a resolver of their own, which the
executor calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.schema.fields import LinkField, RecordField, RowsField, TypeTest

CollectSubfields = Callable[[GraphQLObjectType, FieldDetailsList], CollectedFields]


@dataclass(frozen=True, slots=True)
class PlannedValue:
    """A field whose value is read from the record.

    Attributes:
        key: The record's key, unless the value is an attribute.
        attribute: The source's attribute, unless the value has a key.
        type: The field's type, without its outer non-null.
        absent: The value in the response if the record lacks one, unless the field defines no such value.
        read: Converts the record's value, unless it needs no conversion.
        objects: How the objects within are read, if the type is an object or a list of objects.
    """

    key: str | None
    attribute: str | None
    type: Any
    nullable: bool
    absent: Any
    read: Callable[[Any], Any] | None
    objects: "PlannedObject | None"


@dataclass(frozen=True, slots=True)
class PlannedLink:
    """A field that is a record which is not loaded yet."""

    field: LinkField
    record: "PlannedObject"


@dataclass(frozen=True, slots=True)
class PlannedTypename:
    """A field that is the type's name."""


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """A field that is left to the executor."""


PlannedField = PlannedValue | PlannedLink | PlannedTypename | NotPlanned


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """A selection on one type: its fields by response name, in the selection's order."""

    type: GraphQLObjectType
    fields: dict[str, PlannedField]


class _NotPlannable(Exception):
    """A field has a resolver, or its type is not known before execution."""


def plan_selection(
    parent: GraphQLObjectType, selection: GroupedFieldSet, collect_subfields: CollectSubfields
) -> PlannedObject | None:
    """Return the plan of a selection, or None if no field of it is read from the source.

    Links are planned only if all other fields are planned as well. A plan of `__typename` alone would be followed for
    nulls and exceptions too, so it is not made.
    """
    if not _has_known_test(parent):
        return None
    try:
        plan = _Planner(collect_subfields, with_links=True).object(parent, selection)
    except _NotPlannable:
        plan = _Planner(collect_subfields, with_links=False).root_object(parent, selection)
    is_read = any(isinstance(field, PlannedValue | PlannedLink) for field in plan.fields.values())
    return plan if is_read else None


class _Planner:
    """Plans selections.

    Args:
        with_links: Whether links are planned, here and in the objects within. If not, they are left to the executor.
    """

    def __init__(self, collect_subfields: CollectSubfields, *, with_links: bool) -> None:
        self._collect_subfields = collect_subfields
        self._with_links = with_links

    def root_object(self, parent: GraphQLObjectType, selection: GroupedFieldSet) -> PlannedObject:
        """Return the plan of a selection, in which fields that cannot be planned are left to the executor."""
        fields: dict[str, PlannedField] = {}
        for response_name, details in selection.items():
            try:
                fields[response_name] = self._field(parent, details)
            except _NotPlannable:
                fields[response_name] = NotPlanned()
        return PlannedObject(parent, fields)

    def object(self, parent: GraphQLObjectType, selection: GroupedFieldSet) -> PlannedObject:
        """Return the plan of a selection.

        Raises:
            _NotPlannable: If a field cannot be planned, or if the type has a test that is not known.
        """
        if not _has_known_test(parent):
            raise _NotPlannable
        fields = {response_name: self._field(parent, details) for response_name, details in selection.items()}
        return PlannedObject(parent, fields)

    def _field(self, parent: GraphQLObjectType, details: FieldDetailsList) -> PlannedField:
        node = details[0].node
        if node.name.value == "__typename":
            return PlannedTypename()
        definition = parent.fields.get(node.name.value)
        if definition is None:
            raise _NotPlannable
        declared = _declared(definition)
        if isinstance(declared, LinkField) and self._with_links:
            return self._link(definition.type, declared, details)
        if definition.args or details[0].fragment_variable_values is not None:
            raise _NotPlannable
        if any(directive.name.value == "stream" for directive in node.directives or ()):
            raise _NotPlannable
        if isinstance(declared, RecordField):
            return self._value(definition.type, details, declared)
        if declared is not None and (declared.is_basic_field or isinstance(declared, RowsField)):
            return self._value(definition.type, details, declared)
        raise _NotPlannable

    def _link(self, kind: GraphQLOutputType, link: LinkField, details: FieldDetailsList) -> PlannedLink:
        if not isinstance(kind, GraphQLObjectType):
            raise _NotPlannable
        return PlannedLink(link, self.object(kind, self._subfields(kind, details)))

    def _value(self, kind: GraphQLOutputType, details: FieldDetailsList, declared: StrawberryField) -> PlannedValue:
        nullable = not is_non_null_type(kind)
        inner: Any = kind if nullable else kind.of_type  # type: ignore[union-attr]  # graphql-core's guard is one way.
        objects = self._objects(inner, details)
        if isinstance(declared, RecordField):
            absent = None if declared.absent is None else _response_value(inner, declared.absent)
            return PlannedValue(declared.key, None, inner, nullable, absent, declared.read, objects)
        return PlannedValue(None, declared.python_name, inner, nullable, None, None, objects)

    def _objects(self, kind: Any, details: FieldDetailsList) -> PlannedObject | None:
        """Return the plan of the objects within a value, unless the value is a leaf.

        Raises:
            _NotPlannable: If the type is neither a leaf, nor an object, nor a list of objects without nulls.
        """
        if isinstance(kind, GraphQLEnumType | GraphQLScalarType):
            return None
        if is_list_type(kind) and is_non_null_type(kind.of_type):
            kind = kind.of_type.of_type
        if not isinstance(kind, GraphQLObjectType):
            raise _NotPlannable
        return self.object(kind, self._subfields(kind, details))

    def _subfields(self, kind: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        try:
            collected = self._collect_subfields(kind, details)
        except GraphQLError:  # Such as a null for the variable of @skip. The executor reports it with its path.
            raise _NotPlannable from None
        if collected.new_defer_usages:
            raise _NotPlannable
        return collected.grouped_field_set


def is_rows_field(parent: GraphQLObjectType, name: str) -> bool:
    """Return whether a type has this field, and it needs the rows of a connection's page alone."""
    return name in parent.fields and isinstance(_declared(parent.fields[name]), RowsField)


def _has_known_test(kind: GraphQLObjectType) -> bool:
    return kind.is_type_of is None or isinstance(kind.is_type_of, TypeTest)


def _declared(definition: GraphQLField) -> StrawberryField | None:
    declared: StrawberryField | None = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return declared


def _response_value(kind: Any, absent: Any) -> Any:
    """Return the response's value of a field that the record lacks."""
    if isinstance(kind, GraphQLEnumType):
        return kind.coerce_output_value(absent)
    return list(absent)
