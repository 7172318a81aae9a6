"""Random valid documents over a whole schema, and values for their variables.

Two fields with one response name must be the same field with the same arguments and type. So a document uses each
response name for one field only, in all of its selections. Then any two selections can be merged, and often are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    get_introspection_query,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_interface_type,
    is_object_type,
    is_required_argument,
)

from gateway.schema.node import global_id
from tests.execution.random_accounts import NUMBERS, ORDER_IDS, TARGET_IDS

# The introspection document of tools that read everything in a schema.
WHOLE_INTROSPECTION: Final = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)

# phoneNumberOrders, nodes, orderedPhoneNumbers, phoneNumber, associations, target, phoneNumbers, nodes, id.
DEEPEST: Final = 9

_LEADING: Final = {"phoneNumbers", "phoneNumberOrders", "nodes", "edges", "node"}
_BOOLEANS: Final = {
    "always": ("Boolean!",),
    "defaulted": ("Boolean! = true", "Boolean! = false"),
    "nullable": ("Boolean = true", "Boolean = false"),
}
_OPERATIONS: Final[list[tuple[str | None, ...]]] = [(None,), (None,), ("A",), ("A", "B"), ("A", "B", "C")]
_OTHERS: Final = {
    "count": "Int",
    "number": "E164PhoneNumber!",
    "orderId": "ID!",
    "id": "ID!",
    "ids": "[ID!]!",
    "representations": "[_Any!]!",
    "filter": "PhoneNumberFilter",
    "sort": "PhoneNumberSort",
    "orderSort": "PhoneNumberOrderSort",
}
_DIRECTIVES: Final = [
    *[""] * 40,
    *("@skip(if: $always)", "@include(if: $always)", "@skip(if: $defaulted)", "@include(if: $defaulted)"),
    *("@skip(if: $nullable)", "@include(if: $nullable)", "@skip(if: $always) @include(if: $defaulted)"),
    *("@skip(if: false)", "@skip(if: true)", "@include(if: true)", "@include(if: false)"),
]
_IDS: Final = [
    *(str(global_id("PhoneNumber", number)) for number in NUMBERS),
    *(str(global_id("PhoneNumberOrder", order_id)) for order_id in ORDER_IDS),
    *("", "bm9uc2Vuc2U"),
]
_WINDOWS: Final = [
    *[""] * 8,
    *("(first: 4)", "(first: 2)", "(last: 2)", "(first: $count)", "(first: $count)", "(last: $count)", "(first: 0)"),
    *("(first: 3, last: 1)", "(first: 5000)", '(after: "forged")'),
]
_FILTERS: Final = [
    *("(filter: $filter)", "(filter: {status: ASSIGNED}, first: 2)", "(filter: {productType: UNKNOWN})"),
    '(filter: {association: {voiceConnectorId: "vc-1"}})',
    '(filter: {search: "555", country: "us", statusIn: [ASSIGNED, UNASSIGNED]}, first: 2)',
]
_SORTS: Final = [
    *("(sort: $sort)", "(sort: {field: STATUS, direction: DESC}, first: 2)", "(sort: {field: CALLING_NAME}, last: 2)"),
    *("(sort: {field: CREATED_TIMESTAMP}, first: 0)", '(sort: {field: E164_PHONE_NUMBER}, after: "forged")'),
]
_ORDER_SORTS: Final = [
    *("(sort: $orderSort)", "(sort: {field: STATUS}, last: 2)", "(sort: {field: UPDATED_TIMESTAMP, direction: DESC})"),
]
_ARGUMENTS: Final[dict[tuple[str, str], Sequence[str]]] = {
    ("Query", "phoneNumbers"): [*_WINDOWS, *_FILTERS, *_SORTS],
    ("Query", "phoneNumberOrders"): [*_WINDOWS, *_ORDER_SORTS],
    ("Query", "phoneNumber"): ["(e164PhoneNumber: $number)", *(f'(e164PhoneNumber: "{n}")' for n in NUMBERS[::3])],
    ("Query", "phoneNumberOrder"): [
        "(phoneNumberOrderId: $orderId)",
        '(phoneNumberOrderId: "")',
        *(f'(phoneNumberOrderId: "{order_id}")' for order_id in ORDER_IDS[::3]),
    ],
    ("Query", "node"): ["(id: $id)", *(f'(id: "{node_id}")' for node_id in _IDS[::3])],
    ("Query", "nodes"): ["(ids: $ids)", f'(ids: ["{_IDS[0]}", "{_IDS[8]}", "{_IDS[-1]}", "{_IDS[6]}"])'],
    ("Query", "_entities"): ["(representations: $representations)"],
    ("Query", "__type"): ['(name: "PhoneNumber")', '(name: "Node")', '(name: "PhoneNumberStatus")', '(name: "None")'],
}


@dataclass(frozen=True)
class Document:
    """A text, and the names of its operations. None is the operation without a name."""

    text: str
    operations: tuple[str | None, ...]


@dataclass
class _Draft:
    random: Random
    schema: GraphQLSchema
    fields_left: int
    # The response name of each field, with its arguments, its type and one of two aliases.
    names: dict[tuple[str, str, str, bool], str] = field(default_factory=dict)
    # The types of finished fragments by name.
    fragments: dict[str, GraphQLNamedType] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def selections(self, parent: Any, depth: int) -> str:
        # Few paths to records, and many fields of each record.
        most = 7 if len(getattr(parent, "fields", ())) > 4 and depth else 2
        parts = [self.selection(parent, depth) for _ in range(self.random.randint(1, most))]
        return f"{{ {' '.join(parts)} }}"

    def selection(self, parent: Any, depth: int) -> str:
        kind = self.random.choice(["field"] * 8 + ["inline"] * 2 + ["spread"] * 2)
        if depth >= DEEPEST or self.fields_left <= 0:
            kind = "field"
        elif kind == "field" and is_abstract_type(parent) and self.coin():
            kind = "inline"
        directive = self.random.choice(_DIRECTIVES)
        if kind == "spread":
            return f"...{self.fragment(parent, depth)} {directive}"
        if kind == "inline":
            kinds: list[Any] = [None, *self.overlapping(parent)]
            condition = self.random.choice(kinds)
            on = "" if condition is None else f"on {condition.name}"
            return f"... {on} {directive} {self.selections(condition or parent, depth + 1)}"
        return self.field(parent, directive, depth)

    def fragment(self, parent: Any, depth: int) -> str:
        """Return the name of a fragment that can be spread here, an existing one or a new one."""
        kinds = self.overlapping(parent)
        there = [name for name, kind in self.fragments.items() if kind in kinds]
        known = self.coin()
        if there and known:
            return self.random.choice(there)
        kind = self.random.choice([parent, *kinds])
        text = self.selections(kind, depth + 1)
        # It is named when it is finished, so that no fragment can contain itself.
        name = f"F{len(self.definitions)}"
        self.definitions.append(f"fragment {name} on {kind.name} {text}")
        self.fragments[name] = kind
        return name

    def overlapping(self, parent: Any) -> list[Any]:
        """Return the types that an object of the parent's type can have."""
        own = set(self.possible(parent))
        return [
            kind
            for kind in self.schema.type_map.values()
            if is_composite_type(kind) and not own.isdisjoint(self.possible(kind))
        ]

    def possible(self, kind: Any) -> Sequence[GraphQLObjectType]:
        return [kind] if is_object_type(kind) else list(self.schema.get_possible_types(kind))

    def field(self, parent: Any, directive: str, depth: int) -> str:
        self.fields_left -= 1
        fields: dict[str, GraphQLField] = {}
        if is_object_type(parent) or is_interface_type(parent):
            fields |= parent.fields
        if parent is self.schema.query_type:
            fields |= {"__type": TypeMetaFieldDef, "__schema": SchemaMetaFieldDef}
        deep_enough = depth >= DEEPEST or self.fields_left <= 0
        usable = [
            name
            for name, definition in fields.items()
            if not (deep_enough and is_composite_type(get_named_type(definition.type)))
            and ((parent.name, name) in _ARGUMENTS or not any(map(is_required_argument, definition.args.values())))
            # Introspection of all types would take most of the time.
            and (parent.name, name) != ("__Schema", "types")
        ]
        # Fields that lead to records are chosen more often, because records are the subject.
        leading = [name for name in usable if name in _LEADING]
        name = self.random.choice(["__typename", *usable, *usable, *leading * 8])
        if name == "__typename":
            return f"{self.response_name(name, '', 'String!')}{directive}"
        definition = fields[name]
        # The other connections are the phone numbers of associated resources.
        windows = [*_WINDOWS, *_SORTS] if "first" in definition.args else [""]
        arguments = self.random.choice(_ARGUMENTS.get((parent.name, name), windows))
        text = f"{self.response_name(name, arguments, str(definition.type))}{arguments} {directive}"
        kind = get_named_type(definition.type)
        # Strawberry limits the depth of introspection.
        depth = max(depth, DEEPEST - 3) if name.startswith("__") else depth
        return f"{text} {self.selections(kind, depth + 1)}" if is_composite_type(kind) else text

    def response_name(self, name: str, arguments: str, kind: str) -> str:
        """Return the field's name, with an alias before it if its response name differs."""
        key = (name, arguments, kind, self.coin())
        if key not in self.names:
            taken = set(self.names.values())
            # Aliases may equal the names of other fields.
            pool = [
                "id",
                "status",
                "node",
                "nodes",
                "name",
                "None",
                "source",
                "value_1",
                "_",
                *(f"a{i}" for i in range(9)),
            ]
            others = [alias for alias in pool if alias not in taken] or [f"b{len(taken)}"]
            plain = name not in taken and not key[-1]
            self.names[key] = name if plain else self.random.choice(others)
        response_name = self.names[key]
        return name if response_name == name else f"{response_name}: {name}"

    def operation(self, name: str | None) -> str:
        text = self.selections(self.schema.query_type, 0)
        used = self.variables_in(text, set())
        declared = [
            f"${variable}: {self.random.choice(kinds)}" for variable, kinds in _BOOLEANS.items() if variable in used
        ]
        declared += [f"${variable}: {kind}" for variable, kind in _OTHERS.items() if variable in used]
        head = f"query {name or ''}" + (f"({', '.join(declared)})" if declared else "")
        return f"{head} {text}"

    def variables_in(self, text: str, seen: set[str]) -> set[str]:
        used = set(re.findall(r"\$(\w+)", text))
        for name in re.findall(r"\.\.\.(F\d+)", text):
            if name not in seen:
                seen.add(name)
                used |= self.variables_in(self.definitions[int(name[1:])], seen)
        return used


def random_document(random: Random, schema: GraphQLSchema, fields: int) -> Document:
    """Return a valid document over a schema, of about this number of fields."""
    draft = _Draft(random, schema, fields_left=fields)
    names = random.choice(_OPERATIONS)
    operations = [draft.operation(name) for name in names]
    return Document("\n".join([*operations, *draft.definitions]), names)


_REPRESENTATIONS: Final = [
    *({"__typename": "PhoneNumber", "e164PhoneNumber": number} for number in NUMBERS[::2]),
    *({"__typename": "PhoneNumberOrder", "phoneNumberOrderId": order_id} for order_id in ORDER_IDS),
    *({"__typename": "PhoneNumber", "id": node_id} for node_id in _IDS[::4]),
    *({"__typename": "VoiceConnector", "voiceConnectorId": target} for target in TARGET_IDS),
    {"__typename": "ChimeUser", "userId": "vc-2", "more": 1},
    {"__typename": "SipRule", "sipRuleId": "vc-1"},
    {"__typename": "Nothing"},
    3,
]
_FILTER_VALUES: Final = [
    *(None, {}, {"status": "UNASSIGNED"}, {"productType": "VOICE_CONNECTOR"}),
    *({"association": {"voiceConnectorId": "vc-1"}}, {"association": {"accountId": "vc-1"}}, {"status": "UNKNOWN"}),
]
_SORT_VALUES: Final = [
    *(None, {"field": "COUNTRY"}, {"field": "UPDATED_TIMESTAMP", "direction": "DESC"}, {"field": "E164_PHONE_NUMBER"}),
]
_ORDER_SORT_VALUES: Final = [None, {"field": "STATUS", "direction": "DESC"}, {"field": "CREATED_TIMESTAMP"}]


def random_variables(random: Random) -> dict[str, Any]:
    """Return values for every variable that a document may have. Unused values do no harm."""
    given = {
        "always": random.choice([True, False]),
        "number": random.choice(NUMBERS),
        "orderId": random.choice([*ORDER_IDS, ""]),
        "id": random.choice(_IDS),
        "ids": random.choices(_IDS, k=random.randint(0, 4)),
        "representations": random.choices(_REPRESENTATIONS, k=random.randint(0, 4)),
        "defaulted": random.choice([True, False]),
        # Null instead of a default is an error of every object that has the directive.
        "nullable": random.choice([True, False, True, False, True, False, None]),
        "count": random.choice([None, 3, 1, 2, 4, 0, 5000]),
        "filter": random.choice(_FILTER_VALUES),
        "sort": random.choice(_SORT_VALUES),
        "orderSort": random.choice(_ORDER_SORT_VALUES),
    }
    for name in ("defaulted", "nullable", "count", "filter", "sort", "orderSort"):
        if random.random() < 0.3:
            del given[name]
    return given
