"""The log on standard error, with one line per event, in JSON or for people.

The gateway's own lines have ids, counts and names. Text from elsewhere (AWS, exceptions, uvicorn, asyncio) is redacted
first, because it may quote any content.
"""

import atexit
import logging
import os
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor

from gateway.telemetry.redaction import redact

LogFormat = Literal["json", "console"]

# Lines that may wait to be written, some 2 MB. The reader of the log is then seconds behind.
MAX_WAITING: Final = 10_000
# Seconds for which lines are gathered and then written together, because a system call costs more than a line.
GATHERING_SECONDS: Final = 0.02
# Seconds in which the last lines are written when the process ends.
ENDING_SECONDS: Final = 1.0
# Frames of an exception's traceback, from the one that raised it.
MAX_FRAMES: Final = 8

_STDERR: Final = 2


def configure_logs(log_format: LogFormat) -> None:
    """Log the gateway's events, and the warnings of all libraries, on standard error.

    A second call in the same process changes nothing.
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
        # The loggers that filter by level copy all fields once more. The gateway has no event below `info`.
        wrapper_class=structlog.BoundLogger,
        logger_factory=lambda: _Lines(writer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _Writer:
    """A stream whose lines are written by a thread, so that a slow reader of the log delays no request.

    Above MAX_WAITING lines, it drops new ones. A line then reports their number.
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
        """Add whole lines, without waiting."""
        if len(self._lines) >= MAX_WAITING:
            self._dropped += 1
            return
        self._lines.append(text)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Do nothing. The thread writes the lines."""

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait()
            # While lines keep coming, the thread wakes by itself. A wake by `write` would interrupt the requests.
            has_written = True
            while has_written and not self._ending:
                time.sleep(GATHERING_SECONDS)
                has_written = self._write_out()
            self._wake.clear()
            # A line that was added just before `clear` did not set the event again.
            self._write_out()
        # Lines were added while the last ones were written.
        self._write_out()

    def _write_out(self) -> bool:
        """Write all lines that wait, and return whether there were any."""
        texts = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            event = {"event": f"{dropped} lines were dropped because they were not read in time"}
            texts.append(_line(None, "warning", event) + "\n")
        left = "".join(texts).encode(errors="replace")
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            # The stream is closed, and there is no other place to report it.
            pass
        return bool(texts)

    def _end(self) -> None:
        self._ending = True
        self._wake.set()
        self._thread.join(ENDING_SECONDS)


class _Lines:
    """The end of structlog's chain. structlog's own takes a lock for each line, which the writer does not need."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def info(self, line: str) -> None:
        """Write one line."""
        self._writer.write(line + "\n")

    warning = error = critical = info


def _line(_logger: Any, level: str, event: EventDict) -> str:
    """Return an event as JSON. Each request has one, and structlog's own three processors would take twice the time."""
    event.update(level=level, timestamp=datetime.now(UTC))
    return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z).decode()


def _redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redact the event of a library, and replace an exception by its class, message and source lines."""
    event["event"] = redact(str(event["event"]))
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else None
    if error is not None:
        event["raised"] = redact(f"{type(error).__name__}: {error}")
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    event.pop("stack_info", None)
    return event
