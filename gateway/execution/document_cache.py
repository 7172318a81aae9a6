"""Parsed and validated documents with their query costs, cached by their text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from cachetools import LRUCache
from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import NoSchemaIntrospectionCustomRule

from gateway.execution.document_limits import DocumentLimits
from gateway.execution.executor_template import ExecutorTemplate
from gateway.execution.projecting_executor import Projections
from gateway.execution.query_cost import CostedSchema, OperationCost
from gateway.schema.field_cost import read_field_costs

# Characters of all cached documents. With its projections a document takes about 160 bytes a character, 8 MB in all. If
# Boolean variables make many projections of each document, it is some 30 MB. Eighty documents of a front end fit.
MAX_CACHED_CHARACTERS: Final = 49_152
# Characters of one cached document. A longer one would evict too many others.
MAX_DOCUMENT_CHARACTERS: Final = MAX_CACHED_CHARACTERS // 4
# Units of work that graphql-core may spend on comparing fields that have the same response name, in one document. That
# is 0.1 s. graphql-core's own budget is ten times as much.
FIELD_COMPARISON_BUDGET: Final = 50_000
# In place of graphql-core's "Validation aborted.", which does not say why.
TOO_MANY_COMPARISONS: Final = (
    "The document selects the same fields too often to be validated. Remove repeated selections."
)
# Tools that introspect request `__schema`, `__type` and `__typename` at most. A result with more root fields is not
# worth its memory.
MAX_INTROSPECTION_FIELDS: Final = 3


class InvalidDocument(Exception):
    """A document that cannot be run. No part of it was executed."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("The document cannot be executed.")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was parsed and validated.

    Attributes:
        characters: The length of its text.
        costs: The size and cost of each operation, by the operation's name.
        errors: The errors that validation found.
        introspects: Whether it has only a few root fields, all of them introspection.
        incremental: Whether it has `@defer` or `@stream`.
        projections: The projections made for it so far.
        templates: The executor template of each operation that was executed, by the operation's name.
    """

    node: DocumentNode
    characters: int
    costs: dict[str | None, OperationCost]
    errors: list[GraphQLError]
    introspects: bool
    incremental: bool
    projections: Projections = field(default_factory=dict)
    templates: dict[str | None, ExecutorTemplate] = field(default_factory=dict)


class DocumentCache:
    """An LRU cache of valid documents. It parses and validates each text once while the text is cached.

    Args:
        introspection: Whether clients may query the schema. If not, error messages hold no suggestions either.
    """

    def __init__(self, schema: GraphQLSchema, limits: DocumentLimits, *, introspection: bool) -> None:
        self._schema = schema
        self._costed_schema = CostedSchema(schema, read_field_costs(schema))
        self._limits = limits
        self._hide_suggestions = not introspection
        self._rules = specified_rules if introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._documents: LRUCache[str, Document] = LRUCache(MAX_CACHED_CHARACTERS, attrgetter("characters"))

    def get(self, text: str) -> Document:
        """Return the document of a text. It has `errors` if it is not valid.

        Raises:
            InvalidDocument: If the text cannot be parsed or exceeds a limit.
        """
        document = self._documents.get(text)
        if document is None:
            document = self._parse(text)
            if not document.errors and document.characters <= MAX_DOCUMENT_CHARACTERS:
                self._documents[text] = document
        return document

    def validation_error(self, text: str) -> str | None:
        """Return why a document cannot be run, whatever its variables. Return None if it can. Do not cache it."""
        try:
            errors: Sequence[GraphQLError] = self._parse(text).errors
        except InvalidDocument as invalid:
            errors = invalid.errors
        return (errors[0].message or "The document contains a value that cannot be read.") if errors else None

    def _parse(self, text: str) -> Document:
        try:
            node = self._limits.parse(text)
            costs = self._limits.measure(node, self._costed_schema)
            errors = validate(self._schema, node, self._rules, hide_suggestions=self._hide_suggestions)
            for error in errors:
                error.message = self._plain_message(error.message)
            incremental = any(each.directives for each in costs.values()) and _is_incremental(node)
            return Document(node, len(text), costs, errors, _introspects(node) and not incremental, incremental)
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        except Exception as error:  # A number with thousands of digits, or selections nested too deep for the stack.
            raise InvalidDocument([GraphQLError("", original_error=error)]) from error

    def _plain_message(self, message: str) -> str:
        # graphql-core's rule about objects without a selection ignores hide_suggestions.
        message = message.partition(" Did you mean ")[0] if self._hide_suggestions else message
        return TOO_MANY_COMPARISONS if message == "Validation aborted." else message


class _IncrementalDirectives(Visitor):
    """A visitor that looks for `@defer` and `@stream`."""

    found = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Note whether a directive is one of them."""
        self.found = self.found or node.name.value in {"defer", "stream"}


def _is_incremental(document: DocumentNode) -> bool:
    directives = _IncrementalDirectives()
    visit(document, directives)
    return directives.found


def _introspects(document: DocumentNode) -> bool:
    """Return whether every root field is introspection, whose result never changes, and there are few of them."""
    selections = [
        selection
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        for selection in definition.selection_set.selections
    ]
    return len(selections) <= MAX_INTROSPECTION_FIELDS and all(
        isinstance(selection, FieldNode) and selection.name.value.startswith("__") for selection in selections
    )
