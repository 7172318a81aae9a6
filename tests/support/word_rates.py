"""Rates of some words in docstrings and comments, which show how easy the English of a module is to read."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
DIRECTIVE = re.compile(r"#\s*(?:noqa|type:|!)")


@dataclass(frozen=True, slots=True)
class WordRates:
    """The number of words, and occurrences per 1,000 words."""

    words: int
    conditions: float
    where: float
    what: float
    indefinite: float
    semicolons: float


def prose(source: str) -> Iterator[str]:
    """Yield the docstrings and comments of a module, without comments that only tools read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not DIRECTIVE.match(token.string):
            yield token.string


def word_rates(sources: Iterable[str]) -> WordRates:
    """Return the rates over all docstrings and comments of some modules."""
    text = "\n".join(part for source in sources for part in prose(source))
    counts = Counter(re.findall(r"[a-z']+", text.lower()))
    words = counts.total()

    def rate(*chosen: str) -> float:
        return 1_000 * sum(counts[word] for word in chosen) / max(words, 1)

    return WordRates(
        words,
        conditions=rate("if", "when", "unless"),
        where=rate("where"),
        what=rate("what"),
        indefinite=rate("whoever", "whatever", "whichever", "nobody", "nothing", "none"),
        semicolons=1_000 * text.count(";") / max(words, 1),
    )
