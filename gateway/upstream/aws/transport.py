"""The transport that sends calls to AWS, with operations that are compiled once.

For each call, botocore runs its hooks, endpoint rules, serializer and signer. aiobotocore also looks up the proxy.
Together they take 0.5 of the 0.6 ms of CPU that a call costs without the parsing of its response. All operations are
signed GET requests, and this work does not depend on their parameters. So at start the gateway reads the endpoint and
the names from a client's presigned URLs and models. A call only fills in its values, signs and sends.

This bypasses botocore's retry modes too. The standard and adaptive modes do not retry these APIs' 429. The legacy mode
retries it four times and waits for up to 15 s in all (botocore 1.40.61).

A test compares each request with the client's own request. It fails if a new release of the client differs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from botocore import xform_name
from yarl import URL

from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.error_mapping import map_error
from gateway.upstream.aws.http_session import HttpSession
from gateway.upstream.aws.response_parser import parse_response
from gateway.upstream.aws.sigv4 import UNRESERVED, signed_headers
from gateway.upstream.call import Call, UpstreamResponse

# botocore composes its own for every call, at a seventh of the call's CPU.
USER_AGENT: Final = f"chime-gateway aioboto3/{version('aioboto3')}"

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The API's base URL and the region to sign for, as the client resolved them."""

    url: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledOperation:
    """One operation of a client, complete except for the parameters.

    Attributes:
        endpoint: The client's endpoint, which all its operations share.
        scheme: The scheme of the URL.
        authority: The host and port of the URL.
        host: The Host header. It has a port unless the port is the scheme's default.
        path: The URL's path, with a `{}` for each parameter of `in_path`.
        in_path: The parameters in the path, in order.
        in_query: The parameters in the query, with their names on the wire.
        service: The service's name in the signature.
        output_fields: The field names of the operation's output.
    """

    name: str
    endpoint: Endpoint
    scheme: str
    authority: str
    host: str
    path: str
    in_path: tuple[str, ...]
    in_query: Mapping[str, str]
    service: str
    output_fields: frozenset[str]


class AwsTransport:
    """The innermost transport, which signs and sends a call.

    Args:
        operations: The operations of one client, at least one.
        http: An open HTTP session.
        credentials: The credentials to sign with.
    """

    def __init__(
        self, operations: Sequence[CompiledOperation], http: HttpSession, credentials: CredentialCache
    ) -> None:
        self.credentials = credentials
        self.endpoint = operations[0].endpoint
        self.host = operations[0].host
        self._operations = {operation.name: operation for operation in operations}
        self._http = http
        self._proxy = http.proxy_for(self.endpoint.url)

    async def call(self, call: Call) -> UpstreamResponse:
        """Send a call and return the response.

        Raises:
            UpstreamError: If the response is an error, is not the API's, or does not arrive.
        """
        try:
            return await self._send(call)
        except Exception as error:  # An HTTP session may raise any error.
            raise map_error(error, call.operation.name, call.parameters, self.host) from error

    async def _send(self, call: Call) -> UpstreamResponse:
        operation, parameters = self._operations[call.operation.name], call.parameters
        path = operation.path.format(*[_quoted(parameters[name]) for name in operation.in_path])
        in_query = operation.in_query
        query = "&".join(
            sorted([f"{in_query[name]}={_quoted(value)}" for name, value in parameters.items() if name in in_query])
        )
        headers = signed_headers(
            operation.host,
            path,
            query,
            self.credentials.latest(),
            region=operation.endpoint.region,
            service=operation.service,
        )
        headers["user-agent"] = USER_AGENT
        # A compressed response would need two size limits.
        headers["accept-encoding"] = "identity"
        # The signature does not cover these headers, because a proxy may replace them.
        headers.update(call.trace_headers)
        url = URL.build(
            scheme=operation.scheme, authority=operation.authority, path=path, query_string=query, encoded=True
        )
        status, response_headers, body = await self._http.get(url, headers, self._proxy)
        return parse_response(status, response_headers, body, operation.output_fields)


# Sizes and filters repeat in nearly all calls, and a page's token repeats when the page is read again.
@lru_cache(maxsize=256)
def _quoted(value: str | int) -> str:
    return quote(str(value), safe=UNRESERVED)


async def compile_operations(client: Any, names: Iterable[str]) -> list[CompiledOperation]:
    """Return an open client's operations, compiled. No request is sent.

    Args:
        client: An open aioboto3 client. Its credentials may be any text.
        names: Operations that are signed GET requests. All their parameters are in the path or the query.
    """
    return [await _compile(client, name) for name in names]


async def _compile(client: Any, name: str) -> CompiledOperation:
    model = client.meta.service_model.operation_model(name)
    members = model.input_shape.members
    in_path = {shape.serialization["name"]: member for member, shape in members.items() if _is_in(shape, "uri")}
    template = model.http["requestUri"]
    # A presigned URL has the endpoint, and the signature's region and service, after all of the client's rules.
    presigned = urlsplit(await client.generate_presigned_url(xform_name(name), dict.fromkeys(in_path.values(), "-")))
    _, _, region, service, _ = parse_qs(presigned.query)["X-Amz-Credential"][0].rsplit("/", 4)
    prefix = presigned.path.removesuffix(re.sub("{.*?}", "-", template))
    origin = f"{presigned.scheme}://{presigned.netloc}"
    return CompiledOperation(
        name=name,
        endpoint=Endpoint(url=origin + prefix, region=region),
        scheme=presigned.scheme,
        authority=presigned.netloc,
        host=presigned.netloc.removesuffix(_DEFAULT_PORTS[presigned.scheme]),
        path=prefix + re.sub("{.*?}", "{}", template),
        in_path=tuple(in_path[label] for label in re.findall("{(.*?)}", template)),
        in_query={
            member: shape.serialization["name"] for member, shape in members.items() if _is_in(shape, "querystring")
        },
        service=service,
        output_fields=frozenset(
            shape.serialization.get("name", member) for member, shape in model.output_shape.members.items()
        ),
    )


def _is_in(shape: Any, location: str) -> bool:
    return bool(shape.serialization.get("location") == location)
