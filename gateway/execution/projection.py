"""A selection of fields compiled into one function, which turns a record into its part of the response.

graphql-core visits every field of every record through some twenty Python calls: 10 ms for 99 numbers with every field.
The selection is the same for each record, so one function is generated for it. The function is generated from the
schema alone. A RecordField has its key and its conversion, and the field's type says the rest.

`projection_plan` decides which fields the function covers, and this module writes its text. The function notes links to
records that are not loaded yet. It leaves fields with a resolver to the executor. If a value does not have its field's
type, the function raises UnexpectedValue, and the executor visits that record field by field. So all errors and their
paths are graphql-core's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
)
from graphql.execution.collect_fields import GroupedFieldSet

from gateway.context import RequestContext
from gateway.execution.projection_plan import (
    CollectSubfields,
    NotPlanned,
    PlannedLink,
    PlannedObject,
    PlannedTypename,
    PlannedValue,
    plan_selection,
)
from gateway.loaders.data_source import LinkSource
from gateway.schema.scalars import DATE_TIME, MAX_TIMESTAMP_LENGTH, is_rfc_3339_utc

# The Python type of a built-in scalar's value that needs no conversion.
_UNCONVERTED: Final = {GraphQLString: "str", GraphQLID: "str", GraphQLBoolean: "bool"}


class UnexpectedValue(Exception):
    """A record holds a value that does not have its field's type."""


@dataclass(eq=False, slots=True)
class LinkedType:
    """A link field of a selection: the data source of its records, and the function that projects one of them."""

    data_source: Callable[[RequestContext], LinkSource[Any, Any]]
    project: Callable[[Any, "list[PendingLink]"], dict[str, Any]]


# A place in the response that waits for a record: the link, the object around the place, its response name, and the
# record's key. Null stays there if the record does not exist. It is a plain tuple, because a page of orders makes
# hundreds, and a class takes six times as long.
PendingLink = tuple[LinkedType, dict[str, Any], str, Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """The compiled form of a selection on one type.

    Attributes:
        project: Returns the response object of a source, in the selection's order. Each link and each resolver field is
            None in it. Links are added to the list. It raises UnexpectedValue, or any other error if a value is odd.
        resolver_fields: Response names of the fields that have a resolver. If there are any, there are no links.
        targets: All links, those within linked records included.
    """

    project: Callable[[Any, list[PendingLink]], dict[str, Any]]
    resolver_fields: tuple[str, ...]
    targets: tuple[LinkedType, ...]


def compile_projection(
    parent: GraphQLObjectType, selection: GroupedFieldSet, collect_subfields: CollectSubfields
) -> Projection | None:
    """Return the projection of a selection, or None if no field of it is read from the source."""
    plan = plan_selection(parent, selection, collect_subfields)
    if plan is None:
        return None
    generator = _CodeGenerator()
    project = generator.compile(generator.function(plan))
    resolver_fields = tuple(name for name, field in plan.fields.items() if isinstance(field, NotPlanned))
    return Projection(project, resolver_fields, generator.targets)


class _CodeGenerator:
    """Writes the text of a plan's functions, and holds the objects that the text refers to."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._globals: dict[str, Any] = {"UnexpectedValue": UnexpectedValue}
        self._targets: dict[str, LinkedType] = {}
        self._names = 0

    @property
    def targets(self) -> tuple[LinkedType, ...]:
        """The links that were written."""
        return tuple(self._targets.values())

    def compile(self, name: str) -> Callable[[Any, list[PendingLink]], dict[str, Any]]:
        """Compile the text, and return the function of this name."""
        # Aliases are the client's only words in the text. They are quoted, and hold only letters, digits and "_".
        exec("\n".join(self._lines), self._globals)  # noqa: S102  # The text is generated here, from the schema.
        for target_name, target in self._targets.items():
            target.project = self._globals[target_name]
        function: Callable[[Any, list[PendingLink]], dict[str, Any]] = self._globals[name]
        return function

    def function(self, plan: PlannedObject) -> str:
        """Write the function of a planned object, and return its name."""
        body: list[str] = []
        pairs: list[str] = []
        links: list[str] = []
        if plan.type.is_type_of:
            body.append(f"if not {self._global(plan.type.is_type_of)}(source, None): raise UnexpectedValue")
        for response_name, field in plan.fields.items():
            value = "None"
            if isinstance(field, PlannedValue):
                value = self._new_name("value")
                body += self._field(field, value)
            elif isinstance(field, PlannedTypename):
                value = repr(plan.type.name)
            elif isinstance(field, PlannedLink):
                links += self._link(field, response_name)
            pairs.append(f"{response_name!r}: {value}")
        name = self._new_name("project")
        body += [f"result = {{{', '.join(pairs)}}}", *links, "return result"]
        self._lines += [f"def {name}(source, links):", *(f"    {line}" for line in body)]
        return name

    def _link(self, link: PlannedLink, response_name: str) -> list[str]:
        """Return the lines that note which record belongs in a place of the response."""
        function = self.function(link.record)
        target = self._targets[function] = LinkedType(link.field.data_source, _not_compiled_yet)
        return [
            f"key = {self._global(link.field.key)}(source)",
            f"if key is not None: links.append(({self._global(target)}, result, {response_name!r}, key))",
        ]

    def _field(self, field: PlannedValue, value: str) -> list[str]:
        """Return the lines that assign a field's part of the response to the variable `value`."""
        read = f"source.{field.attribute}" if field.key is None else f"source.get({field.key!r})"
        if field.absent is not None:
            check = [f"if {value} is None: {value} = {field.absent!r}", "else:"]
        elif field.nullable:
            check = [f"if {value} is not None:"]
        else:
            check = [f"if {value} is None: raise UnexpectedValue", "else:"]
        return [f"{value} = {read}", *check, *(f"    {line}" for line in self._conversion(field, value))]

    def _conversion(self, field: PlannedValue, value: str) -> list[str]:
        """Return the lines that convert a value that is not null, in the same variable."""
        kind = field.type
        if isinstance(kind, GraphQLEnumType):
            names = self._global(_EnumNames(kind, field.read))
            return [f"{value} = {names}[{value}]"]
        lines = [] if field.read is None else [f"{value} = {self._global(field.read)}({value})"]
        if kind in _UNCONVERTED:
            return [*lines, f"if {value}.__class__ is not {_UNCONVERTED[kind]}: raise UnexpectedValue"]
        if isinstance(kind, GraphQLScalarType):
            return lines + self._scalar(kind, value)
        assert field.objects is not None  # noqa: S101  # A plan has one for every other type.
        project = self.function(field.objects)
        if isinstance(kind, GraphQLObjectType):
            return [*lines, f"{value} = {project}({value}, links)"]
        return [*lines, f"{value} = [{project}(each, links) for each in {value}]"]

    def _scalar(self, kind: GraphQLScalarType, value: str) -> list[str]:
        write = f"{value} = {self._global(kind.coerce_output_value)}({value})"
        if kind.name != DATE_TIME:
            return [write]
        # A record has three or four timestamps, and nearly all of them need no conversion. This saves a call for each.
        is_written = self._global(is_rfc_3339_utc)
        # A text that is longer than any timestamp is not cached, or an upstream could fill the memory.
        is_short = f"{value}.__class__ is str and len({value}) <= {MAX_TIMESTAMP_LENGTH}"
        return [f"if not ({is_short} and {is_written}({value})): {write}"]

    def _global(self, thing: Any) -> str:
        """Return the name by which the text refers to an object."""
        name = self._new_name("object")
        self._globals[name] = thing
        return name

    def _new_name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"


class _EnumNames(dict[str, str]):
    """The names of a GraphQL enum's values by AWS's words. A word that AWS adds is read anew each time."""

    def __init__(self, kind: GraphQLEnumType, read: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._kind = kind
        self._read = read

    def __missing__(self, word: str) -> str:
        # Only the enum's own words are stored, or a broken upstream could fill the memory.
        member = word if self._read is None else self._read(word)
        name = self._kind.coerce_output_value(member)
        if getattr(member, "value", None) == word:
            self[word] = name
        return name


def _not_compiled_yet(_record: Any, _links: list[PendingLink]) -> dict[str, Any]:
    raise UnexpectedValue
