"""The numbers of several worker processes: each counts in files of its own, which whichever is asked adds up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from gateway.errors import ConfigurationError

# By it Prometheus' client knows, when it is imported, that it counts for one worker of several.
_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
# Memory that looks like files, where a system has it; containers do even where all else is read-only.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # A directory of a random name is made in it, for this user alone.


@contextmanager
def multiprocess_metrics() -> Iterator[Path]:
    """A directory for the numbers of the processes that are started while the block runs; it goes with the block.

    Raises: Misconfigured where no place can be written to.
    """
    try:
        directory = TemporaryDirectory(
            prefix="chime-gateway-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        )
    except OSError:
        raise ConfigurationError(
            "several workers count in files of a temporary directory, and none can be written: make /dev/shm or /tmp "
            "writable, or serve with --workers 1"
        ) from None
    with directory as path:
        # For those that are started alone: this process, which answers nobody, counts as one by itself.
        os.putenv(_VARIABLE, path)
        try:
            yield Path(path)
        finally:
            os.unsetenv(_VARIABLE)


def mark_worker_dead(pid: int | None, directory: Path) -> None:
    """Take what a process that is no more had under way out of the numbers; what it had counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]  # It takes an int and a path.
