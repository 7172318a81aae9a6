"""The log by itself: what others say is scrubbed, a reader who does not read holds nobody up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.telemetry.redaction import MAX_LOGGED_TEXT, redact
from tests.support.processes import ROOT, environment


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("User arn:aws:iam::123456789012:user/x is not", "User [arn] is not"),
        ("of account 123456789012.", "of account [number]."),
        ("at https://user:pass@host:8443/path?next-token=x now", "at [url] now"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [key id]"),
        ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "key [token]"),
        ("cursor " + "aB-_" * 30 + "." + "0f" * 24, "cursor [token].[token]"),
        ("number +12065550100, %2B12065550100, 12065550100", "number [number], [number], [number]"),
        ("one\r\ntwo\u2028three\x1b[2Jfour\x00", "one two three [2Jfour "),
        ("request 0123456789abcdef0123456789abcdef", "request 0123456789abcdef0123456789abcdef"),
        ("request 11111111-2222-4333-8444-555555555555", "request 11111111-2222-4333-8444-555555555555"),
        ("x " * MAX_LOGGED_TEXT, ("x " * MAX_LOGGED_TEXT)[:MAX_LOGGED_TEXT]),
    ],
)
def test_redaction_removes_secrets_and_numbers_and_keeps_the_rest(text: str, redacted: str) -> None:
    assert redact(text) == redacted


def logged_by(home: Path, program: str) -> list[str]:
    """Return the lines that a program prints on standard error after it has configured the log."""
    setup = (
        "import asyncio, logging, structlog\n"
        "from gateway.telemetry.logs import configure_logs\n"
        "configure_logs('json')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", setup + program],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return result.stderr.splitlines()


def test_exception_is_logged_in_one_line_with_its_class_and_source_lines(tmp_path: Path) -> None:
    program = (
        "try:\n    int('+12065550100\\nforged')\nexcept ValueError:\n    logging.getLogger('gateway').exception('it')"
    )
    [line] = logged_by(tmp_path, program)
    logged = json.loads(line)
    assert (logged["event"], logged["level"], logged["logger"]) == ("it", "error", "gateway")
    assert logged["raised"] == "ValueError: invalid literal for int() with base 10: '[number]\\nforged'"
    assert logged["at"] == ["<string>:5 <module>"]


@pytest.mark.parametrize("logger", ["uvicorn.error", "asyncio", "botocore"])
def test_warning_of_a_library_is_redacted_and_logged(tmp_path: Path, logger: str) -> None:
    [line] = logged_by(tmp_path, f"logging.getLogger('{logger}').warning('of %s\\n', '+12065550100')")
    assert json.loads(line)["event"] == "of [number] "


def test_exception_of_a_lost_task_is_redacted_and_logged(tmp_path: Path) -> None:
    program = (
        "async def fails(): raise ValueError('+12065550100')\n"
        "async def main():\n    task = asyncio.ensure_future(fails())\n    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    [line] = logged_by(tmp_path, program)
    logged = json.loads(line)
    assert logged["raised"] == "ValueError: [number]"
    assert "+1206" not in line


def test_log_thread_is_woken_once_while_lines_keep_coming(tmp_path: Path) -> None:
    program = """
import threading, time
gathering, may_write, wakes = threading.Semaphore(0), threading.Semaphore(0), []
set_event = threading.Event.set

def counted_set(event):
    wakes.append(event)
    set_event(event)

def sleep(_seconds):
    gathering.release()
    may_write.acquire()

threading.Event.set, time.sleep = counted_set, sleep
log = structlog.get_logger()
log.info("line")
for _ in range(3):
    assert gathering.acquire(timeout=30)
    log.info("line")
    may_write.release()
assert gathering.acquire(timeout=30)
assert len(wakes) == 1
may_write.release(9)
"""
    assert [json.loads(line)["event"] for line in logged_by(tmp_path, program)] == ["line"] * 4


def test_unread_log_delays_no_program_and_reports_the_dropped_lines(tmp_path: Path) -> None:
    """A pipe holds 64 KB. The program writes 30 times as much before the test reads its first line."""
    program = (
        "import sys\nfrom gateway.telemetry.logs import configure_logs\nimport structlog\nconfigure_logs('json')\n"
        "log = structlog.get_logger()\n"
        "for number in range(30_000): log.info('x' * 40, number=number)\n"
        "print('done', flush=True)\nsys.stdin.read()\nlog.info('last')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        _, log = process.communicate(timeout=60)
    lines = [json.loads(line) for line in log.splitlines()]
    assert process.returncode == 0
    assert len(lines) < 30_000
    assert "lines were dropped" in "".join(line["event"] for line in lines)
