"""The program that an AWS profile names as its credential_process.

botocore starts it with `asyncio.create_subprocess_exec`. Under uvloop such a child inherits every descriptor that its
parent may pass on, has no time limit, and goes on after the gateway. So the gateway starts it itself.
"""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import Any, Final

import aiobotocore.credentials

# Bytes that the program may print. Its JSON has some 1,500, nearly all of them a session token.
MAX_OUTPUT_BYTES: Final = 64 * 1024
# Seconds between two looks at whether a program that has closed its output has ended. Most end at once.
POLL_SECONDS: Final = 0.02


class CredentialProcessFailed(Exception):
    """The program could not be started, failed, or printed too much. The message quotes nothing that it printed."""


class CredentialProcess:
    """One run of the program, with the two members of `asyncio.subprocess.Process` that aiobotocore uses."""

    returncode: Final = 0

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    async def communicate(self) -> tuple[bytes, bytes]:
        """Run the program to its end and return its output, with an empty error output.

        The program runs in a process group of its own, which is killed if the caller is cancelled.

        Raises:
            CredentialProcessFailed: If it cannot be started, exits with another code than 0, or prints too much.
        """
        try:
            # It closes all other descriptors in the child. The error output may hold secrets, and no log takes it.
            process = subprocess.Popen(  # noqa: ASYNC220, S603  # A fork takes a millisecond; the operator's own command.
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
            while process.poll() is None:  # noqa: ASYNC110  # No event of the loop tells, whichever loop it is.
                await asyncio.sleep(POLL_SECONDS)
        finally:
            _end(process)
        if process.returncode < 0:
            raise CredentialProcessFailed(f"credential_process was ended by signal {-process.returncode}")
        if process.returncode > 0:
            raise CredentialProcessFailed(f"credential_process exited with code {process.returncode}")
        return output, b""


class ProcessProvider(aiobotocore.credentials.AioProcessProvider):  # type: ignore[misc]  # aiobotocore carries no types.
    """aiobotocore's provider of credential_process, which runs the program as CredentialProcess does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, popen=_started, **kwargs)


def use_own_processes() -> None:
    """Have aiobotocore run every credential_process by ProcessProvider, also that of a role's source profile.

    aiobotocore looks its provider up by this name, and offers no other place to say how the program is started.
    """
    aiobotocore.credentials.AioProcessProvider = ProcessProvider


async def _started(*command: str, **_pipes: Any) -> CredentialProcess:
    return CredentialProcess(command)


async def _output_of(process: subprocess.Popen[bytes]) -> bytes:
    """Return what the program prints until it closes its output.

    Raises:
        CredentialProcessFailed: If that is more than MAX_OUTPUT_BYTES.
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
    """Kill the program and its children unless it has ended. Until it is waited for, its group keeps its id."""
    if process.returncode is None:
        # macOS refuses to signal a group whose leader is a zombie.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
