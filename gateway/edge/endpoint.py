"""The GraphQL endpoint, in plain ASGI: GraphQL over HTTP by POST and, for queries, by GET.

Source: GraphQL over HTTP specification; RFC 9110.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from random import getrandbits
from typing import Any, Final

import orjson
from graphql import ExperimentalIncrementalExecutionResults
from starlette.types import Receive, Scope, Send

from gateway.answer_headers import SECURITY_HEADERS
from gateway.caller import ANYONE, READ_DEBUG, Caller
from gateway.context import RequestContext
from gateway.edge.authentication import Authentication
from gateway.edge.cache_control import age_header, cache_use_of
from gateway.edge.client_watch import ClientLeft, ClientWatch
from gateway.edge.header_fields import header_fields
from gateway.edge.incremental import Delivery, delivery_in_parts
from gateway.edge.negotiation import GRAPHQL_RESPONSE, JSON, answer_type, is_json
from gateway.edge.origins import Origins
from gateway.edge.parameters import GraphQLRequest, from_body, from_query_string
from gateway.edge.rate_limit import Purse, RateLimit
from gateway.edge.refusal import (
    METHODS,
    Headers,
    MethodNotAllowed,
    NotAcceptable,
    Refusal,
    Stopping,
    UnsupportedCoding,
    UnsupportedMediaType,
)
from gateway.edge.trace_context import trace_context
from gateway.errors import CallerFault, refusal_body
from gateway.execution.engine import DocumentRefused, ExecutableSchema, NotAQuery
from gateway.execution.error_formatter import MASKED, present_error
from gateway.execution.known_documents import KnownDocuments
from gateway.request_record import REQUEST_RECORD

logger = logging.getLogger("gateway")

# With any value, from whoever has the scope for it: the answer then says what it cost upstream.
DEBUG_HEADER: Final = b"x-debug-upstream"

_CONTENT_TYPE: Final = {kind: (b"content-type", f"{kind}; charset=utf-8".encode()) for kind in (JSON, GRAPHQL_RESPONSE)}


class GraphQLEndpoint:
    """Answers GraphQL requests; there is one for the process.

    Status: with `application/json` 200 to every well-formed request; with `application/graphql-response+json` 400
    where nothing was executed. Whoever may not ask gets 401 or 403, and whoever asks too much 429; what is no GraphQL
    request is 400, 405, 406 or 415. All are JSON; what a document defers or streams comes in parts to those who take
    them. The answer's `x-request-id` is the id in the log.
    """

    def __init__(
        self,
        schema: ExecutableSchema,
        documents: KnownDocuments,
        authentication: Authentication,
        rate_limit: RateLimit | None,
        origins: Origins,
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._authentication = authentication
        self._rate_limit = rate_limit
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Where its client leaves meanwhile, what is under way for it ends."""
        record = REQUEST_RECORD.get()
        # Nobody gains by guessing it, and the system's own randomness costs 18 microseconds.
        record.id = f"{getrandbits(128):032x}"
        fields = header_fields(scope["headers"])
        record.trace_context, record.cache_use = trace_context(fields), cache_use_of(fields)
        accept = fields.get(b"accept", b"").decode("latin-1")
        media_type = answer_type(accept)
        head = [(b"x-request-id", record.id.encode()), self._origins.vary, *SECURITY_HEADERS]
        if b"origin" in fields:
            head += self._origins.headers(fields)
        headers: Headers = ()
        try:
            preflight = self._origins.preflight(fields) if scope["method"] == "OPTIONS" else ()
            # Browsers send no credentials with a preflight.
            caller = ANYONE if preflight else await self._authentication.caller(fields)
            self._admit(scope["method"], fields, media_type)
            if scope["method"] == "OPTIONS":
                status, content, headers = 204, b"", ((b"allow", METHODS.encode()), *preflight)
            else:
                record.shows_upstream = DEBUG_HEADER in fields and READ_DEBUG in caller.scopes
                delivery = delivery_in_parts(accept, send, head, body=scope["method"] != "HEAD")
                answer = await self._answer(scope, receive, caller, delivery)
                if answer is None:
                    return
                content = orjson.dumps(answer)
                # Without data nothing was executed.
                status = 200 if "data" in answer or media_type == JSON else 400
                headers = age_header(record.cache_use)
        except ClientLeft:
            return
        except asyncio.CancelledError:
            # By the server, whose time to drain is up; a client that leaves is told of above.
            record.error_codes.append(Stopping.code)
            status, content = Stopping.status, refusal_body(Stopping.words, Stopping.code)
        except Refusal as refusal:
            record.error_codes.append(refusal.code)
            status, content, headers = refusal.status, refusal_body(str(refusal), refusal.code), refusal.headers
        except Exception:  # Whatever it is, the client gets JSON and the log the rest.
            logger.exception("request %s", record.id)
            record.error_codes.append("INTERNAL_SERVER_ERROR")
            status, content = 500, refusal_body(MASKED, "INTERNAL_SERVER_ERROR")
        head += headers
        if content:
            head += (_CONTENT_TYPE[media_type or JSON], (b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": status, "headers": head})
        # To HEAD, too: it is the server that leaves a body out.
        await send({"type": "http.response.body", "body": content})

    def _admit(self, method: str, fields: Mapping[bytes, bytes], media_type: str | None) -> None:
        """Pass a request whose head is right: how it asks, for what, and with which body.

        Raises: Refusal.
        """
        if method == "OPTIONS":
            return
        if method not in {"POST", "GET", "HEAD"}:
            raise MethodNotAllowed(f"Send a GraphQL request by POST, or a query by GET, not by {method}.")
        self._origins.refuse_cross_site(method, fields)
        if media_type is None:
            raise NotAcceptable(f"An answer is {GRAPHQL_RESPONSE} or {JSON}; accept one of them.")
        if method == "POST":
            if not is_json(fields.get(b"content-type", b"").decode("latin-1")):
                raise UnsupportedMediaType(f"Send a GraphQL request as {JSON}, in UTF-8.")
            if fields.get(b"content-encoding", b"identity").lower() != b"identity":
                raise UnsupportedCoding("Send the body as it is: no content coding is taken.")

    async def _answer(
        self, scope: Scope, receive: Receive, caller: Caller, delivery: Delivery | None
    ) -> dict[str, Any] | None:
        """The answer, with data where anything was executed; None once it has gone out in parts.

        Raises: Refusal; ClientLeft.
        """
        post = scope["method"] == "POST"
        content = await _body(receive) if post else scope["query_string"]
        context: RequestContext = scope["state"]["new_context"](caller)
        if self._rate_limit is not None:
            self._rate_limit.refuse_empty(context.principal)
            context.spend = Purse(self._rate_limit, context.principal).spend
        try:
            request = from_body(content) if post else from_query_string(content)
            with ClientWatch(receive):
                answer = await self._execute(request, context, delivery, only_queries=not post)
            await _spend_a_point(context)
        except Refusal:
            await _spend_a_point(context)
            raise
        finally:
            context.close()
        return answer

    async def _execute(
        self, request: GraphQLRequest, context: RequestContext, delivery: Delivery | None, *, only_queries: bool
    ) -> dict[str, Any] | None:
        query, variables, operation_name, document_id, query_hash, wants_cost = request
        try:
            text = self._documents.text(query, document_id, query_hash)
            result = await self._schema.execute(
                text, variables, operation_name, context, only_queries=only_queries, in_parts=delivery is not None
            )
        except NotAQuery:
            raise MethodNotAllowed("By GET only queries are run; send this operation by POST.", allow="POST") from None
        except Refusal:
            raise
        except CallerFault as fault:
            REQUEST_RECORD.get().error_codes.append(fault.code)
            return {"errors": [{"message": str(fault), "extensions": {"code": fault.code}}], **_extensions(None)}
        except DocumentRefused as refused:
            errors = [present_error(error, before_execution=True) for error in refused.errors]
            return {"errors": errors, **_extensions(None)}
        present = partial(present_error, before_execution=False)
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            cost = result.initial_result.extensions if wants_cost else None
            if delivery is not None:
                age = age_header(REQUEST_RECORD.get().cache_use)
                await delivery.send(result, present, partial(_extensions, cost), age)
            return None
        errors = [present(error) for error in result.errors or ()]
        extensions = _extensions(result.extensions if wants_cost else None)
        if not errors:
            return {"data": result.data, **extensions}
        # Without a path, no field was reached: the request was refused, and an answer to it has no data.
        data = {"data": result.data} if any("path" in error for error in errors) else {}
        return {**data, "errors": errors, **extensions}


def _extensions(cost: dict[str, Any] | None) -> dict[str, Any]:
    """An answer's entry `extensions`, as far as it is known by now; empty where there is nothing to say."""
    told, record = dict(cost or {}), REQUEST_RECORD.get()
    if record.cache_use.stale:
        told["stale"] = True
    if record.shows_upstream:
        told["upstream"] = {"calls": record.upstream_calls, "milliseconds": round(record.upstream_seconds * 1e3, 1)}
    return {"extensions": told} if told else {}


async def _spend_a_point(context: RequestContext) -> None:
    """What is refused costs a point; what was run has been paid for.

    Raises: RateLimited.
    """
    if context.spend is not None:
        await context.spend(1)


async def _body(receive: Receive) -> bytes:
    """The whole body; mostly it comes in one message.

    Raises: ClientLeft.
    """
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
