"""How the page is built, and gets into a wheel; npm is stood in for, as other tests run the real one."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT

# Answers as npm would, notes what it was asked, and fails at what NPM_FAILS_AT names.
NPM = """#!/bin/sh
echo "$*" >> npm-was-asked
[ "$*" != "$NPM_FAILS_AT" ] || exit 1
case "$*" in
    ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
    "run build") mkdir -p dist/assets && touch dist/assets/index.js.gz dist/index.html ;;
esac
"""


class Checkout:
    """A clean clone, as far as a build needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = folder / "gateway" / "graphiql"
        self.programs = folder / "programs"
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, folder)
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
        shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
        self.programs.mkdir()
        # Found without the machine's other programs, of which npm may be one.
        for name in ("sh", "mkdir", "touch"):
            (self.programs / name).symlink_to(shutil.which(name) or name)

    def has_npm(self) -> None:
        npm = self.programs / "npm"
        npm.write_text(NPM)
        npm.chmod(0o755)

    def asked(self) -> list[str]:
        """What npm was asked since the last time."""
        note = self.page / "npm-was-asked"
        asked = note.read_text().splitlines() if note.exists() else []
        note.unlink(missing_ok=True)
        return asked

    def run(self, *command: str, npm_fails_at: str = "") -> str:
        """What a command that must not fail prints."""
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
        """The lines that `make run` prints of it."""
        return self.run(str(self.page / "build.py"), **given).splitlines()

    def wheel(self) -> tuple[set[str], str]:
        """The names within a wheel that is made of it, and what was said meanwhile."""
        index = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
        said = self.run("-m", "pip", "wheel", "--verbose", *index, "--wheel-dir", "made", ".")
        [wheel] = (self.folder / "made").iterdir()
        return {name for name in zipfile.ZipFile(wheel).namelist() if "graphiql/" in name}, said


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_node_one_line_says_so_and_that_is_all(checkout: Checkout) -> None:
    [line] = checkout.build()
    assert "Node is not here" in line
    assert not (checkout.page / "dist").exists()


def test_the_page_is_built_once_and_again_where_its_source_is_newer(checkout: Checkout) -> None:
    checkout.has_npm()
    assert checkout.build() == ["Building GraphiQL, once"]
    assert checkout.asked() == ["ci", "run build"]
    assert checkout.build() == []
    assert checkout.asked() == []
    later = (checkout.page / "dist" / "index.html").stat().st_mtime + 10
    os.utime(checkout.page / "main.js", (later, later))
    checkout.build()
    assert checkout.asked() == ["run build"]
    os.utime(checkout.page / "package-lock.json", (later, later))
    checkout.build()
    assert checkout.asked() == ["ci", "run build"]


@pytest.mark.parametrize("command", ["ci", "run build"])
def test_where_npm_fails_a_line_says_at_what_and_the_gateway_goes_on(checkout: Checkout, command: str) -> None:
    checkout.has_npm()
    *_, line = checkout.build(npm_fails_at=command)
    assert f"npm {command}" in line
    assert str(checkout.page) in line


def test_a_wheel_made_where_node_is_has_the_page_and_none_of_its_source(checkout: Checkout) -> None:
    checkout.has_npm()
    names, _ = checkout.wheel()
    assert checkout.asked() == ["ci", "run build"]
    assert names == {"gateway/graphiql/dist/index.html", "gateway/graphiql/dist/assets/index.js.gz"}


def test_a_wheel_made_elsewhere_goes_without_and_says_so(checkout: Checkout) -> None:
    names, said = checkout.wheel()
    assert names == set()
    assert "GraphiQL is not built, as Node is not here" in said


def test_the_source_is_locked_to_exact_versions_and_names_no_addresses() -> None:
    package = (ROOT / "gateway" / "graphiql" / "package.json").read_text()
    lock = (ROOT / "gateway" / "graphiql" / "package-lock.json").read_text()
    assert "^" not in package
    assert "~" not in package
    assert '"resolved"' not in lock
