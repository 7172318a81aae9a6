"""The log by itself: what others say is scrubbed, a reader who does not read holds nobody up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.telemetry.logs import MAX_LOGGED_TEXT, redact
from tests.support.processes import ROOT, environment


@pytest.mark.parametrize(
    ("said", "kept"),
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
def test_what_must_not_be_kept_is_taken_out_and_the_rest_stays(said: str, kept: str) -> None:
    assert redact(said) == kept


def logged_by(home: Path, program: str) -> list[str]:
    """The lines that a program prints on standard error after it has configured the log."""
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


def test_an_exception_is_one_line_with_its_kind_and_the_places_that_it_came_by(tmp_path: Path) -> None:
    program = (
        "try:\n    int('+12065550100\\nforged')\nexcept ValueError:\n    logging.getLogger('gateway').exception('it')"
    )
    [line] = logged_by(tmp_path, program)
    said = json.loads(line)
    assert (said["event"], said["level"], said["logger"]) == ("it", "error", "gateway")
    assert said["raised"] == "ValueError: invalid literal for int() with base 10: '[number]\\nforged'"
    assert said["at"] == ["<string>:5 <module>"]


@pytest.mark.parametrize("logger", ["uvicorn.error", "asyncio", "botocore"])
def test_what_libraries_warn_of_goes_through_the_same_log(tmp_path: Path, logger: str) -> None:
    [line] = logged_by(tmp_path, f"logging.getLogger('{logger}').warning('of %s\\n', '+12065550100')")
    assert json.loads(line)["event"] == "of [number] "


def test_a_lost_tasks_exception_goes_through_the_same_log(tmp_path: Path) -> None:
    program = (
        "async def fails(): raise ValueError('+12065550100')\n"
        "async def main():\n    task = asyncio.ensure_future(fails())\n    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    [line] = logged_by(tmp_path, program)
    said = json.loads(line)
    assert said["raised"] == "ValueError: [number]"
    assert "+1206" not in line


def test_a_log_that_nobody_reads_holds_nobody_up_and_says_later_what_it_dropped(tmp_path: Path) -> None:
    """A pipe holds 64 KB; the program writes 30 times as much before its first line is read."""
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
