"""The metrics of several worker processes.

Each worker counts in files of its own. The worker that gets a scrape adds them up.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from gateway.errors import ConfigurationError

# If it is set when the Prometheus client is imported, the client counts for one of several workers.
_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
# A file system in memory, if the system has one. Containers have it even if all other files are read-only.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # The directory in it has a random name, and only this user can read it.


@contextmanager
def multiprocess_metrics() -> Iterator[Path]:
    """Yield a directory for the metrics of processes that start while the block runs, and remove it afterwards.

    Raises:
        ConfigurationError: If no temporary directory is writable.
    """
    try:
        directory = TemporaryDirectory(
            prefix="chime-gateway-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        )
    except OSError:
        raise ConfigurationError(
            "several workers need a temporary directory for their metrics: make /dev/shm or /tmp writable, or use "
            "--workers 1"
        ) from None
    with directory as path:
        # `putenv` changes only the environment of child processes. This process has no requests to count.
        os.putenv(_VARIABLE, path)
        try:
            yield Path(path)
        finally:
            os.unsetenv(_VARIABLE)


def mark_worker_dead(pid: int | None, directory: Path) -> None:
    """Remove the gauges of a process that has ended, such as its requests in flight. Its counters stay."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]  # Its arguments are an int and a path.
