"""The page's tabs, read from the file that the page itself reads."""

import re
from dataclasses import dataclass

from gateway.http.graphiql_page import BUILT


@dataclass(frozen=True, slots=True)
class Tab:
    """One operation with the comment above it, and the upstream calls that the comment says it costs."""

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
