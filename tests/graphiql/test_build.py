"""The build of the page, alone and within a wheel. A script stands in for npm, because other tests run the real one."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT

# Creates the same files as npm, records its arguments, and fails if they equal NPM_FAILS_AT.
NPM = """#!/bin/sh
echo "$*" >> npm-runs
[ "$*" != "$NPM_FAILS_AT" ] || exit 1
case "$*" in
    ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
    "run build") mkdir -p dist/assets && touch dist/assets/index.js.gz dist/index.html ;;
esac
"""


class Checkout:
    """A copy of the files that a build needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = folder / "gateway" / "graphiql"
        self.programs = folder / "programs"
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, folder)
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
        shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
        self.programs.mkdir()
        # The folder is the whole PATH, because the machine's own PATH may hold npm.
        for name in ("sh", "mkdir", "touch"):
            (self.programs / name).symlink_to(shutil.which(name) or name)

    def has_npm(self) -> None:
        npm = self.programs / "npm"
        npm.write_text(NPM)
        npm.chmod(0o755)

    def npm_runs(self) -> list[str]:
        """Return the arguments of each npm run since the last call."""
        note = self.page / "npm-runs"
        requested = note.read_text().splitlines() if note.exists() else []
        note.unlink(missing_ok=True)
        return requested

    def run(self, *command: str, npm_fails_at: str = "") -> str:
        """Return the output of a command. Fail if the command fails."""
        env = {"PATH": str(self.programs), "HOME": str(self.folder), "NPM_FAILS_AT": npm_fails_at}
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout

    def build(self, **given: str) -> list[str]:
        """Run the build like `make run`, and return its lines of output."""
        return self.run(str(self.page / "build.py"), **given).splitlines()

    def wheel(self) -> tuple[set[str], str]:
        """Build a wheel, and return the names of the page's files in it and the output."""
        index = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
        output = self.run("-m", "pip", "wheel", "--verbose", *index, "--wheel-dir", "made", ".")
        [wheel] = (self.folder / "made").iterdir()
        return {name for name in zipfile.ZipFile(wheel).namelist() if "graphiql/" in name}, output


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_build_without_node_prints_one_line_and_builds_nothing(checkout: Checkout) -> None:
    [line] = checkout.build()
    assert "npm is missing" in line
    assert not (checkout.page / "dist").exists()


def test_page_is_built_again_only_if_its_source_is_newer(checkout: Checkout) -> None:
    checkout.has_npm()
    assert checkout.build() == ["Building GraphiQL (once)"]
    assert checkout.npm_runs() == ["ci", "run build"]
    assert checkout.build() == []
    assert checkout.npm_runs() == []
    later = (checkout.page / "dist" / "index.html").stat().st_mtime + 10
    os.utime(checkout.page / "main.js", (later, later))
    checkout.build()
    assert checkout.npm_runs() == ["run build"]
    os.utime(checkout.page / "package-lock.json", (later, later))
    checkout.build()
    assert checkout.npm_runs() == ["ci", "run build"]


@pytest.mark.parametrize("command", ["ci", "run build"])
def test_failing_npm_command_is_named_and_the_build_succeeds(checkout: Checkout, command: str) -> None:
    checkout.has_npm()
    *_, line = checkout.build(npm_fails_at=command)
    assert f"npm {command}" in line
    assert str(checkout.page) in line


def test_wheel_built_with_node_holds_the_page_without_its_source(checkout: Checkout) -> None:
    checkout.has_npm()
    names, _ = checkout.wheel()
    assert checkout.npm_runs() == ["ci", "run build"]
    assert names == {"gateway/graphiql/dist/index.html", "gateway/graphiql/dist/assets/index.js.gz"}


def test_wheel_built_without_node_says_so_and_has_no_page(checkout: Checkout) -> None:
    names, output = checkout.wheel()
    assert names == set()
    assert "GraphiQL is not built because npm is missing" in output


def test_page_source_is_locked_to_exact_versions_without_registry_addresses() -> None:
    package = (ROOT / "gateway" / "graphiql" / "package.json").read_text()
    lock = (ROOT / "gateway" / "graphiql" / "package-lock.json").read_text()
    assert "^" not in package
    assert "~" not in package
    assert '"resolved"' not in lock
