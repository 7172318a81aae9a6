"""The service: from a connection's bytes to an operation, and back."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.emulator.aws_errors import SERVICE_FAILURE, UNKNOWN_OPERATION, AwsError
from gateway.emulator.fault_injection import Fault, FaultInjection, RequestRateLimiter
from gateway.emulator.importer import load
from gateway.emulator.next_tokens import NextTokens
from gateway.emulator.operations import Operations
from gateway.emulator.sample.generator import fill
from gateway.emulator.service_model import SERVICE_MODELS, Api, OperationName
from gateway.emulator.sigv4_verifier import SignedRequest, SigV4Verifier
from gateway.emulator.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How the emulator is asked to be.

    api: the service that it speaks.
    db: the file that it keeps its data in; without one, data live in memory and end with the process.
    numbers, orders: how much sample data a database that holds nothing yet is given, those of AWS's pages included.
    load: files as printed by `aws chime list-phone-numbers` and the like. Where given, they take the sample's place.
    latency_ms: milliseconds that every answer waits.
    rate: requests a second past which it answers 429.
    faults: errors that operations end in.
    access_key, secret_key: the one key pair that requests may be signed with.
    """

    api: Api = "chime"
    db: Path | None = None
    numbers: int = 250
    orders: int = 40
    load: tuple[Path, ...] = ()
    latency_ms: int = 0
    rate: int | None = None
    faults: tuple[Fault, ...] = ()
    access_key: str = "local"
    secret_key: str = "local"  # noqa: S105  # Opens nothing but this emulator.


def create_emulator(options: EmulatorOptions, clock: Callable[[], float] = time.time) -> Starlette:
    """The emulator as an application, its data in place.

    `clock` gives the seconds since 1970, for signatures and tokens.
    On the application's state: `store`, to count, put and remove records, and `fault_injection`, to change latency and
    faults, both while it runs. The store is closed when the application shuts down.
    Raises: EmulatorError for a database or file to load that cannot be used.
    """
    service = SERVICE_MODELS[options.api]
    store = Store(options.db, options.api)
    try:
        if options.load:
            load(options.load, store)
        elif store.counts() == (0, 0):
            fill(store, service, numbers=options.numbers, orders=options.orders)
    except BaseException:
        store.close()
        raise
    fault_injection = FaultInjection(
        latency_ms=options.latency_ms,
        rate_limiter=None if options.rate is None else RequestRateLimiter(options.rate),
        faults=list(options.faults),
    )
    endpoint = _Endpoint(
        operations=Operations(service, store, NextTokens(store.token_key, clock)),
        signature=SigV4Verifier(options.access_key, options.secret_key, clock),
        fault_injection=fault_injection,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        routes=[Route("/{path:path}", endpoint)],
        exception_handlers={Exception: _unexpected},
        lifespan=lifespan,
    )
    app.state.store = store
    app.state.fault_injection = fault_injection
    return app


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Every path and method; the checks stand in `_answer` in their order."""

    operations: Operations
    signature: SigV4Verifier
    fault_injection: FaultInjection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await asyncio.sleep(self.fault_injection.latency_ms / 1000)
        try:
            response = _response(200, await self._answer(request))
        except AwsError as error:
            response = _error_response(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> bytes:
        # Not request.url: it holds the path decoded, and neither a signature nor %2F in an id survives that.
        raw_path = request.scope["raw_path"].decode("latin-1")
        raw_query = request.scope["query_string"].decode("latin-1")
        name, operation, argument = self._called(request.method, raw_path, raw_query)
        self.signature.verify(
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

    def _called(self, method: str, raw_path: str, raw_query: str) -> tuple[OperationName, Callable[[str], bytes], str]:
        """The operation's name, the operation, and what it is called with: a list's query, or a record's id."""
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


async def _unexpected(_: Request, __: Exception) -> Response:
    # The server logs the exception itself; a client is told no more than AWS would tell it.
    return _error_response(AwsError(SERVICE_FAILURE))
