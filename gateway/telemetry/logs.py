"""The log, on standard error: one line an event, in JSON or for people.

The gateway's own lines are made of ids, counts and names. What others write (AWS's messages, exceptions, uvicorn,
asyncio) goes through `scrubbed` first, for it may quote anything.
"""

import atexit
import logging
import os
import re
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor

LogFormat = Literal["json", "console"]

# Lines that may wait to be written: 2 MB. Whoever reads the log has by then fallen seconds behind.
MAX_WAITING: Final = 10_000
# Seconds that lines are gathered before they are written at once: a call of the system costs more than a line does.
GATHERING_SECONDS: Final = 0.02
# Seconds that the last lines get when the process ends.
ENDING_SECONDS: Final = 1.0
# Characters of what others say. A message of AWS's that is longer says nothing more.
MAX_LOGGED_TEXT: Final = 500
# Frames of an exception, from where it was raised.
MAX_FRAMES: Final = 8

_STDERR: Final = 2
# In this order: what is taken out first may hold what is looked for later.
_REDACTIONS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\barn:[\w:/+=,.@*-]+"), "[arn]"),
    (re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://[^\s'\"<>]+", re.IGNORECASE), "[url]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"), "[key id]"),
    # Secrets, tokens, cursors and signatures; ids of requests are 32 or 36 characters.
    (re.compile(r"[\w+/=-]{40,}"), "[token]"),
    (re.compile(r"(?:\+|%2B)[1-9]\d{6,14}(?!\d)", re.IGNORECASE), "[number]"),
    # Account ids are 12 digits; numbers without their `+` are 10 to 15.
    (re.compile(r"(?<![\w-])\d{10,15}(?![\w-])"), "[number]"),
    # Whatever could begin another line, or move a terminal's cursor.
    (re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"), " "),
)


def redact(text: str) -> str:
    """What others say, in one line, without what must not be kept: numbers, accounts, keys, tokens and URLs."""
    # Only so much is looked through: a message may quote a whole answer.
    text = text[: 4 * MAX_LOGGED_TEXT]
    for pattern, placeholder in _REDACTIONS:
        text = pattern.sub(placeholder, text)
    return text[:MAX_LOGGED_TEXT]


def configure_logs(log_format: LogFormat) -> None:
    """Have this process log on standard error: the gateway's lines, and the warnings of all others.

    Once for a process: called again, it changes nothing.
    """
    if structlog.is_configured():
        return
    writer = _Writer(_STDERR)
    common: list[Processor] = []
    renderer: Processor = _line
    if log_format == "console":
        common = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=writer),  # type: ignore[arg-type]  # It only writes and flushes.
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _scrub, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _Writer:
    """A stream whose lines a thread writes: whoever reads them too slowly, or not at all, holds up no request.

    Lines past MAX_WAITING are dropped, and how many is said once there is room again.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def write(self, text: str) -> None:
        """Take whole lines. Waits for nobody."""
        if len(self._lines) >= MAX_WAITING:
            self._dropped += 1
            return
        self._lines.append(text)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Lines are written when the thread comes to it."""

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait()
            if not self._ending:
                time.sleep(GATHERING_SECONDS)
            self._wake.clear()
            self._write_out()
        # What came while the last ones were written.
        self._write_out()

    def _write_out(self) -> None:
        texts = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            event = {"event": f"{dropped} lines were dropped: nobody read them in time"}
            texts.append(_line(None, "warning", event) + "\n")
        left = "".join(texts).encode(errors="replace")
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            # Nobody reads any more, and there is nowhere to say so.
            return

    def _end(self) -> None:
        self._ending = True
        self._wake.set()
        self._thread.join(ENDING_SECONDS)


def _line(_logger: Any, level: str, event: EventDict) -> str:
    """An event as JSON. There is one a request: structlog's own three processors would cost it twice as much."""
    event.update(level=level, timestamp=datetime.now(UTC))
    return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z).decode()


def _scrub(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """What another program part logged, scrubbed; an exception by its kind and the lines that it came by."""
    event["event"] = redact(str(event["event"]))
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else None
    if error is not None:
        event["raised"] = redact(f"{type(error).__name__}: {error}")
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    event.pop("stack_info", None)
    return event
