"""Readers of README.md and of the pages in docs/: code blocks, headings, links and table rows."""

import re
import textwrap
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.processes import ROOT

README: Final = ROOT / "README.md"
PAGES: Final = tuple(sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS: Final = (README, *PAGES)

_BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block. `after` is the text that follows it."""

    language: str
    text: str
    after: str


def blocks(document: Path) -> list[Block]:
    """Return a document's code blocks, in their order."""
    text = document.read_text()
    return [Block(each[2], textwrap.dedent(each[3]), text[each.end() :]) for each in _BLOCK.finditer(text)]


def prose(document: Path) -> str:
    """Return a document's text without its code blocks."""
    return _BLOCK.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and images, without those to other sites."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    return [target for target in targets if not re.match(r"https?://", target)]


def first_cells(document: Path) -> list[str]:
    """Return the first cell of each table row."""
    return re.findall(r"^\| (.+?) \|", prose(document), re.MULTILINE)
