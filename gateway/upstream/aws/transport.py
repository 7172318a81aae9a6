"""Calls of AWS's client on a short way to the wire: what botocore does anew for each is done once an operation.

For each call botocore walks its hooks, endpoint rules, serializer and signer, and aiobotocore its proxies: 0.5 of the
0.6 ms of CPU that a call costs. None of that depends on the parameters of the operations called here, which are signed
GETs. So endpoint, path and names are read off the client's rules and models when it is opened; a call fills in values,
signs and sends. Connections, TLS, proxies and the reading of answers stay the client's own.

A test compares what is sent with what the client itself sends, so that a release of it that changes is noticed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlsplit

from yarl import URL

from gateway.upstream.aws.response_parser import parse_response
from gateway.upstream.aws.sigv4 import UNRESERVED, Credentials, signed_headers

Parameters = Mapping[str, str | int]
NO_PARAMETERS: Final[Parameters] = MappingProxyType({})

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The API's base URL and the region to sign for, as the client resolved them."""

    url: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One operation, ready but for its parameters.

    endpoint: the same for all operations of a client.
    path: with a `{}` for each parameter of in_path. in_query: parameter -> its name on the wire.
    output_fields: names that its response may have.
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
    """The operations of one open aioboto3 client."""

    def __init__(self, client: Any, operations: Iterable[_Operation]) -> None:
        self._http = client._endpoint.http_session  # noqa: SLF001  # No public name.
        self._user_agent = client.meta.config.user_agent
        self._operations = {operation.name: operation for operation in operations}
        self.endpoint = next(iter(self._operations.values())).endpoint

    @property
    def host(self) -> str:
        """The host that all operations are called at, as in the Host header."""
        return next(operation.host for operation in self._operations.values())

    async def call(
        self, operation_name: str, parameters: Parameters, credentials: Credentials, trace_context: Mapping[str, str]
    ) -> dict[str, Any]:
        """Make a call and return the JSON object of the response, plus ResponseMetadata.

        Args:
            credentials: What to sign with.
            trace_context: Headers to send along.

        Raises:
            FailedResponse: For a response other than 2xx, or one that is not the API's.
            Exception: The errors of the HTTP session.
        """
        operation = self._operations[operation_name]
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
            credentials,
            region=operation.endpoint.region,
            service=operation.service,
        )
        headers["user-agent"] = self._user_agent
        # An answer that is packed would have to be bounded twice.
        headers["accept-encoding"] = "identity"
        # Not signed: a proxy on the way may put its own in their place.
        headers.update(trace_context)
        url = f"{operation.origin}{path}?{query}" if query else f"{operation.origin}{path}"
        status, answer_headers, body = await self._http.get(URL(url, encoded=True), headers, operation.proxy)
        return parse_response(status, answer_headers, body, operation.output_fields)


async def direct_calls(client: Any, operation_names: Iterable[str]) -> AwsTransport:
    """Make an open client's operations ready: signed GETs, all of whose parameters stand in path or query."""
    return AwsTransport(client, [await _prepared(client, name) for name in operation_names])


async def _prepared(client: Any, name: str) -> _Operation:
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
