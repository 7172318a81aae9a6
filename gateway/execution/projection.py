"""A selection of fields compiled into one function, which turns records into their part of the response.

graphql-core visits every field of every record through some twenty Python calls: 10 ms for 99 numbers with every field.
The selection is the same for each record, so one function is generated for it. The function is generated from the
schema alone. A RecordField has its key and its conversion, and the field's type says the rest.

`projection_plan` decides which fields the function covers, and this module writes its text. The function notes links to
records that are not loaded yet, and each link has a function for its records. It leaves fields with a resolver to the
executor. If a value does not have its field's type, the function raises UnexpectedValue, and the executor visits that
record field by field. So all errors and their paths are graphql-core's own.

The rows of a connection have a function of their own, unless they have links or a field twice. A page keeps its last
result. So other callers' requests by the same document need not project the rows of a cached page again.

For `{ phoneNumbers { nodes { country type } } }`, the text is in short:

    def project_rows_2(rows):
        results = []
        for source in rows:
            value_3 = source.get(key_Country)
            if value_3 is not None:
                if type(value_3) is not str: raise UnexpectedValue
            value_4 = source.get(key_Type)
            if value_4 is not None:
                try: value_4 = names_6[value_4]
                except KeyError: value_4 = write_5(read_7(value_4))
            result = {'country': value_3, 'type': value_4}
            results.append(result)
        return results
    def project(source, links):
        value_1 = source.project_nodes(project_rows_2)
        result = {'nodes': value_1}
        return result
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
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
from gateway.loaders.record_cache import Outcomes
from gateway.schema.fields import TypeTest, parse_object
from gateway.schema.scalars import DATE_TIME, E164, WRITTEN_TIMESTAMPS

# The Python type of a built-in scalar's value that needs no conversion.
_UNCONVERTED: Final = {GraphQLString: "str", GraphQLID: "str", GraphQLBoolean: "bool"}

# Tests in the text whether a value of a scalar needs no conversion. A record has some five values of these scalars, and
# nearly all of them need none. The tests save a call for each.
_IS_WRITTEN: Final = {DATE_TIME: "{0} in WRITTEN_TIMESTAMPS", E164: "type({0}) is str and {0}[0] == '+'"}

# Shared objects of one selection. Six capabilities have 729 combinations.
_MAX_OBJECTS_OF_FLAGS: Final = 64

_NONE_PROJECTED: Final[Mapping[str, str]] = {}


class UnexpectedValue(Exception):
    """A record holds a value that does not have its field's type."""


# A link in the response that waits for its record: the response object that holds the link, and the record's key. The
# link stays null if the record does not exist. The type is a plain tuple, because a page of orders makes hundreds, and
# a class takes six times as long.
PendingLink = tuple[dict[str, Any], Any]
# The pending links of each link field.
Links = dict["LinkedType", list[PendingLink]]


@dataclass(eq=False, slots=True)
class LinkedType:
    """A link field of a selection.

    Attributes:
        data_source: Returns the data source of its records.
        fill_in: Projects records into the links that wait for them. It raises the outcome of a record's key if that is
            an error. Links of the records are added.
    """

    data_source: Callable[[RequestContext], LinkSource[Any, Any]]
    fill_in: Callable[[Iterable[PendingLink], Outcomes[Any], Links], None]


@dataclass(frozen=True, slots=True)
class Projection:
    """The compiled form of a selection on one type.

    Attributes:
        project: Returns the response object of a source, in the selection's order. Each link and each resolver field is
            None in it. Links are added. It raises UnexpectedValue, or any other error if a value is odd.
        resolver_fields: Response names of the fields that have a resolver. If there are any, there are no links.
        targets: All links, those within linked records included.
    """

    project: Callable[[Any, Links], dict[str, Any]]
    resolver_fields: tuple[str, ...]
    targets: tuple[LinkedType, ...]


def compile_projection(
    parent: GraphQLObjectType, selection: GroupedFieldSet, collect_subfields: CollectSubfields
) -> Projection | None:
    """Compile a selection. Return None if no field of it is read from the source."""
    plan = plan_selection(parent, selection, collect_subfields)
    if plan is None:
        return None
    generator = _CodeGenerator()
    generator.write_project(plan)
    functions = generator.compile()
    for name, target in generator.targets.items():
        target.fill_in = functions[f"fill_in_{name}"]
    resolver_fields = tuple(name for name, field in plan.fields.items() if isinstance(field, NotPlanned))
    return Projection(functions["project"], resolver_fields, tuple(generator.targets.values()))


class _CodeGenerator:
    """Writes the text of a plan's functions, and holds the objects that the text refers to.

    There is one function for the plan, and one for each link in it. The objects and lists within a record are written
    into the record's function, because a call for each of them takes a fifteenth of the time.

    Attributes:
        targets: The links that were written, by their names in the text.
    """

    def __init__(self) -> None:
        self.targets: dict[str, LinkedType] = {}
        self._functions: list[str] = []
        self._globals: dict[str, Any] = {"UnexpectedValue": UnexpectedValue, "WRITTEN_TIMESTAMPS": WRITTEN_TIMESTAMPS}
        self._names = 0

    def compile(self) -> dict[str, Any]:
        """Compile the text, and return the functions by name."""
        # Aliases are the client's only words in the text. They are quoted, and hold only letters, digits and "_".
        exec("\n".join(self._functions), self._globals)  # noqa: S102  # The text is generated here, from the schema.
        return self._globals

    def write_project(self, plan: PlannedObject) -> None:
        """Write the function `project`."""
        self._functions += ["def project(source, links):", *_indented(self._object(plan, "source", "result"))]
        self._functions += ["    return result"]

    def _write_fill_in(self, link: PlannedLink, response_name: str) -> str:
        """Write the function `fill_in` of a link, and return the link's name in the text."""
        target = self._global("target", LinkedType(link.field.data_source, _not_compiled_yet))
        each = [
            "source = outcomes[key]",
            "if source is None: continue",
            "if isinstance(source, Exception): raise source",
            *self._object(link.record, "source", "result"),
            f"parent[{response_name!r}] = result",
        ]
        self._functions += [f"def fill_in_{target}(pending, outcomes, links):", "    for parent, key in pending:"]
        self._functions += _indented(_indented(each))
        return target

    def _write_project_rows(self, plan: PlannedObject) -> str:
        """Write a function that projects the rows of a page, which other requests may share. Return its name."""
        name = self._new_name("project_rows")
        each = [*self._object(plan, "source", "result"), "results.append(result)"]
        self._functions += [f"def {name}(rows):", "    results = []", "    for source in rows:"]
        self._functions += [*_indented(_indented(each)), "    return results"]
        return name

    def _edges(self, plan: PlannedObject, source: str, value: str) -> list[str]:
        """Return the lines that assign the edges of fetched rows to the variable `value`."""
        shared = {
            response_name: field.objects
            for response_name, field in plan.fields.items()
            if isinstance(field, PlannedValue) and field.attribute == "node"
            if field.objects is not None and _can_be_shared(field.objects)
        }
        nodes = {response_name: self._new_name("node") for response_name in shared}
        lists = [f"{source}.project_nodes({self._write_project_rows(node)})" for node in shared.values()]
        edge, result = self._new_name("edge"), self._new_name("result")
        each = [*self._object(plan, edge, result, nodes), f"{value}.append({result})"]
        loop = f"for {', '.join([edge, *nodes.values()])}, in zip({', '.join([f'{source}.edges', *lists])}):"
        return [f"{value} = []", loop, *_indented(each)]

    def _object(
        self, plan: PlannedObject, source: str, result: str, projected: Mapping[str, str] = _NONE_PROJECTED
    ) -> list[str]:
        """Return the lines that assign a source's part of the response to the variable `result`.

        Args:
            plan: The plan of the part.
            source: The variable of the source.
            result: The variable to assign.
            projected: The variables of fields that are projected already, by response name.
        """
        lines: list[str] = []
        pairs: list[str] = []
        links: list[str] = []
        test = plan.type.is_type_of
        if isinstance(test, TypeTest):
            is_other = "not " if test.has_key else ""
            lines.append(f"if {is_other}{source}.get({self._key(test.key)}): raise UnexpectedValue")
        for response_name, field in plan.fields.items():
            value = projected.get(response_name, "None")
            if isinstance(field, PlannedValue) and response_name not in projected:
                value = self._new_name("value")
                lines += self._field(field, source, value)
            elif isinstance(field, PlannedTypename):
                value = repr(plan.type.name)
            elif isinstance(field, PlannedLink):
                links += self._link(field, response_name, source, result)
            pairs.append(f"{response_name!r}: {value}")
        return [*lines, f"{result} = {{{', '.join(pairs)}}}", *links]

    def _link(self, link: PlannedLink, response_name: str, source: str, result: str) -> list[str]:
        """Return the lines that note which record a link of the response waits for."""
        target = self._write_fill_in(link, response_name)
        key = self._new_name("key")
        return [
            f"{key} = {self._global('read', link.field.key)}({source})",
            f"if {key} is not None: links[{target}].append(({result}, {key}))",
        ]

    def _field(self, field: PlannedValue, source: str, value: str) -> list[str]:
        """Return the lines that assign a field's part of the response to the variable `value`."""
        rows = field.objects
        if rows is not None and field.attribute == "nodes" and _can_be_shared(rows):
            return [f"{value} = {source}.project_nodes({self._write_project_rows(rows)})"]
        if rows is not None and field.attribute == "edges":
            return self._edges(rows, source, value)
        read = f"{source}.{field.attribute}" if field.key is None else f"{source}.get({self._key(field.key)})"
        if field.absent is not None:
            check = [f"if {value} is None: {value} = {field.absent!r}", "else:"]
        elif field.nullable:
            check = [f"if {value} is not None:"]
        else:
            check = [f"if {value} is None: raise UnexpectedValue", "else:"]
        return [f"{value} = {read}", *check, *_indented(self._conversion(field, value))]

    def _conversion(self, field: PlannedValue, value: str) -> list[str]:
        """Return the lines that convert a value that is not null, in the same variable."""
        kind = field.type
        if isinstance(kind, GraphQLEnumType):
            return self._enum(kind, field.read, value)
        if field.read is parse_object:  # The same check as its own, without a call.
            lines = [f"if type({value}) is not dict: raise UnexpectedValue"]
        elif field.read is not None:
            lines = [f"{value} = {self._global('read', field.read)}({value})"]
        else:
            lines = []
        if kind in _UNCONVERTED:
            return [*lines, f"if type({value}) is not {_UNCONVERTED[kind]}: raise UnexpectedValue"]
        if isinstance(kind, GraphQLScalarType):
            return [*lines, *self._scalar(kind, value)]
        assert field.objects is not None  # noqa: S101  # A plan has one for every other type.
        if isinstance(kind, GraphQLObjectType) and (keys := _keys_of_flags(field.objects)):
            objects = self._global("objects", _ObjectsOfFlags(tuple(field.objects.fields)))
            flags = [f"{value}.get({self._key(key)})," for key in keys]
            return [*lines, f"{value} = {objects}[{' '.join(flags)}]"]
        result = self._new_name("result")
        if isinstance(kind, GraphQLObjectType):
            return [*lines, *self._object(field.objects, value, result), f"{value} = {result}"]
        results, source = self._new_name("results"), self._new_name("source")
        each = [*self._object(field.objects, source, result), f"{results}.append({result})"]
        return [*lines, f"{results} = []", f"for {source} in {value}:", *_indented(each), f"{value} = {results}"]

    def _enum(self, kind: GraphQLEnumType, read: Callable[[Any], Any] | None, value: str) -> list[str]:
        write = self._global("write", kind.coerce_output_value)
        if read is None:
            return [f"{value} = {write}({value})"]
        # The names in the response by AWS's words. Words that AWS adds are converted each time, or a broken upstream
        # could fill the memory.
        words = [known.value for known in kind.values.values()]
        names = self._global("names", {word: kind.coerce_output_value(read(word)) for word in words})
        return [
            f"try: {value} = {names}[{value}]",
            f"except KeyError: {value} = {write}({self._global('read', read)}({value}))",
        ]

    def _scalar(self, kind: GraphQLScalarType, value: str) -> list[str]:
        write = f"{value} = {self._global('write', kind.coerce_output_value)}({value})"
        is_written = _IS_WRITTEN.get(kind.name)
        return [write if is_written is None else f"if not ({is_written.format(value)}): {write}"]

    def _key(self, key: str) -> str:
        """Return the name by which the text refers to a key of records.

        orjson caches keys. So this object is the one in the records, and each lookup saves a comparison of texts.
        """
        name = f"key_{key}"
        self._globals[name] = next(iter(orjson.loads(orjson.dumps({key: None}))))
        return name

    def _global(self, kind: str, thing: Any) -> str:
        """Return the name by which the text refers to an object."""
        name = self._new_name(kind)
        self._globals[name] = thing
        if isinstance(thing, LinkedType):
            self.targets[name] = thing
        return name

    def _new_name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"


def _can_be_shared(plan: PlannedObject) -> bool:
    """Return whether requests can share the projection of a record.

    They cannot if it has links, because each request loads those by itself. They do not if it has a field twice,
    because by aliases it could take far more memory than the record.
    """
    seen: set[object] = set()
    for field in plan.fields.values():
        if isinstance(field, PlannedLink):
            return False
        if isinstance(field, PlannedValue):
            source = (field.key, field.attribute, field.read)
            if source in seen or not (field.objects is None or _can_be_shared(field.objects)):
                return False
            seen.add(source)
    return True


def _keys_of_flags(plan: PlannedObject) -> list[str]:
    """Return the keys of an object's fields if all of them are nullable booleans, or no key."""
    keys = [
        field.key
        for field in plan.fields.values()
        if isinstance(field, PlannedValue)
        and field.key is not None
        and field.type is GraphQLBoolean
        and field.nullable
        and field.read is field.absent is None
    ]
    return keys if len(keys) == len(plan.fields) else []


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


class _ObjectsOfFlags(dict[tuple[bool | None, ...], dict[str, bool | None]]):
    """The parts of the response with only flags, by their flags.

    The numbers of an account have few combinations of capabilities. So their parts of the response are shared, which
    saves the checks and a new object for each number.
    """

    def __init__(self, response_names: tuple[str, ...]) -> None:
        super().__init__()
        self._response_names = response_names

    def __missing__(self, flags: tuple[bool | None, ...]) -> dict[str, bool | None]:
        if not all(flag is None or type(flag) is bool for flag in flags):
            raise UnexpectedValue
        result = dict(zip(self._response_names, flags, strict=True))
        if len(self) < _MAX_OBJECTS_OF_FLAGS:
            self[flags] = result
        return result


def _not_compiled_yet(_pending: Iterable[PendingLink], _outcomes: Outcomes[Any], _links: Links) -> None:
    raise UnexpectedValue
