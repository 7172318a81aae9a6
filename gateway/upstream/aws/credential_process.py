"""Runs of the program that an AWS profile names as its credential_process.

aiobotocore starts the program with `asyncio.create_subprocess_exec`. Under uvloop, such a child inherits all
inheritable descriptors of its parent. It has no timeout and continues after the gateway exits. For these reasons the
gateway starts the program itself.
"""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import Any, Final

import aiobotocore.credentials

# Limit of the program's output in bytes. Its JSON has about 1,500 bytes, mostly the session token.
MAX_OUTPUT_BYTES: Final = 64 * 1024
# Seconds between two checks whether the program has exited, after it closed its output. Most exit at once.
POLL_SECONDS: Final = 0.02


class CredentialProcessFailed(Exception):
    """An error for a program that did not start, failed or printed too much. The message never quotes its output."""


class CredentialProcess:
    """One run of the program. It has the two members of `asyncio.subprocess.Process` that aiobotocore uses."""

    returncode: Final = 0

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    async def communicate(self) -> tuple[bytes, bytes]:
        """Run the program until it exits. Return its output, with an empty error output.

        The program runs in its own process group, which is killed if the caller is cancelled.

        Raises:
            CredentialProcessFailed: If the program does not start, exits with a code other than 0, or prints more than
                MAX_OUTPUT_BYTES.
        """
        try:
            # Popen closes all other descriptors in the child. The error output may contain secrets, so it is discarded.
            process = subprocess.Popen(  # noqa: ASYNC220, S603  # A fork takes 1 ms. The operator configured the command.
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "its command line is wrong"
            raise CredentialProcessFailed(f"credential_process cannot be started: {reason}") from None
        try:
            output = await _output_of(process)
            while process.poll() is None:  # noqa: ASYNC110  # asyncio and uvloop have no event for this.
                await asyncio.sleep(POLL_SECONDS)
        finally:
            _end(process)
        if process.returncode < 0:
            raise CredentialProcessFailed(f"credential_process was ended by signal {-process.returncode}")
        if process.returncode > 0:
            raise CredentialProcessFailed(f"credential_process exited with code {process.returncode}")
        return output, b""


class ProcessProvider(aiobotocore.credentials.AioProcessProvider):  # type: ignore[misc]  # aiobotocore has no types.
    """aiobotocore's provider for credential_process, which runs the program by CredentialProcess."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, popen=_started, **kwargs)


def use_own_processes() -> None:
    """Make aiobotocore run every credential_process by ProcessProvider, including a source profile's.

    aiobotocore looks up its provider by this name. It has no other option for how the program is started.
    """
    aiobotocore.credentials.AioProcessProvider = ProcessProvider


async def _started(*command: str, **_pipes: Any) -> CredentialProcess:
    return CredentialProcess(command)


async def _output_of(process: subprocess.Popen[bytes]) -> bytes:
    """Read the program's output until the program closes it.

    Raises:
        CredentialProcessFailed: If the output has more than MAX_OUTPUT_BYTES.
    """
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), process.stdout
    )
    output = bytearray()
    try:
        while chunk := await reader.read(MAX_OUTPUT_BYTES):
            output += chunk
            if len(output) > MAX_OUTPUT_BYTES:
                raise CredentialProcessFailed(f"credential_process printed more than {MAX_OUTPUT_BYTES} bytes")
    finally:
        transport.close()
    return bytes(output)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and its children unless it has exited. Its group keeps its id until `wait` returns."""
    if process.returncode is None:
        # If the group's leader is a zombie, macOS refuses the signal.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
