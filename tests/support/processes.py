"""Real command lines for tests: started, read line by line, and stopped by a signal."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.leak_search import search_log_line

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Started:
    """A running command; `lines` are the first ones that it printed."""

    def __init__(self, process: subprocess.Popen[str], lines: list[str]) -> None:
        self.process = process
        self.lines = lines

    def stop(self, how: signal.Signals) -> int:
        """Send a signal and give the exit code; kills it after 20 s."""
        self.process.send_signal(how)
        return self.process.wait(20)


def environment(home: Path, **variables: str) -> dict[str, str]:
    """An environment without anything that this machine's user has set up, and with no cache: tests count calls."""
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_CACHE_TTL_SECONDS": "0",
        **variables,
    }


@contextmanager
def started(*command: str, env: Mapping[str, str], lines: int, cwd: Path = ROOT) -> Iterator[Started]:
    """Run a command in a group of its own and wait for its first lines."""
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    reading = _looked_through(process) if Path(command[0]).name == "chime-gateway" else None
    try:
        printed = [process.stdout.readline().rstrip("\n") for _ in range(lines)]
        yield Started(process, printed)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if reading is not None:
            reading.join()


def _looked_through(process: subprocess.Popen[str]) -> threading.Thread:
    """Have each line that a gateway logs looked at on its way to the test, and also those that no test reads."""
    printed = process.stdout
    assert printed is not None
    out, back = os.pipe()
    process.stdout = os.fdopen(out)

    def read() -> None:
        with printed, os.fdopen(back, "w", buffering=1) as passed_on:
            for line in printed:
                # What a command says of itself at its start names its own address.
                if line.startswith(("{", "20")):
                    search_log_line(line)
                with suppress(BrokenPipeError):
                    passed_on.write(line)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def workers_of(parent: int) -> list[int]:
    """The process ids of a gateway's workers."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def free_port() -> int:
    """A loopback port that nobody listens on, for a program that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def needed(program: str, what_for: str) -> str:
    """The path of a program that a machine may lack.

    Skips where it is not there, by name; in CI, which has it, that is a failure.
    """
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"{program} is not here, which {what_for} needs"
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)
