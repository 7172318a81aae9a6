"""A selection of fields as one generated function: record in, answer out.

graphql-core visits every field of every record through some twenty calls of Python: 10 ms for 99 numbers with every
field. What is asked of a record is the same for each of them, so a function is generated for it once. It is made from
the schema alone: a RecordField says its key and how it is read, its type says the rest.

The function covers record fields, plain attributes, leaves, lists and records within, and links to records that are
yet to be loaded, which it notes down. A field with a resolver of its own is left out, for the executor. Wherever a
value is not what its type promises the function raises UnexpectedValue, and the executor visits that record field by
field: so errors, paths included, are graphql-core's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.context import RequestContext
from gateway.loaders.record_loader import RecordLoader
from gateway.schema.fields import LinkField, RecordField
from gateway.schema.scalars import DATE_TIME, MAX_TIMESTAMP_LENGTH, is_rfc_3339_utc

CollectSubfields = Callable[[GraphQLObjectType, FieldDetailsList], CollectedFields]

# The Python type that a built-in scalar's value must have to go out as it stands.
_AS_IT_STANDS: Final = {GraphQLString: "str", GraphQLID: "str", GraphQLBoolean: "bool"}


class UnexpectedValue(Exception):
    """A record holds something that its fields' types do not allow for."""


@dataclass(eq=False, slots=True)
class LinkedType:
    """A link of a selection: where its records come from, and how each is answered."""

    loader: Callable[[RequestContext], RecordLoader[Any]]
    project: Callable[[Any, "list[PendingLink]"], dict[str, Any]]


class PendingLink(NamedTuple):
    """A place in an answer that waits for the record of a key."""

    target: LinkedType
    answer: dict[str, Any]
    name: str
    key: str

    def put(self, record: Any, further: "list[PendingLink]") -> None:
        """Answer for the record in its place, with null where there is none; `further` takes links within it.

        Raises: the fault that the record ended in; as Projection.project.
        """
        if isinstance(record, Exception):
            raise record
        if record is not None:
            self.answer[self.name] = self.target.project(record, further)


@dataclass(frozen=True, slots=True)
class Projection:
    """How a selection on one type is answered.

    project: source and a list that takes links -> the answer, in the selection's order, with None in the place of each
        link and of each field that is left. Raises UnexpectedValue, or whatever an odd value makes it trip over.
    left: response names of the fields with a resolver. Where there are any, there are no links.
    targets: all links, those of linked records included.
    """

    project: Callable[[Any, list[PendingLink]], dict[str, Any]]
    left: tuple[str, ...]
    targets: tuple[LinkedType, ...]


class _NotProjectable(Exception):
    """A field needs a resolver, or is of a type that is not known by itself."""


def compile_projection(
    parent: GraphQLObjectType, selection: GroupedFieldSet, collect_subfields: CollectSubfields
) -> Projection | None:
    """The projection of a selection; None where no field of it is read from the source.

    The names of types alone would be answered for nulls and exceptions, too.
    """
    typenames = {name for name, details in selection.items() if details[0].node.name.value == "__typename"}
    left: list[str] = []
    source = _Source(collect_subfields, with_links=True)
    try:
        name = source.function(parent, selection, None)
    except _NotProjectable:
        source = _Source(collect_subfields, with_links=False)
        name = source.function(parent, selection, left)
    project = source.compiled(name)
    return None if typenames.union(left) == set(selection) else Projection(project, tuple(left), source.targets)


class _Source:
    """The text of the generated functions, and the objects that they refer to.

    with_links: whether links are written, here and in records within; else they are not projectable.
    """

    def __init__(self, collect_subfields: CollectSubfields, *, with_links: bool) -> None:
        self._collect_subfields = collect_subfields
        self._with_links = with_links
        self._lines: list[str] = []
        self._globals: dict[str, Any] = {"UnexpectedValue": UnexpectedValue, "Link": PendingLink}
        self._targets: dict[str, LinkedType] = {}
        self._names = 0

    @property
    def targets(self) -> tuple[LinkedType, ...]:
        """The links that have been written."""
        return tuple(self._targets.values())

    def compiled(self, name: str) -> Callable[[Any, list[PendingLink]], dict[str, Any]]:
        # A caller's only words in it are aliases, quoted; GraphQL's grammar keeps these to letters, digits and _.
        exec("\n".join(self._lines), self._globals)  # noqa: S102  # The text is made here, from the schema.
        for target_name, target in self._targets.items():
            target.project = self._globals[target_name]
        function: Callable[[Any, list[PendingLink]], dict[str, Any]] = self._globals[name]
        return function

    def function(self, parent: GraphQLObjectType, selection: GroupedFieldSet, left: list[str] | None) -> str:
        """Write the function for a selection; gives its name.

        left: takes the response names of links and of fields that are not projectable; None: there may be none of
            the latter.
        Raises: _NotProjectable.
        """
        body: list[str] = []
        pairs: list[str] = []
        links: list[str] = []
        if parent.is_type_of:
            body.append(f"if not {self._object(parent.is_type_of)}(source, None): raise UnexpectedValue")
        for response_name, details in selection.items():
            value = self._new("value")
            definition = parent.fields.get(details[0].node.name.value)
            declared = definition and _declared(definition)
            try:
                if definition and isinstance(declared, LinkField) and self._with_links:
                    links += self._link(definition.type, declared, details, response_name)
                    value = "None"
                else:
                    body += self._field(parent, details, value)
            except _NotProjectable:
                if left is None:
                    raise
                left.append(response_name)
                value = "None"
            pairs.append(f"{response_name!r}: {value}")
        name = self._new("project")
        body += [f"answer = {{{', '.join(pairs)}}}", *links, "return answer"]
        self._lines += [f"def {name}(source, links):", *(f"    {line}" for line in body)]
        return name

    def _link(
        self, kind: GraphQLOutputType, link: LinkField, details: FieldDetailsList, response_name: str
    ) -> list[str]:
        """The lines that note down which record belongs in a place of the answer."""
        if not isinstance(kind, GraphQLObjectType):
            raise _NotProjectable
        function = self.function(kind, self._subfields(kind, details), None)
        target = self._targets[function] = LinkedType(link.loader, _not_compiled_yet)
        return [
            f"key = {self._object(link.key)}(source)",
            f"if key is not None: links.append(Link({self._object(target)}, answer, {response_name!r}, key))",
        ]

    def _field(self, parent: GraphQLObjectType, details: FieldDetailsList, value: str) -> list[str]:
        """The lines that leave a field's answer in the variable `value`."""
        node = details[0].node
        if node.name.value == "__typename":
            return [f"{value} = {parent.name!r}"]
        definition = parent.fields.get(node.name.value)
        if definition is None or definition.args or details[0].fragment_variable_values is not None:
            raise _NotProjectable
        if any(directive.name.value == "stream" for directive in node.directives or ()):
            raise _NotProjectable
        declared = _declared(definition)
        if isinstance(declared, RecordField):
            lines = [f"{value} = source.get({declared.key!r})"]
            return lines + self._completed(definition.type, details, value, declared)
        if declared is not None and declared.is_basic_field:
            return [f"{value} = source.{declared.python_name}", *self._completed(definition.type, details, value, None)]
        raise _NotProjectable

    def _completed(
        self, kind: GraphQLOutputType, details: FieldDetailsList, value: str, field: RecordField | None
    ) -> list[str]:
        """The lines that turn a raw value into one that its type allows, in the same variable."""
        nullable = not is_non_null_type(kind)
        inner: Any = kind if nullable else kind.of_type  # type: ignore[union-attr]  # graphql-core's guard is one way.
        absent = None if field is None else field.absent
        lines: list[str] = []
        if absent is not None:
            lines += [f"if {value} is None: {value} = {_written(inner, absent)!r}", "else:"]
        elif nullable:
            lines += [f"if {value} is not None:"]
        else:
            lines += [f"if {value} is None: raise UnexpectedValue", "else:"]
        read = None if field is None else field.read
        return lines + [f"    {line}" for line in self._present(inner, details, value, read)]

    def _present(
        self, kind: Any, details: FieldDetailsList, value: str, read: Callable[[Any], Any] | None
    ) -> list[str]:
        """The lines for a value that is not null."""
        if isinstance(kind, GraphQLEnumType):
            names = self._object(_NamesOfWords(kind, read))
            return [f"{value} = {names}[{value}]"]
        lines = [] if read is None else [f"{value} = {self._object(read)}({value})"]
        if kind in _AS_IT_STANDS:
            return [*lines, f"if {value}.__class__ is not {_AS_IT_STANDS[kind]}: raise UnexpectedValue"]
        if isinstance(kind, GraphQLScalarType):
            write = f"{value} = {self._object(kind.coerce_output_value)}({value})"
            if kind.name != DATE_TIME:
                return [*lines, write]
            # Three or four in each record, and nearly all of them are right: a call less for each.
            as_it_stands = self._object(is_rfc_3339_utc)
            # What is longer than a timestamp can be is not kept, or an upstream could fill the memory with it.
            short = f"{value}.__class__ is str and len({value}) <= {MAX_TIMESTAMP_LENGTH}"
            return [*lines, f"if not ({short} and {as_it_stands}({value})): {write}"]
        if isinstance(kind, GraphQLObjectType):
            inner = self.function(kind, self._subfields(kind, details), None)
            return [*lines, f"{value} = {inner}({value}, links)"]
        if (
            is_list_type(kind)
            and is_non_null_type(kind.of_type)
            and isinstance(kind.of_type.of_type, GraphQLObjectType)
        ):
            record = kind.of_type.of_type
            inner = self.function(record, self._subfields(record, details), None)
            return [*lines, f"{value} = [{inner}(each, links) for each in {value}]"]
        raise _NotProjectable

    def _subfields(self, kind: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        try:
            collected = self._collect_subfields(kind, details)
        except GraphQLError:  # Such as a null for @skip's variable: for the executor to find in its place.
            raise _NotProjectable from None
        if collected.new_defer_usages:
            raise _NotProjectable
        return collected.grouped_field_set

    def _object(self, thing: Any) -> str:
        name = self._new("object")
        self._globals[name] = thing
        return name

    def _new(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"


class _NamesOfWords(dict[str, str]):
    """AWS's words -> the names of a GraphQL enum's values; words that AWS adds are read once, then known."""

    def __init__(self, kind: GraphQLEnumType, read: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._kind = kind
        self._read = read

    def __missing__(self, word: str) -> str:
        # Only words that are one of the enum's own are kept: a broken upstream must not fill the memory.
        member = word if self._read is None else self._read(word)
        name = self._kind.coerce_output_value(member)
        if getattr(member, "value", None) == word:
            self[word] = name
        return name


def _written(kind: Any, absent: Any) -> Any:
    """What a field without a value is answered with: the RecordField's own `absent`, as its type writes it."""
    if isinstance(kind, GraphQLEnumType):
        return kind.coerce_output_value(absent)
    return list(absent)


def _declared(definition: GraphQLField) -> StrawberryField | None:
    declared: StrawberryField | None = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return declared


def _not_compiled_yet(_record: Any, _links: list[PendingLink]) -> dict[str, Any]:
    raise UnexpectedValue
