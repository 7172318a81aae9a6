"""The door to Node: packages installed from a committed lock, programs run among them."""

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import needed

# npm writes this file last, so that a broken-off installation is done again.
_INSTALLED = Path("node_modules", ".package-lock.json")


def installed(folder: Path) -> Path:
    """A folder with a package-lock.json, whose packages are there: installed now where they are not, or are older.

    Skips where there is no Node, by name; in CI, which has one, that is a failure.
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
    """Only one of the processes that run tests side by side is in a folder's block; the others wait."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def node(
    folder: Path, program: str, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a JavaScript file of an installed folder to its end; what it printed, and its exit code."""
    return subprocess.run(
        ["node", program, *arguments],
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
