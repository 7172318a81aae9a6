"""What the benchmark needs that Python's lock does not hold: wrk from Debian, rivals from npm."""

import os
import shutil
import subprocess

from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import HERE, MODULES


def install_wrk() -> None:
    """Have wrk: root gets it from Debian, others are told.

    Raises: SystemExit where it cannot be had.
    """
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "--yes", "wrk"]):
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if not shutil.which("wrk"):
        raise SystemExit("The benchmark's load comes from wrk; install it first, on Debian: apt-get install wrk")


def install_rivals(report: Report) -> None:
    """Have node_modules as package-lock.json says, where there is Node; a rival that is missing is skipped later."""
    if not shutil.which("npm"):
        report.note("Node and npm are not here: Hive Gateway and Tailcall were not run.")
        return
    lock, installed = HERE / "package-lock.json", MODULES / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    report.say("Installing the rivals from npm, once")
    # No package's own script is run: none is needed, and none should.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=HERE, check=False, stdout=subprocess.DEVNULL).returncode:
        report.note("npm could not install the rivals: Hive Gateway and Tailcall were not run.")
        shutil.rmtree(MODULES, ignore_errors=True)
