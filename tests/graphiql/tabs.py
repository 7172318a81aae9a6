"""The tabs of the page, read from the page's own source file."""

import re
from dataclasses import dataclass

from gateway.http.graphiql_page import BUILT


@dataclass(frozen=True, slots=True)
class Tab:
    """One operation, and the comment above it, which states the cost in upstream calls."""

    text: str

    @property
    def name(self) -> str:
        return self._found(r"^query (\w+)")

    @property
    def calls(self) -> int:
        return int(self._found(r"^# Cost: (\d+) upstream calls?\b"))

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.text, re.MULTILINE)
        assert match, f"no {pattern} in {self.text}"
        return match[1]


_SOURCE = (BUILT.parent / "tabs.graphql").read_text()
TABS = [Tab(text) for text in re.split(r"(?<=^}$)\n+", _SOURCE, flags=re.MULTILINE) if text]


def tab_of(name: str) -> Tab:
    """Return the tab with this operation."""
    [tab] = [tab for tab in TABS if tab.name == name]
    return tab
