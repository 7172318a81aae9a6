"""Sources of AWS credentials for tests: STS and a container endpoint over HTTP, and credential processes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.scripted import lifespan
from tests.support.serving import served

# Part of each error message of a source. It must not reach a client or a log.
SECRET = "hunterTwo"


def seconds_from_now(seconds: float) -> str:
    """Return the time so many seconds from now, in the format of credential sources."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class CredentialsResponse:
    """A response with credentials that the emulator accepts. They expire `seconds` after the response."""

    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response of STS or of the container endpoint.

    Attributes:
        location: The URL of a redirect.
    """

    status: int
    code: str = "InternalFailure"
    location: str | None = None


class Source:
    """A server that sends its responses in order and repeats the last one.

    Attributes:
        responses: The responses that are left.
        actions: The STS action of each request, or GET for a request without one.
    """

    def __init__(self, *responses: CredentialsResponse | ErrorResponse) -> None:
        self.responses = list(responses)
        self.actions: list[str] = []
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        request = Request(scope, receive)
        action = parse_qs((await request.body()).decode()).get("Action", ["GET"])[0]
        self.actions.append(action)
        response = self.responses[0] if len(self.responses) == 1 else self.responses.pop(0)
        await _response(action, response)(scope, receive, send)


def _response(action: str, response: CredentialsResponse | ErrorResponse) -> Response:
    if isinstance(response, ErrorResponse):
        error = f"<Type>Sender</Type><Code>{response.code}</Code><Message>{SECRET} 123456789012</Message>"
        headers = {} if response.location is None else {"location": response.location}
        return Response(f"<ErrorResponse><Error>{error}</Error></ErrorResponse>", response.status, headers)
    expiration = seconds_from_now(response.seconds)
    if action == "GET":
        keys = {"AccessKeyId": "local", "SecretAccessKey": "local", "Token": "token", "Expiration": expiration}
        return Response(json.dumps(keys), media_type="application/json")
    credentials = (
        "<AccessKeyId>local</AccessKeyId><SecretAccessKey>local</SecretAccessKey><SessionToken>token</SessionToken>"
        f"<Expiration>{expiration}</Expiration>"
    )
    result = f"<{action}Result><Credentials>{credentials}</Credentials></{action}Result>"
    return Response(f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</{action}Response>')


@contextmanager
def credential_source(*responses: CredentialsResponse | ErrorResponse) -> Iterator[Source]:
    """Serve a source while the block runs."""
    source = Source(*responses)
    with served(source) as url:
        source.url = url
        yield source


class Program:
    """A credential_process that records each run and executes the Python code set by `does`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs = directory / "runs"
        self._body = directory / "body.py"
        self.config = directory / "config"
        script = directory / "program.py"
        script.write_text(
            f"import os\nwith open({str(self._runs)!r}, 'a') as runs:\n    runs.write(f'{{os.getpid()}}\\n')\n"
            f"exec(open({str(self._body)!r}).read())\n"
        )
        self.config.write_text(
            f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} -S {script}\n"
            "[profile role]\nregion = us-east-1\nsource_profile = default\n"
            "role_arn = arn:aws:iam::123456789012:role/x\n"
        )

    @property
    def runs(self) -> list[int]:
        """Return the process ids of all runs so far."""
        return [int(line) for line in self._runs.read_text().split()] if self._runs.exists() else []

    def does(self, body: str) -> None:
        """Set the Python code of all further runs."""
        written = self._directory / "next.py"
        written.write_text(body)
        written.replace(self._body)

    def gives(self, seconds: float | None = 3600, *, after_seconds: float = 0) -> None:
        """Let the program print credentials.

        Args:
            seconds: Time after which the credentials expire, counted from their output. If unset, they never do.
            after_seconds: Time that the program sleeps first.
        """
        keys = {"Version": 1, "AccessKeyId": "local", "SecretAccessKey": "local", "SessionToken": "token"}
        self.does(
            "import datetime, json, time\n"
            f"time.sleep({after_seconds})\n"
            f"keys, seconds = {keys!r}, {seconds!r}\n"
            "if seconds is not None:\n"
            "    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)\n"
            "    keys['Expiration'] = end.isoformat()\n"
            "print(json.dumps(keys))\n"
        )
