"""Builds the page by npm, where Node is: on `make run`, and as hatchling's hook when a wheel is made."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
PAGE = HERE / "dist" / "index.html"
LOCK = HERE / "package-lock.json"
# npm writes this file last, so that a broken-off installation is done again.
INSTALLED = HERE / "node_modules" / ".package-lock.json"


def build(say: Callable[[str], None]) -> None:
    """Build the page where it is missing or older than its source: 20 seconds, 5 of them without npm's installation.

    say: is told in one line what is done, or why there will be no page, which is no failure: the gateway goes without.
    """
    if not older(PAGE, *(path for path in HERE.iterdir() if path.is_file())):
        return
    npm = shutil.which("npm")
    if npm is None:
        say("GraphiQL is not built, as Node is not here; the API works without it")
        return
    say("Building GraphiQL, once")
    for command in ("ci", "run build") if older(INSTALLED, LOCK) else ("run build",):
        npm_command = [npm, *command.split()]
        if subprocess.run(npm_command, cwd=HERE, capture_output=True, check=False).returncode:  # noqa: S603  # Our words.
            say(f"GraphiQL is not built, as this failed in {HERE}: npm {command}; the API works without it")
            return


def older(made: Path, *sources: Path) -> bool:
    """Whether a file is missing, or older than one of those that it was made from."""
    return not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources)


class GraphiqlHook(BuildHookInterface[Any]):
    """Before a wheel is made; an editable installation has `make run`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # Hatchling's signature.
        """Build the page, of which the wheel takes what is there."""
        if version == "standard":
            build(self.app.display_info)


if __name__ == "__main__":
    build(print)
