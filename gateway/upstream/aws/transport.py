"""The transport that sends calls to AWS: work that botocore repeats for each call is done once for each operation.

For each call botocore walks its hooks, endpoint rules, serializer and signer, and aiobotocore its proxies. That is 0.5
of the 0.6 ms of CPU that a call costs, and none of it depends on the parameters of these operations, which are signed
GETs. So endpoint, path and names are read from the client's rules and models once, when the client is opened. A call
fills in its values, signs and sends. Connections, TLS and proxies remain the client's own.

A test compares each request with the client's own, so a new release of the client cannot differ unnoticed.
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
    """One operation, complete except for the parameters.

    Attributes:
        endpoint: The same one for all operations of a client.
        path: With a `{}` for each parameter of `in_path`.
        in_query: The parameters in the query, with their names on the wire.
        output_fields: The names that a response may have.
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
    """The last transport: it signs a call and sends it.

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
        except Exception as error:  # An HTTP session may raise anything.
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
        # These are not signed, since a proxy on the way may replace them.
        headers.update(call.trace_headers)
        url = f"{operation.origin}{path}?{query}" if query else f"{operation.origin}{path}"
        status, response_headers, body = await self._http.get(URL(url, encoded=True), headers, operation.proxy)
        return parse_response(status, response_headers, body, operation.output_fields)


async def compile_transport(client: Any, operation_names: Iterable[str], credentials: CredentialCache) -> AwsTransport:
    """Return a transport over an open client's operations: signed GETs with all parameters in the path or the query."""
    operations = [await _compile_operation(client, name) for name in operation_names]
    return AwsTransport(client, operations, credentials)


async def _compile_operation(client: Any, name: str) -> _Operation:
    model = client.meta.service_model.operation_model(name)
    # The rules may name another region or service to sign for.
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
