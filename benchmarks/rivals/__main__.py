"""A comparison of the gateway with its rivals, in one run: see ../README.md.

    python -m benchmarks.rivals [--rounds 3] [--seconds 2] [--mixed 100000] [--only tailcall] [--baseline PROGRAM]

The program prints each measurement at once. It writes ../results.md with its plots, and the tables of figures in
README.md and docs/operations.md.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import interpreter
from benchmarks.rivals.install import install_rivals, install_wrk
from benchmarks.rivals.plots import draw
from benchmarks.rivals.published import RESULTS, publish
from benchmarks.rivals.report import Report, commit
from benchmarks.rivals.run import Run
from benchmarks.rivals.servers import RIVALS
from benchmarks.rivals.tables import results_text


def main() -> None:
    """Install what is missing, measure, and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="Rounds; the report shows their median.")
    parser.add_argument("--seconds", type=float, default=2.0, help="Approximate load time of each server per round.")
    parser.add_argument(
        "--mixed",
        type=int,
        default=100_000,
        help="Mixed requests of the memory check. Its goals are stated for 100000. 0 skips it.",
    )
    parser.add_argument("--only", help=f"Rivals to run, of {','.join(RIVALS)}; any other word runs the gateway alone.")
    parser.add_argument(
        "--baseline", type=Path, help="The chime-gateway of another checkout's .venv, measured in the same run."
    )
    parser.add_argument(
        "--write", action=argparse.BooleanOptionalAction, default=True, help="Write the results and plots."
    )
    options = parser.parse_args()
    if options.baseline and not options.baseline.exists():
        parser.error(f"{options.baseline} is missing. Run make .venv/run PYTHON=/usr/bin/python3 in that checkout.")
    if options.write:
        interpreter.require_optimized()
        # The baseline needs as fast a Python. The program says so itself.
        if options.baseline and subprocess.call([options.baseline.with_name("python"), interpreter.__file__]):
            sys.exit(1)
    chosen = list(RIVALS) if options.only is None else [name for name in options.only.split(",") if name in RIVALS]
    # SIGTERM raises SystemExit, so that the servers are stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install_wrk()
    report = Report(rounds=options.rounds, seconds=options.seconds)
    baseline = options.baseline and options.baseline.absolute()
    if baseline:
        report.note(f"The baseline is the gateway at {commit(baseline.parent)}.")
    if not {"hive", "tailcall"}.isdisjoint(chosen):
        install_rivals(report)
    folder = Path(tempfile.mkdtemp(prefix="rivals-"))
    try:
        Run(report, folder, chosen, baseline).all(mixed=options.mixed)
    finally:
        shutil.rmtree(folder)
    text = results_text(report, draw(report) if options.write else [])
    report.say(f"\n{text}")
    if options.write:
        RESULTS.write_text(text)
        publish(text)


if __name__ == "__main__":
    main()
