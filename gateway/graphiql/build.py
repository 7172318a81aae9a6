"""The build of the GraphiQL page with npm: on `make run`, and as a hatchling hook when a wheel is built."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
PAGE = HERE / "dist" / "index.html"
LOCK = HERE / "package-lock.json"
# npm writes this file last. If an installation was interrupted, the file is missing and npm runs again.
INSTALLED = HERE / "node_modules" / ".package-lock.json"


def build(say: Callable[[str], None]) -> None:
    """Build the page if it is missing or older than its source.

    The build takes 20 seconds, or 5 if npm's packages are installed.

    A missing page is not an error, because the API works without it.

    Args:
        say: Receives one line: the step that starts, or the reason why there is no page.
    """
    if not older(PAGE, *(path for path in HERE.iterdir() if path.is_file())):
        return
    npm = shutil.which("npm")
    if npm is None:
        say("GraphiQL is not built because npm is missing. The API works without it. Install Node to get the page.")
        return
    say("Building GraphiQL (once)")
    for command in ("ci", "run build") if older(INSTALLED, LOCK) else ("run build",):
        npm_command = [npm, *command.split()]
        if subprocess.run(npm_command, cwd=HERE, capture_output=True, check=False).returncode:  # noqa: S603  # Constants.
            say(f"GraphiQL is not built because `npm {command}` failed in {HERE}. The API works without it.")
            return


def older(made: Path, *sources: Path) -> bool:
    """Return whether a file is missing, or older than one of its sources."""
    return not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources)


class GraphiqlHook(BuildHookInterface[Any]):
    """A hatchling hook that runs before a wheel is built. An editable installation uses `make run` instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # Hatchling's signature.
        """Build the page. The wheel includes it if the build succeeds."""
        if version == "standard":
            build(self.app.display_info)


if __name__ == "__main__":
    build(print)
