"""The limits on the size and cost of a document, and the errors for documents past them."""

from dataclasses import dataclass
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSyntaxError, Token, TokenKind, parse

from gateway.errors import DocumentTooComplex
from gateway.execution.query_cost import CostedSchema, CostModel, OperationCost, measure
from gateway.settings import Settings
from gateway.upstream.services import SERVICES

# Characters of a name. A response repeats an alias in each row, and a name in each error message, so a name of 900 kB
# would come back a thousand times. Generated names, such as a router's aliases, have about fifty characters.
MAX_NAME_LENGTH: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The largest allowed values. Each comes from the setting with the same name after `max_`."""

    tokens: int
    depth: int
    aliases: int
    root_fields: int
    directives: int
    cost: int
    cost_model: CostModel

    @classmethod
    def of(cls, settings: Settings) -> "DocumentLimits":
        """Return the limits of the settings."""
        return cls(
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            cost=settings.max_cost,
            cost_model=CostModel(
                page_rows=SERVICES[settings.upstream_api].max_results,
                max_page_size=settings.max_page_size,
                walk_pages=settings.max_upstream_pages,
            ),
        )

    def parse(self, text: str) -> DocumentNode:
        """Parse a document within the limits on tokens, comments and the length of names.

        Raises:
            GraphQLError: If it is no document, or is past a limit (DocumentTooComplex).
        """
        try:
            document = parse(text, max_lexical_tokens=self.tokens, max_comments=self.tokens)
        except GraphQLSyntaxError as error:
            if error.message.startswith("Syntax Error: Document contains more than "):
                raise _past("tokens", None, self.tokens) from None
            if error.message.startswith("Syntax Error: Document is nested too deeply"):
                raise _past("depth", None, self.depth) from None
            raise
        # A shorter text cannot hold a name that is too long.
        if len(text) > MAX_NAME_LENGTH and _has_long_name(document):
            raise _refused(f"A name in the document has more than {MAX_NAME_LENGTH} characters.")
        return document

    def measure(self, document: DocumentNode, schema: CostedSchema) -> dict[str | None, OperationCost]:
        """Return the costs of a document's operations by name.

        Raises:
            GraphQLError: If an operation is past a limit other than the cost (DocumentTooComplex).
        """
        try:
            costs = measure(document, schema, self.cost_model)
        except RecursionError:
            raise _past("depth", None, self.depth) from None
        for each in costs.values():
            for name in ("depth", "aliases", "root_fields", "directives"):
                asked, most = getattr(each, name), getattr(self, name)
                if asked > most:
                    raise _past(name, asked, most)
        return costs

    def refuse_cost(self, cost: int) -> None:
        """Raise an error if a cost is past the limit.

        Raises:
            GraphQLError: If it is (DocumentTooComplex).
        """
        if cost > self.cost:
            raise _past("cost", cost, self.cost)


def _has_long_name(document: DocumentNode) -> bool:
    token: Token | None = document.loc.start_token if document.loc else None
    while token is not None:
        if token.kind is TokenKind.NAME and token.end - token.start > MAX_NAME_LENGTH:
            return True
        token = token.next
    return False


def _past(name: str, asked: int | None, most: int) -> GraphQLError:
    has = f"more than {most}" if asked is None else f"{asked}"
    return _refused(
        f"The document's {name.replace('_', ' ')}: {has}, and at most {most} is allowed (GATEWAY_MAX_{name.upper()})."
    )


def _refused(words: str) -> GraphQLError:
    fault = DocumentTooComplex(words)
    return GraphQLError(words, original_error=fault)
