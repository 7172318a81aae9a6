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

from gateway.emulator.conditions import Conditions, Fault, RateLimit
from gateway.emulator.errors import SERVICE_FAILURE, UNKNOWN_OPERATION, AwsError
from gateway.emulator.generations import GENERATIONS, Api, OperationName
from gateway.emulator.load import load
from gateway.emulator.operations import Operations
from gateway.emulator.sample_data import fill
from gateway.emulator.signature import SignatureCheck, SignedRequest
from gateway.emulator.store import Store
from gateway.emulator.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How the emulator is asked to be.

    api: the generation that it speaks.
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
    On the application's state: `store`, to count, put and remove records, and `conditions`, to change latency and
    faults, both while it runs. The store is closed when the application shuts down.
    Raises: EmulatorError for a database or file to load that cannot be used.
    """
    generation = GENERATIONS[options.api]
    store = Store(options.db, options.api)
    try:
        if options.load:
            load(options.load, store)
        elif store.counts() == (0, 0):
            fill(store, generation, numbers=options.numbers, orders=options.orders)
    except BaseException:
        store.close()
        raise
    conditions = Conditions(
        latency_ms=options.latency_ms,
        rate_limit=None if options.rate is None else RateLimit(options.rate),
        faults=list(options.faults),
    )
    service = _Service(
        operations=Operations(generation, store, Tokens(store.token_key, clock)),
        signature=SignatureCheck(options.access_key, options.secret_key, clock),
        conditions=conditions,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    app = Starlette(
        routes=[Route("/{path:path}", service)],
        exception_handlers={Exception: _unexpected},
        lifespan=lifespan,
    )
    app.state.store = store
    app.state.conditions = conditions
    return app


@dataclass(frozen=True, slots=True)
class _Service:
    """Every path and method; the checks stand in `_answer` in their order."""

    operations: Operations
    signature: SignatureCheck
    conditions: Conditions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await asyncio.sleep(self.conditions.latency_ms / 1000)
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
        self.conditions.check(name)
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
    if error.names_type:
        response.headers["x-amzn-ErrorType"] = error.shape.name
    return response


async def _unexpected(_: Request, __: Exception) -> Response:
    # The server logs the exception itself; a client is told no more than AWS would tell it.
    return _error_response(AwsError(SERVICE_FAILURE))
