"""The limits on the size and cost of a document, and the errors for documents past them."""

from dataclasses import dataclass
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSyntaxError, Token, TokenKind, parse

from gateway.errors import DocumentTooComplex
from gateway.execution.query_cost import CostedSchema, CostModel, OperationCost, measure
from gateway.settings import Settings
from gateway.upstream.services import SERVICES

# Characters of a name. A response repeats an alias in each row, and a name in each error message. Without a limit, a
# name of 900 kB would come back a thousand times. Generated names, such as a router's aliases, have about fifty
# characters.
MAX_NAME_LENGTH: Final = 128
# What an error message calls each number of an operation that has a limit.
_QUANTITIES: Final = {
    "depth": "a depth of {}",
    "aliases": "{} aliases",
    "root_fields": "{} root fields",
    "directives": "{} directives",
}
# How to do without a quantity. A list of all statuses is the usual reason for many root fields.
_ADVICE: Final = {
    "root_fields": " To count rows by status, select facets of one list. To list several statuses, use statusIn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The limits of a document. Each is set by the setting that has the same name after `max_`."""

    tokens: int
    depth: int
    aliases: int
    root_fields: int
    directives: int
    cost: int
    cost_model: CostModel

    @classmethod
    def of(cls, settings: Settings) -> "DocumentLimits":
        """Return the limits that the settings give."""
        service = SERVICES[settings.upstream_api]
        return cls(
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            cost=settings.max_cost,
            cost_model=CostModel(
                page_rows=service.max_results,
                max_page_size=settings.max_page_size,
                max_upstream_pages=settings.max_upstream_pages,
                shared_walk_pages=0 if service.names_orders else settings.max_upstream_pages,
            ),
        )

    def parse(self, text: str) -> DocumentNode:
        """Parse a document within the limits on tokens, comments and the length of names.

        Raises:
            GraphQLError: If the text is not a document, or exceeds a limit (DocumentTooComplex).
        """
        try:
            document = parse(text, max_lexical_tokens=self.tokens, max_comments=self.tokens)
        except GraphQLSyntaxError as error:
            if error.message.startswith("Syntax Error: Document contains more than "):
                raise _too_complex(f"more than {self.tokens} tokens", "tokens", self.tokens) from None
            if error.message.startswith("Syntax Error: Document is nested too deeply"):
                raise self._too_deep() from None
            raise
        # A shorter text cannot hold a name that is too long.
        if len(text) > MAX_NAME_LENGTH and _has_long_name(document):
            raise _error(
                f"A name in the document has more than {MAX_NAME_LENGTH} characters. Use shorter names and aliases."
            )
        return document

    def measure(self, document: DocumentNode, schema: CostedSchema) -> dict[str | None, OperationCost]:
        """Return the costs of a document's operations by name.

        Raises:
            GraphQLError: If an operation exceeds a limit other than the cost (DocumentTooComplex).
        """
        try:
            costs = measure(document, schema, self.cost_model)
        except RecursionError:
            raise self._too_deep() from None
        for each in costs.values():
            for name in _QUANTITIES:
                value, limit = getattr(each, name), getattr(self, name)
                if value > limit:
                    raise _too_complex(_QUANTITIES[name].format(value), name, limit)
        return costs

    def check_cost(self, cost: int) -> None:
        """Check the cost of an operation in points.

        Raises:
            GraphQLError: If it exceeds the limit (DocumentTooComplex).
        """
        if cost > self.cost:
            raise _too_complex(f"a cost of {cost} points", "cost", self.cost)

    def _too_deep(self) -> GraphQLError:
        return _too_complex(f"a depth of more than {self.depth}", "depth", self.depth)


def _has_long_name(document: DocumentNode) -> bool:
    token: Token | None = document.loc.start_token if document.loc else None
    while token is not None:
        if token.kind is TokenKind.NAME and token.end - token.start > MAX_NAME_LENGTH:
            return True
        token = token.next
    return False


def _too_complex(quantity: str, name: str, limit: int) -> GraphQLError:
    advice = f".{_ADVICE[name]}" if name in _ADVICE else ""
    return _error(f"The document has {quantity}; the limit is {limit}{advice} (GATEWAY_MAX_{name.upper()}).")


def _error(message: str) -> GraphQLError:
    return GraphQLError(message, original_error=DocumentTooComplex(message))
