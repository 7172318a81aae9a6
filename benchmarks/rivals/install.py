"""Installation of the programs that no Python lock holds: wrk from Debian, and the rivals from npm."""

import os
import shutil
import subprocess

from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import HERE, MODULES


def install_wrk() -> None:
    """Install wrk from Debian if it is missing and the user is root.

    Raises:
        SystemExit: If wrk is still missing.
    """
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "--yes", "wrk"]):
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed, and the benchmark needs it for load. On Debian: apt-get install wrk")


def install_rivals(report: Report) -> None:
    """Install the packages of package-lock.json if npm is there. A rival that is missing is skipped later."""
    if not shutil.which("npm"):
        report.note("npm is not installed. Hive Gateway and Tailcall were not run.")
        return
    lock, installed = HERE / "package-lock.json", MODULES / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    report.say("Installing the rivals from npm, once")
    # Packages' own scripts are not run, because none is needed.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=HERE, check=False, stdout=subprocess.DEVNULL).returncode:
        report.note("npm could not install the rivals. Hive Gateway and Tailcall were not run.")
        shutil.rmtree(MODULES, ignore_errors=True)
