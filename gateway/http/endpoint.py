"""The GraphQL endpoint, in plain ASGI: GraphQL over HTTP by POST and, for queries, by GET.

A request goes through these stages: authenticate, check, parse, resolve the document, prepare, charge and run. If the
response to an identical request can be reused, the request is only authenticated, checked and charged.
Source: GraphQL over HTTP specification, RFC 9110.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson
from graphql import ExecutionResult, GraphQLError
from starlette.types import Receive, Scope, Send

from gateway.auth.authenticator import Authenticator
from gateway.auth.caller import ANONYMOUS, READ_DEBUG, Caller
from gateway.context import RequestContext
from gateway.errors import CallerError, HttpError
from gateway.execution.document_cache import InvalidDocument
from gateway.execution.engine import Engine, NotAQuery, Prepared
from gateway.execution.error_formatter import MASKED, format_error
from gateway.execution.persisted_documents import PersistedDocuments
from gateway.http.accept_encoding import GZIP, ZSTD, read_accept_encoding
from gateway.http.cache_control import CacheScope, cache_directives
from gateway.http.compression import MIN_BYTES, CompressingSend
from gateway.http.content_negotiation import GRAPHQL_RESPONSE, JSON, is_json, read_accept
from gateway.http.cors import CorsPolicy
from gateway.http.csrf import CsrfProtection
from gateway.http.disconnect import ClientDisconnected, DisconnectWatcher
from gateway.http.error_response import (
    METHODS,
    InternalError,
    MethodNotAllowed,
    NotAcceptable,
    Response,
    ShuttingDown,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    new_request_id,
    response_headers,
)
from gateway.http.graphql_request import GraphQLRequest, from_body, from_query_string
from gateway.http.graphql_response import graphql_response, rejection, result_content, send_parts, stored_response
from gateway.http.headers import read_headers
from gateway.http.http_request import HttpRequest
from gateway.http.rate_limiter import CallerRateLimiter
from gateway.http.response_store import RequestKey, ResponseStore, StoredResponse
from gateway.http.shared_execution import SharedExecutions
from gateway.telemetry.metrics import count_reused_response
from gateway.telemetry.request_record import current_record

logger = logging.getLogger("gateway")

# If a caller with the scope for it sends this header, with any value, the response reports its cost upstream.
DEBUG_HEADER: Final = b"x-debug-upstream"


class GraphQLEndpoint:
    """The application at `/graphql`. A process has one.

    Rejected credentials are 401, a page of another site 403, and an exceeded rate limit 429. A request that is not a
    GraphQL request is 400, 405, 406 or 415. A well-formed GraphQL request is 200. If it was not executed and the client
    accepts `application/graphql-response+json`, it is 400. All of these are JSON. A client that accepts
    `multipart/mixed` gets deferred and streamed parts as they complete. The id in `x-request-id` is the one in the log.
    """

    def __init__(
        self,
        engine: Engine,
        documents: PersistedDocuments,
        authenticator: Authenticator,
        rate_limiter: CallerRateLimiter | None,
        cors: CorsPolicy,
        csrf: CsrfProtection,
        *,
        compression: bool,
        behind_router: bool,
    ) -> None:
        self._engine = engine
        self._documents = documents
        self._authenticator = authenticator
        self._rate_limiter = rate_limiter
        self._cors = cors
        self._csrf = csrf
        self._policy = () if rate_limiter is None else rate_limiter.policy
        self._codings = (ZSTD, GZIP) if compression else ()
        self._executions = SharedExecutions()
        self._behind_router = behind_router
        varying = {
            "Accept": True,
            "Accept-Encoding": compression,
            "Origin": cors.depends_on_origin,
            # A cache in front of the gateway must not give a response to a client without the secret.
            "X-Router-Secret": behind_router,
        }
        self._vary = (b"vary", ", ".join(name for name, varies in varying.items() if varies).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request. If the client disconnects first, cancel the work for it."""
        request = self._read_head(scope)
        compressing_send = send
        if request.encoding.coding is not None:
            compressing_send = CompressingSend(
                send, request.encoding.coding, MIN_BYTES if request.encoding.identity else 1
            )
        try:
            response = await self._respond(request, scope["state"], receive, compressing_send)
        except ClientDisconnected:
            return
        except asyncio.CancelledError:
            # The server cancels a request when its shutdown timeout has passed. A client that leaves is handled above.
            response = rejection(request, ShuttingDown())
        except HttpError as error:
            response = rejection(request, error)
        except Exception:  # For any other exception the client gets JSON, and the log gets the traceback.
            logger.exception("request %s", request.record.id)
            response = rejection(request, InternalError(MASKED))
        if response is not None:
            await response.send(send if response.is_encoded else compressing_send)

    def _read_head(self, scope: Scope) -> HttpRequest:
        """Read the head of a request, and note in the request record what it says for others."""
        record = current_record()
        record.id = request_id = new_request_id()
        headers = read_headers(scope["headers"])
        accept = read_accept(headers.get(b"accept", b"").decode("latin-1"))
        cors = self._cors.response_headers(headers) if b"origin" in headers else ()
        return HttpRequest(
            record,
            scope["method"],
            headers,
            scope["query_string"],
            accept.media_type,
            None if scope["http_version"] == "1.0" else accept.incremental_format,
            read_accept_encoding(headers.get(b"accept-encoding"), self._codings),
            (*response_headers(request_id), self._vary, *self._policy, *cors),
        )

    async def _respond(
        self, request: HttpRequest, state: Mapping[str, Any], receive: Receive, send: Send
    ) -> Response | None:
        """Return the response to a request, or None if it was sent in parts.

        Raises:
            HttpError: If the request is rejected.
            ClientDisconnected: If the client disconnects.
        """
        if request.method == "OPTIONS":
            return await self._options(request)
        caller = await self._authenticator.authenticate(request.headers)
        record = request.record
        record.caller_kind = caller.kind
        try:
            self._check(request)
        except HttpError:
            if self._rate_limiter is not None:
                request.response_headers += (await self._rate_limiter.allowance(caller.id)).headers()
            raise
        if DEBUG_HEADER in request.headers and READ_DEBUG in caller.scopes:
            record.shows_upstream = True
        body = await _body(receive) if request.method == "POST" else b""
        if self._rate_limiter is not None:
            self._rate_limiter.check(caller.id)
        directives = cache_directives(request.headers)
        if self._behind_router and directives.store:
            request.cache_scope = CacheScope.PUBLIC if caller is ANONYMOUS else CacheScope.PRIVATE
        store: ResponseStore = state["responses"]
        if store.is_on and not directives.bypass and not record.shows_upstream:
            has_body = request.method == "POST"
            request.key = RequestKey(has_body, body if has_body else request.query_string, caller.id, caller.scopes)
            stored = store.get(request.key)
            if stored is not None:
                return await self._reuse(request, request.key, caller, store, stored)
        context: RequestContext = state["new_context"](caller, directives, record.trace_context)
        try:
            with DisconnectWatcher(receive) as watcher:
                prepared, report = await self._prepare_and_charge(request, body, caller)
                if request.key is not None:
                    return await self._share(request, request.key, prepared, context, store, watcher)
                incremental = prepared.document.incremental and request.incremental_format is not None
                result = await self._engine.run(prepared, context, incremental=incremental)
                if isinstance(result, ExecutionResult):
                    return graphql_response(request, result_content(result), report, store.now())
                await send_parts(request, result, report, send, store.now())
                return None
        except InvalidDocument as invalid:
            errors = [format_error(error, before_execution=True) for error in invalid.errors]
            return graphql_response(request, {"errors": errors}, {}, store.now())
        finally:
            context.close()

    async def _reuse(
        self, request: HttpRequest, key: RequestKey, caller: Caller, store: ResponseStore, stored: StoredResponse
    ) -> Response:
        """Charge the caller for a stored response, and return it.

        Raises:
            RateLimited: If the caller has too few points.
        """
        record = request.record
        record.operation, record.cost, record.is_valid = stored.operation, stored.cost, True
        await self._charge(request, caller, max(stored.cost, 1))
        count_reused_response("stored")
        record.rows = stored.rows
        record.cached_response_used(stored.used.oldest)
        record.fresh_response_used(stored.used.oldest, stored.used.fresh_until)
        return await stored_response(request, key, store, stored)

    async def _share(
        self,
        request: HttpRequest,
        key: RequestKey,
        prepared: Prepared,
        context: RequestContext,
        store: ResponseStore,
        watcher: DisconnectWatcher,
    ) -> Response:
        """Run an operation for this request and identical ones, or wait for an identical one that runs.

        A response that another request has run is used only if all parts were fresh when this request was charged.
        """
        charged = store.now()
        record = request.record
        execution = self._executions.get(key)
        if execution is not None:
            shared = await execution.response()
            if shared is not None and store.is_fresh(shared, charged):
                count_reused_response("in_flight")
                record.rows = shared.rows
                record.fresh_response_used(shared.used.oldest, shared.used.fresh_until)
                if shared.used.oldest < charged:
                    record.cached_response_used(shared.used.oldest)
                return await stored_response(request, key, store, shared)
        execution, stored = self._executions.start(key), None
        watcher.on_disconnect = execution.leave
        try:
            result: Any = await self._engine.run(prepared, context)
            content = result_content(result)
            if "errors" not in content and not record.stale and store.can_reuse(context.used):
                stored = store.put(
                    key,
                    orjson.dumps(content),
                    operation=record.operation,
                    cost=prepared.cost,
                    rows=record.rows,
                    used=context.used,
                )
        finally:
            self._executions.end(key, execution, stored)
        if stored is None:
            return graphql_response(request, content, {}, store.now())
        return await stored_response(request, key, store, stored)

    async def _options(self, request: HttpRequest) -> Response:
        preflight = self._cors.preflight_headers(request.headers)
        # Browsers send no credentials with a preflight.
        if not preflight:
            await self._authenticator.authenticate(request.headers)
        return Response(204, (*request.response_headers, (b"allow", METHODS.encode()), *preflight))

    def _check(self, request: HttpRequest) -> None:
        """Raise HttpError unless the method, the origin and the media types are allowed."""
        if request.method not in {"POST", "GET", "HEAD"}:
            raise MethodNotAllowed(f"The method {request.method} is not supported. Use POST, or GET for queries.")
        self._csrf.check(request.method, request.headers)
        if request.media_type is None:
            raise NotAcceptable(f"The Accept header excludes both {GRAPHQL_RESPONSE} and {JSON}. Accept one of them.")
        if request.encoding.coding is None and not request.encoding.identity:
            raise NotAcceptable(
                "The Accept-Encoding header excludes every coding that the gateway has. "
                f"Accept one of {', '.join((*self._codings, 'identity'))}."
            )
        if request.method == "POST":
            if not is_json(request.headers.get(b"content-type", b"").decode("latin-1")):
                raise UnsupportedMediaType(f"The Content-Type is not {JSON} in UTF-8. Send the request as {JSON}.")
            if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise UnsupportedContentEncoding(
                    "A content coding, such as gzip, is not supported. Send the body uncompressed."
                )

    async def _prepare_and_charge(
        self, request: HttpRequest, body: bytes, caller: Caller
    ) -> tuple[Prepared, dict[str, Any]]:
        """Prepare the operation and charge the caller for it, before any upstream call.

        A rejected request costs one point. Set `request.key` to None if the response cannot be reused.

        Returns:
            The operation, and the entries of `extensions` that report its cost and the points that the caller has left.
            They are empty unless the client wants them.

        Raises:
            HttpError: If the parameters are malformed, the operation needs POST, or the caller has too few points.
            InvalidDocument: If the document cannot be run.
        """
        try:
            prepared, parameters = self._prepare(request, body)
        except (HttpError, InvalidDocument):
            await self._charge(request, caller, 1)
            raise
        document, registers = prepared.document, bool(parameters.query and parameters.query_hash)
        if parameters.wants_cost or registers or document.incremental or document.introspects:
            # No identical request may reuse the response.
            request.key = None
        points_left = await self._charge(request, caller, max(prepared.cost, 1))
        return prepared, {**prepared.cost_extension, **points_left} if parameters.wants_cost else {}

    async def _charge(self, request: HttpRequest, caller: Caller, points: int) -> dict[str, Any]:
        """Take points from the caller, and return the entry of `extensions` that reports how many are left.

        Raises:
            RateLimited: If the caller has too few.
        """
        if self._rate_limiter is None:
            return {}
        allowance = await self._rate_limiter.consume(caller.id, points)
        request.response_headers += allowance.headers()
        return allowance.extension()

    def _prepare(self, request: HttpRequest, body: bytes) -> tuple[Prepared, GraphQLRequest]:
        """Parse the GraphQL request, resolve its document, and prepare its operation.

        Raises:
            HttpError: If the parameters are malformed, or the operation needs POST.
            InvalidDocument: If the document cannot be found or run.
        """
        is_post = request.method == "POST"
        parameters = from_body(body) if is_post else from_query_string(request.query_string)
        query, variables, operation_name, document_id, query_hash, _ = parameters
        try:
            text = self._documents.resolve(query, document_id, query_hash)
            prepared = self._engine.prepare(text, operation_name, variables, only_queries=not is_post)
        except CallerError as error:
            raise InvalidDocument([GraphQLError(str(error), original_error=error)]) from None
        except NotAQuery:
            raise MethodNotAllowed("GET only runs queries. Send this operation by POST.", allow="POST") from None
        return prepared, parameters


async def _body(receive: Receive) -> bytes:
    """Return the whole body. Most bodies arrive in one message.

    Raises:
        ClientDisconnected: If the client disconnects before the end.
    """
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
