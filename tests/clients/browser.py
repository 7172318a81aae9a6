"""The door to a front end: a page's code run in a browser, with a reader who presses buttons and sees what is shown."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.pages import FOLDER

# Presses that are enough for any list here; one that never ends is cut off by this.
TO_THE_END = 50


@dataclass(frozen=True)
class Screen:
    """What is shown: the texts of each kind, from top to bottom.

    received: the ids of all rows that have come, in pages of whichever list, since the page was loaded.
    complaints: what React or the client warns of, or what the browser could not do.
    """

    headings: list[str]
    items: list[str]
    buttons: list[str]
    alerts: list[str]
    received: list[str]
    complaints: list[str]

    @property
    def numbers(self) -> list[str]:
        """The first word of each item."""
        return [item.split()[0] for item in self.items]


class Browser:
    """A page and what it shows. Each deed waits until the page is still."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def visits(self, url: str) -> None:
        """Load the page anew, as served from the gateway's own origin."""
        self._does(visit=url)

    def opens(self, *components: str, **props: Any) -> Screen:
        """Show components side by side."""
        return self._does(open=components, props=props)

    def presses(self, button: str, *, times: int = 1) -> Screen:
        """Press the first button of this name, up to so many times: as often as it is there."""
        return self._does(press=button, times=times)

    def spoils_the_next_cursor(self, cursor: str) -> None:
        """Send this in place of the next `after`."""
        self._does(spoil=cursor)

    def _does(self, **deed: Any) -> Screen:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(deed) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser ended; its words are on standard error"
        screen = Screen(**json.loads(line))
        assert not screen.complaints, screen.complaints
        return screen


@contextmanager
def browser(bundle: Path) -> Iterator[Browser]:
    """A browser for a bundle's page, while the block runs."""
    with subprocess.Popen(
        ["node", "browser.js", str(bundle)], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Browser(process)
        finally:
            process.kill()
