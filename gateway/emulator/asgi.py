"""The emulator as an ASGI application: routing, checks and responses."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.emulator.aws_errors import SERVICE_FAILURE, UNKNOWN_OPERATION, AwsError
from gateway.emulator.fault_injection import Fault, FaultInjection, RequestRateLimiter
from gateway.emulator.importer import import_files
from gateway.emulator.next_tokens import NextTokens
from gateway.emulator.operations import Operations
from gateway.emulator.sample.generator import fill
from gateway.emulator.service_model import SERVICE_MODELS, Api, OperationName
from gateway.emulator.sigv4_verifier import SignedRequest, SigV4Verifier
from gateway.emulator.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """The options of one emulator.

    Attributes:
        api: The API to emulate.
        db: The database file. Without it, data are in memory and end with the process.
        numbers: Number of sample phone numbers for an empty database. It includes the three in AWS's API reference.
        orders: Number of sample orders for an empty database. It includes the one in AWS's API reference.
        sample_day: The day on which the sample data are made. Without it, the current day in UTC.
        load: Files with the output of `aws chime list-phone-numbers` and similar commands, used instead of sample data.
        latency_ms: Delay of each response, in milliseconds.
        rate: Requests a second. The emulator throttles more requests with 429.
        unstable_tokens: Whether each response has a different next-token, even if nothing else changed.
        faults: Errors that operations end with.
        access_key: The one access key ID that requests may be signed with.
        secret_key: The secret that belongs to the access key.
    """

    api: Api = "chime"
    db: Path | None = None
    numbers: int = 250
    orders: int = 40
    sample_day: date | None = None
    load: tuple[Path, ...] = ()
    latency_ms: int = 0
    rate: int | None = None
    unstable_tokens: bool = False
    faults: tuple[Fault, ...] = ()
    access_key: str = "local"
    secret_key: str = "local"  # noqa: S105  # Opens nothing but this emulator.


def create_emulator(
    options: EmulatorOptions,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """Create the emulator and its data.

    The application's state has `store`, which counts, stores and deletes records, and `fault_injection`. You can use
    both while the emulator runs. The store closes when the application shuts down.

    Args:
        options: The options of the emulator.
        clock: Returns seconds since 1970, for signatures, next-tokens and the day of the sample data.
        sleep: Waits for the latency, in seconds.

    Raises:
        EmulatorError: If the database or an imported file cannot be used.
    """
    service = SERVICE_MODELS[options.api]
    store = Store(options.db, options.api)
    try:
        if options.load:
            import_files(options.load, store)
        elif store.counts() == (0, 0):
            day = options.sample_day or datetime.fromtimestamp(clock(), UTC).date()
            fill(store, service, numbers=options.numbers, orders=options.orders, day=day)
    except BaseException:
        store.close()
        raise
    fault_injection = FaultInjection(
        latency_ms=options.latency_ms,
        rate_limiter=None if options.rate is None else RequestRateLimiter(options.rate),
        faults=list(options.faults),
    )
    endpoint = _Endpoint(
        operations=Operations(service, store, NextTokens(store.token_key, clock, unstable=options.unstable_tokens)),
        verifier=SigV4Verifier(options.access_key, options.secret_key, clock),
        fault_injection=fault_injection,
        sleep=sleep,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        routes=[Route("/{path:path}", endpoint)],
        exception_handlers={Exception: _unexpected_error},
        lifespan=lifespan,
    )
    app.state.store = store
    app.state.fault_injection = fault_injection
    return app


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """The endpoint for every path and method. `_respond` has the checks in their order."""

    operations: Operations
    verifier: SigV4Verifier
    fault_injection: FaultInjection
    sleep: Callable[[float], Awaitable[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self.sleep(self.fault_injection.latency_ms / 1000)
        try:
            response = _response(200, await self._respond(request))
        except AwsError as error:
            response = _error_response(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> bytes:
        # request.url has the decoded path. Decoding would break the signature and `%2F` in IDs.
        raw_path = request.scope["raw_path"].decode("latin-1")
        raw_query = request.scope["query_string"].decode("latin-1")
        name, operation, argument = self._route(request.method, raw_path, raw_query)
        self.verifier.verify(
            SignedRequest(
                method=request.method,
                raw_path=raw_path,
                raw_query=raw_query,
                headers=request.headers,
                body=await request.body(),
            )
        )
        self.fault_injection.check(name)
        return await asyncio.to_thread(operation, argument)

    def _route(self, method: str, raw_path: str, raw_query: str) -> tuple[OperationName, Callable[[str], bytes], str]:
        """Return the operation's name, the operation, and its argument, which is a list's query or a record's ID."""
        match method, *raw_path.split("/"):
            case "GET", "", "phone-numbers":
                return "ListPhoneNumbers", self.operations.list_phone_numbers, raw_query
            case "GET", "", "phone-number-orders":
                return "ListPhoneNumberOrders", self.operations.list_phone_number_orders, raw_query
            case "GET", "", "phone-numbers", id_ if id_:
                return "GetPhoneNumber", self.operations.get_phone_number, unquote(id_)
            case "GET", "", "phone-number-orders", id_ if id_:
                return "GetPhoneNumberOrder", self.operations.get_phone_number_order, unquote(id_)
        raise AwsError(UNKNOWN_OPERATION)


def _response(status: int, body: bytes) -> Response:
    return Response(body, status, headers={"x-amzn-RequestId": str(uuid.uuid4())}, media_type="application/json")


def _error_response(error: AwsError) -> Response:
    response = _response(error.shape.status, error.body())
    if error.send_error_type:
        response.headers["x-amzn-ErrorType"] = error.shape.name
    return response


async def _unexpected_error(_: Request, __: Exception) -> Response:
    # The server logs the exception. The client gets the message that AWS would send.
    return _error_response(AwsError(SERVICE_FAILURE))
