"""A comparison of the gateway with its rivals, in one run: see ../README.md.

    python -m benchmarks.rivals [--rounds 3] [--seconds 2] [--mixed 100000] [--only ours,tailcall]

The program prints each measurement at once, and writes ../results.md and the plots beside it.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.rivals.install import install_rivals, install_wrk
from benchmarks.rivals.plots import draw
from benchmarks.rivals.report import Report
from benchmarks.rivals.run import Run
from benchmarks.rivals.servers import HERE, RIVALS

WRITTEN_TO: Final = HERE.parent / "results.md"


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
        default=0,
        help="Mixed requests of the memory check; 0 skips it, the goal is stated for 100000.",
    )
    parser.add_argument("--only", help=f"Rivals to run, of {','.join(RIVALS)}; any other word runs the gateway alone.")
    parser.add_argument(
        "--write", action=argparse.BooleanOptionalAction, default=True, help="Write the results and plots."
    )
    options = parser.parse_args()
    chosen = list(RIVALS) if options.only is None else [name for name in options.only.split(",") if name in RIVALS]
    # SIGTERM raises SystemExit, so that the servers are stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install_wrk()
    report = Report(rounds=options.rounds, seconds=options.seconds)
    if not {"hive", "tailcall"}.isdisjoint(chosen):
        install_rivals(report)
    folder = Path(tempfile.mkdtemp(prefix="rivals-"))
    try:
        Run(report, folder, chosen).all(mixed=options.mixed)
    finally:
        shutil.rmtree(folder)
    text = report.text(draw(report) if options.write else [])
    report.say(f"\n{text}")
    if options.write:
        WRITTEN_TO.write_text(text)


if __name__ == "__main__":
    main()
