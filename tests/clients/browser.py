"""A simulated browser for the front ends: it loads a page, presses buttons, and reports the content of the screen."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.pages import FOLDER

# More presses than any list here needs. The limit stops a list that never ends.
TO_THE_END = 50


@dataclass(frozen=True)
class Screen:
    """The content of the screen: the texts of each kind, from top to bottom.

    Attributes:
        rows: The first cell of each row of the table.
        received: The ids of all rows in responses since the page was loaded, of all lists.
        complaints: Warnings of React and of the client, and actions that failed.
    """

    headings: list[str]
    items: list[str]
    rows: list[str]
    buttons: list[str]
    alerts: list[str]
    received: list[str]
    complaints: list[str]

    @property
    def numbers(self) -> list[str]:
        """Return the first word of each item."""
        return [item.split()[0] for item in self.items]


class Browser:
    """A browser with one page. Each action ends when the page is idle."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def visits(self, url: str) -> None:
        """Load the page again, with the gateway's origin."""
        self._act(visit=url)

    def opens(self, *components: str, **props: Any) -> Screen:
        """Show components side by side."""
        return self._act(open=components, props=props)

    def presses(self, button: str, *, times: int = 1) -> Screen:
        """Press the first button with this label, up to `times` times, or until it disappears."""
        return self._act(press=button, times=times)

    def types(self, text: str) -> Screen:
        """Replace the text of the search box."""
        return self._act(type=text)

    def spoils_the_next_cursor(self, cursor: str) -> None:
        """Replace the next `after` argument by this cursor."""
        self._act(spoil=cursor)

    def _act(self, **action: Any) -> Screen:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(action) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser ended; standard error has its output"
        screen = Screen(**json.loads(line))
        assert not screen.complaints, screen.complaints
        return screen


@contextmanager
def browser(bundle: Path) -> Iterator[Browser]:
    """Run a browser for a bundle while the block runs."""
    with subprocess.Popen(
        ["node", "browser.js", str(bundle)], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Browser(process)
        finally:
            process.kill()
