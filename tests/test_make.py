"""`make test` says which programs are missing before it installs them, or how to get them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, needed


class Machine:
    """A PATH with stubs of apt-get, id and pytest, which write their arguments to the output of make."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder
        self.has("apt-get", 'echo "apt-get $*" >&2')
        self.has("pytest", "echo pytest >&2")
        (folder / "python3").symlink_to(sys.executable)

    def has(self, name: str, script: str = "") -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def make_test(self) -> list[str]:
        """Return the lines of `make test`, without the first installation of Python's packages."""
        make = [needed("make", "the Makefile's check"), "--silent", "--assume-old=.venv/test"]
        result = subprocess.run(
            [*make, "test", f"BIN={self.programs}"],
            cwd=ROOT,
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return result.stderr.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_root_reads_which_packages_are_installed_and_why_before_apt_runs(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("redis-server")
    first, *rest = machine.make_test()
    assert "Tests use a browser, a Redis and kustomize" in first
    assert first.endswith("chromium kubernetes-client. Installing them by apt-get.")
    install = "apt-get -qq install --yes"
    assert rest == ["apt-get -qq update", f"{install} chromium", f"{install} kubernetes-client", "pytest"]


def test_others_read_what_to_install_and_the_tests_run_without_it(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    first, *rest = machine.make_test()
    assert "chromium redis-server kubernetes-client" in first
    assert "install them as root" in first
    assert rest == ["pytest"]


def test_nothing_is_said_or_installed_if_no_program_is_missing(machine: Machine) -> None:
    machine.has("id", "echo 0")
    for program in ("chromium", "redis-server", "kubectl"):
        machine.has(program)
    assert machine.make_test() == ["pytest"]
