"""The emulator's clients in these tests: raw HTTP, AWS's client for Python and AWS's command line."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

Json = dict[str, Any]


@dataclass(frozen=True)
class EmulatorResponse:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Json:
        response = json.loads(self.body)
        assert isinstance(response, dict)
        return response

    @property
    def error(self) -> tuple[int, str | None, str | None]:
        """Status, exception name and code, from the status line, the header and the body."""
        return self.status, self.headers.get("x-amzn-ErrorType"), self.json.get("Code")


@dataclass
class Caller:
    """Sends exactly the given path and query, signed with botocore's signer."""

    url: str
    access_key: str = "local"
    secret_key: str = "local"
    session_token: str | None = None
    service: str = "chime"
    region: str = "us-east-1"
    clock: Callable[[], float] = time.time
    extra_headers: dict[str, str] = field(default_factory=dict)

    def signed(self, target: str, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """Return the headers that sign this request."""
        signer = SigV4Auth(Credentials(self.access_key, self.secret_key), self.service, self.region)
        timestamp = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"X-Amz-Date": timestamp, **self.extra_headers}
        if self.session_token:
            headers["X-Amz-Security-Token"] = self.session_token
        request = AWSRequest(method=method, url=self.url + target, headers=headers, data=body)
        request.context["timestamp"] = timestamp
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        signed_headers = signer.signed_headers(signer.headers_to_sign(request))
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
            f"SignedHeaders={signed_headers}, Signature={signature}"
        )
        return headers

    def send(self, target: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b"") -> EmulatorResponse:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, target, body or None, dict(headers))
            response = connection.getresponse()
            return EmulatorResponse(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target: str, **parameters: object) -> EmulatorResponse:
        """Send a GET request. The parameter `max_results=3` is sent as `max-results=3`."""
        query = {name.replace("_", "-"): str(value) for name, value in parameters.items() if value is not None}
        if query:
            target = f"{target}?{urlencode(query, quote_via=quote, safe='-_.~')}"
        return self.send(target, self.signed(target))

    def walk(self, target: str, page_sizes: Iterator[int | None], **filters: object) -> Iterator[list[Json]]:
        """Yield the pages of a list. Each page has the next size of `page_sizes`."""
        token = None
        while True:
            page = self.get(target, max_results=next(page_sizes), next_token=token, **filters).json
            token = page.pop("NextToken")
            (records,) = page.values()
            yield records
            if token is None:
                return


def aws_client(url: str, api: str, secret_key: str = "local") -> Any:
    """Return AWS's client for Python in its usual configuration, but without retries."""
    return aioboto3.Session(
        aws_access_key_id="local", aws_secret_access_key=secret_key, region_name="eu-central-1"
    ).client(api, endpoint_url=url, config=AioConfig(retries={"total_max_attempts": 1}))


@dataclass(frozen=True)
class AwsCommandLine:
    """The `aws` command without any configuration of the machine."""

    url: str
    api: str
    home: Path

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).with_name("aws"), self.api, *arguments, "--endpoint-url", self.url],
            env={
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": str(self.home / "no-config"),
                "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "no-credentials"),
                "HOME": str(self.home),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def run_json(self, *arguments: str) -> Json:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        response = json.loads(done.stdout)
        assert isinstance(response, dict)
        return response

    def error(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr
