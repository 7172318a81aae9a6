"""Commands run by tests as processes: started, read line by line, and stopped by a signal."""

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
    """A running command. `lines` holds the first lines of its output."""

    def __init__(self, process: subprocess.Popen[str], lines: list[str]) -> None:
        self.process = process
        self.lines = lines

    def stop(self, how: signal.Signals) -> int:
        """Send a signal and return the exit code.

        Raises:
            subprocess.TimeoutExpired: If the process has not ended after 20 s.
        """
        self.process.send_signal(how)
        return self.process.wait(20)


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment without the user's own variables, and with the cache off, because tests count calls."""
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
    """Run a command in its own process group while the block runs, and wait for its first lines."""
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    search = _search_output(process) if Path(command[0]).name == "chime-gateway" else None
    try:
        printed = [process.stdout.readline().rstrip("\n") for _ in range(lines)]
        yield Started(process, printed)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if search is not None:
            search.join()


def _search_output(process: subprocess.Popen[str]) -> threading.Thread:
    """Search each log line of a gateway for leaks on its way to the test, including lines that no test reads."""
    printed = process.stdout
    assert printed is not None
    read_end, write_end = os.pipe()
    process.stdout = os.fdopen(read_end)

    def read() -> None:
        try:
            for line in printed:
                # Only log lines start with a brace or a date. The start-up lines name the command's own address.
                if line.startswith(("{", "20")):
                    search_log_line(line)
                # A test may stop reading at any time.
                with suppress(BrokenPipeError):
                    os.write(write_end, line.encode())
        finally:
            printed.close()
            os.close(write_end)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def workers_of(parent: int) -> list[int]:
    """Return the process ids of a gateway's workers."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def free_port() -> int:
    """Return an unused loopback port, for a program that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def needed(program: str, purpose: str) -> str:
    """Return the path of a program that a machine may lack.

    Skip the test if the program is missing. With CI in the environment, fail instead.
    """
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"{program} is not installed; {purpose} needs it"
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)
