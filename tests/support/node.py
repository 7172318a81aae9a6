"""Node for tests: packages installed from a committed lock, and programs that use them."""

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import needed

# npm writes this file last. If an installation was interrupted, the file is missing and npm runs again.
_INSTALLED = Path("node_modules", ".package-lock.json")


def installed(folder: Path) -> Path:
    """Return a folder after its packages are installed. Install them if they are missing or older than their lock.

    Skip the test if npm is missing. With CI in the environment, fail instead.
    """
    needed("npm", folder.name)
    lock, mark = folder / "package-lock.json", folder / _INSTALLED
    with one_at_a_time(folder):
        if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
            npm = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert npm.returncode == 0, npm.stderr
    return folder


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one test process at a time enter the block for a folder. The other processes wait."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def node(
    folder: Path,
    program: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    standard_input: str | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a JavaScript file of an installed folder to its end, and return its output and exit code."""
    return subprocess.run(
        ["node", program, *arguments],
        cwd=folder,
        env=os.environ | (environment or {}),
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
