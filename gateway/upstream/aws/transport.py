"""The transport that sends calls to AWS, with operations that are compiled once.

For each call, botocore runs its hooks, endpoint rules, serializer and signer. aiobotocore also looks up the proxy.
Together they take 0.5 of the 0.6 ms of CPU that a call costs. All operations are signed GET requests, and this work
does not depend on their parameters. So the transport reads the endpoint, path and names from the client's rules and
models once, when the client is opened. A call only fills in its values, signs and sends. The transport uses the
client's own connections, TLS and proxies.

A test compares each request with the client's own request. It fails if a new release of the client differs.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from yarl import URL

from gateway.upstream.aws.credentials import CredentialCache
from gateway.upstream.aws.error_mapping import map_error
from gateway.upstream.aws.response_parser import parse_response
from gateway.upstream.aws.sigv4 import UNRESERVED, signed_headers
from gateway.upstream.call import Call, UpstreamResponse

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The API's base URL and the region to sign for, as the client resolved them."""

    url: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One operation of a client, complete except for the parameters.

    Attributes:
        endpoint: The client's endpoint, which all its operations share.
        origin: Scheme, host and port of the URL.
        host: The Host header. It has a port unless the port is the scheme's default.
        path: The URL's path, with a `{}` for each parameter of `in_path`.
        in_path: The parameters in the path, in order.
        in_query: The parameters in the query, with their names on the wire.
        service: The service's name in the signature.
        proxy: The proxy's URL, if there is one.
        output_fields: The field names of the operation's output.
    """

    name: str
    endpoint: Endpoint
    origin: str
    host: str
    path: str
    in_path: tuple[str, ...]
    in_query: Mapping[str, str]
    service: str
    proxy: str | None
    output_fields: frozenset[str]


class AwsTransport:
    """The innermost transport, which signs and sends a call.

    Args:
        client: An open aioboto3 client.
        operations: The client's operations, compiled.
        credentials: The credentials to sign with.
    """

    def __init__(self, client: Any, operations: Iterable[_Operation], credentials: CredentialCache) -> None:
        self.credentials = credentials
        self._http = client._endpoint.http_session  # noqa: SLF001  # No public name.
        self._user_agent = client.meta.config.user_agent
        self._operations = {operation.name: operation for operation in operations}
        self.endpoint = next(iter(self._operations.values())).endpoint

    @property
    def host(self) -> str:
        """The host of all operations, as in the Host header."""
        return next(operation.host for operation in self._operations.values())

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
        path = operation.path.format(*(quote(str(parameters[name]), safe=UNRESERVED) for name in operation.in_path))
        query = "&".join(
            sorted(
                f"{operation.in_query[name]}={quote(str(value), safe=UNRESERVED)}"
                for name, value in parameters.items()
                if name in operation.in_query
            )
        )
        headers = signed_headers(
            operation.host,
            path,
            query,
            self.credentials.latest(),
            region=operation.endpoint.region,
            service=operation.service,
        )
        headers["user-agent"] = self._user_agent
        # A compressed response would need two size limits.
        headers["accept-encoding"] = "identity"
        # The signature does not cover these headers, because a proxy may replace them.
        headers.update(call.trace_headers)
        url = f"{operation.origin}{path}?{query}" if query else f"{operation.origin}{path}"
        status, response_headers, body = await self._http.get(URL(url, encoded=True), headers, operation.proxy)
        return parse_response(status, response_headers, body, operation.output_fields)


async def compile_transport(client: Any, operation_names: Iterable[str], credentials: CredentialCache) -> AwsTransport:
    """Compile an open client's operations and return a transport for them.

    Args:
        client: An open aioboto3 client.
        operation_names: Operations that are signed GET requests. All their parameters are in the path or the query.
        credentials: The credentials to sign with.
    """
    operations = [await _compile_operation(client, name) for name in operation_names]
    return AwsTransport(client, operations, credentials)


async def _compile_operation(client: Any, name: str) -> _Operation:
    model = client.meta.service_model.operation_model(name)
    # The endpoint rules may set another region or service for the signature.
    context: dict[str, Any] = {"client_config": client.meta.config, "client_region": client.meta.region_name}
    endpoint_url, _, _ = await client._resolve_endpoint_ruleset(model, {}, context)  # noqa: SLF001  # No public name.
    signing = context.get("signing", {})
    endpoint = urlsplit(endpoint_url)
    template = endpoint.path.rstrip("/") + model.http["requestUri"]
    members = model.input_shape.members
    in_path = {shape.serialization["name"]: member for member, shape in members.items() if _is_in(shape, "uri")}
    origin = f"{endpoint.scheme}://{endpoint.netloc}"
    region = signing.get("region") or client._request_signer.region_name  # noqa: SLF001  # No public name.
    return _Operation(
        name=name,
        endpoint=Endpoint(url=origin + endpoint.path.rstrip("/"), region=region),
        origin=origin,
        host=origin.removeprefix(f"{endpoint.scheme}://").removesuffix(_DEFAULT_PORTS[endpoint.scheme]),
        path=re.sub(r"{.*?}", "{}", template),
        in_path=tuple(in_path[label] for label in re.findall(r"{(.*?)}", template)),
        in_query={
            member: shape.serialization["name"] for member, shape in members.items() if _is_in(shape, "querystring")
        },
        service=signing.get("signing_name") or client._request_signer.signing_name,  # noqa: SLF001  # No public name.
        proxy=client._endpoint.http_session.proxy_for(origin),  # noqa: SLF001  # No public name.
        output_fields=frozenset(
            shape.serialization.get("name", member) for member, shape in model.output_shape.members.items()
        ),
    )


def _is_in(shape: Any, location: str) -> bool:
    return bool(shape.serialization.get("location") == location)
