"""Benchmarks run on a Python that was built with optimizations."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import interpreter
from benchmarks.rivals import __main__ as rivals
from benchmarks.rivals.tables import results_text
from tests.benchmarks.reports import made_up_report
from tests.support.processes import ROOT

Build = Callable[[str, tuple[str, ...]], None]
# It is optimized if the name of the program says so, and it makes an environment that holds its own name.
PROGRAM = r"""#!/bin/sh
case "$1 $0" in
  *interpreter.py\ *optimized) exit 0 ;;
  *interpreter.py\ *) echo "what to do" >&2; exit 1 ;;
  "-m "*) mkdir -p "$3/bin" && echo "$0" > "$3/bin/python" ;;
esac
"""


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    """Let this Python seem to be built with these options, and to have these install schemes."""

    def built(options: str, schemes: tuple[str, ...]) -> None:
        monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": options}.get)
        monkeypatch.setattr(sysconfig, "get_scheme_names", lambda: schemes)

    return built


def test_python_with_the_option_for_optimizations_fits(build: Build) -> None:
    build("'--enable-shared' '--enable-optimizations' '--with-lto'", ("posix_prefix",))
    interpreter.require_optimized()
    assert interpreter.described().endswith("built with --enable-optimizations")


def test_python_of_debian_fits_although_it_lacks_the_option(build: Build) -> None:
    build("'--enable-shared' '--with-computed-gotos'", ("deb_system", "posix_local", "posix_prefix"))
    interpreter.require_optimized()
    assert interpreter.described().endswith("Debian's optimized build")


def test_other_python_is_refused_with_what_to_do(build: Build) -> None:
    build("'--enable-shared'", ("posix_prefix",))
    with pytest.raises(SystemExit, match=r"built without optimizations.* make bench PYTHON=/usr/bin/python3"):
        interpreter.require_optimized()


def test_older_python_is_refused(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build("'--enable-optimizations'", ("posix_prefix",))
    monkeypatch.setattr("sys.version_info", (3, 10, 13))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer"):
        interpreter.require_optimized()


def test_comparison_is_refused_before_anything_is_installed_or_measured(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install() -> None:
        pytest.fail("The installation began.")

    monkeypatch.setattr(rivals, "install_wrk", install)
    monkeypatch.setattr("sys.argv", ["rivals"])
    build("'--enable-shared'", ("posix_prefix",))
    with pytest.raises(SystemExit, match="built without optimizations"):
        rivals.main()


def test_results_say_which_python_ran(build: Build) -> None:
    build("'--enable-optimizations'", ("posix_prefix",))
    assert f"on {interpreter.described()}." in results_text(made_up_report(), [])


def make_environment(tmp_path: Path, python: str, debian: str) -> subprocess.CompletedProcess[str]:
    """Run make with a PYTHON, and with another program in the place of Debian's Python."""
    for name in (python, debian):
        program = tmp_path / name
        program.write_text(PROGRAM)
        program.chmod(0o755)
    makefile = (ROOT / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(makefile.replace("/usr/bin/python3", str(tmp_path / debian)))
    command = ["make", "--silent", ".venv/optimized/bin/python", f"PYTHON={tmp_path / python}"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("python", "debian", "used"),
    [("optimized", "debian-optimized", "optimized"), ("slow", "debian-optimized", "debian-optimized")],
)
def test_make_bench_takes_the_first_python_that_fits(tmp_path: Path, python: str, debian: str, used: str) -> None:
    result = make_environment(tmp_path, python, debian)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / ".venv/optimized/bin/python").read_text() == f"{tmp_path / used}\n"


def test_make_bench_says_at_once_that_no_python_fits(tmp_path: Path) -> None:
    result = make_environment(tmp_path, "slow", "slow-debian")
    assert result.returncode != 0
    assert "what to do" in result.stderr
    assert not (tmp_path / ".venv").exists()
