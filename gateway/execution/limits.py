"""What one document may ask for at most, and the words for what asks for more."""

from dataclasses import dataclass
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, Token, TokenKind, parse

from gateway.errors import DocumentTooComplex
from gateway.execution.measure import Measure, Prices, measure
from gateway.settings import Settings
from gateway.upstream.generations import GENERATIONS

# Characters of a name. An answer repeats an alias in each row, and an error message in each mistake: a name of 900 kB
# would come back a thousandfold. Generated ones, such as a router's aliases, have some fifty.
MAX_NAME_LENGTH: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each is the most that is allowed, of the setting that has the same name behind `max_`."""

    tokens: int
    depth: int
    aliases: int
    root_fields: int
    directives: int
    cost: int
    prices: Prices

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that an operator has set."""
        return cls(
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            cost=settings.max_cost,
            prices=Prices(
                page_rows=GENERATIONS[settings.upstream_api].max_results,
                max_page_size=settings.max_page_size,
                walk_pages=settings.max_walk_pages,
            ),
        )

    def parse(self, text: str) -> DocumentNode:
        """A document of no more tokens than are allowed, no more comments either, and no name that is too long.

        Raises: DocumentTooComplex; GraphQLError.
        """
        try:
            document = parse(text, max_lexical_tokens=self.tokens, max_comments=self.tokens)
        except GraphQLSyntaxError as error:
            if error.message.startswith("Syntax Error: Document contains more than "):
                raise _past("tokens", None, self.tokens) from None
            if error.message.startswith("Syntax Error: Document is nested too deeply"):
                raise _past("depth", None, self.depth) from None
            raise
        # All names are looked at only where one may be too long.
        if len(text) > MAX_NAME_LENGTH and _has_long_name(document):
            raise _refused(f"A name in the document has more than {MAX_NAME_LENGTH} characters.")
        return document

    def measure(self, document: DocumentNode, schema: GraphQLSchema) -> dict[str | None, Measure]:
        """The measures of all operations of a document, each within the limits.

        Raises: DocumentTooComplex.
        """
        try:
            measures = measure(document, schema, self.prices)
        except RecursionError:
            raise _past("depth", None, self.depth) from None
        for each in measures.values():
            for name in ("depth", "aliases", "root_fields", "directives"):
                asked, most = getattr(each, name), getattr(self, name)
                if asked > most:
                    raise _past(name, asked, most)
        return measures

    def refuse_cost(self, cost: int) -> None:
        """Pass a cost that is allowed.

        Raises: DocumentTooComplex.
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
