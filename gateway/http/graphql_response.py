"""The responses of the GraphQL endpoint: a result, a stored response, a result in parts, and a rejection."""

from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, ExperimentalIncrementalExecutionResults
from starlette.types import Send

from gateway.errors import HttpError
from gateway.execution.error_formatter import format_error
from gateway.http.cache_control import CacheScope, with_lifetime
from gateway.http.content_negotiation import INCREMENTAL_V0_2, JSON
from gateway.http.error_response import Response, error_response, json_response
from gateway.http.http_request import HttpRequest
from gateway.http.multipart_response import MultipartResponse
from gateway.http.response_store import RequestKey, ResponseStore, StoredResponse
from gateway.http.server_timing import server_timing
from gateway.telemetry.request_record import RequestRecord


async def send_parts(
    request: HttpRequest,
    results: ExperimentalIncrementalExecutionResults,
    report: dict[str, Any],
    send: Send,
    now: float,
) -> None:
    """Send a result in parts, each as it completes."""
    # The head is sent before it is known how long the later parts are fresh.
    record = request.record
    headers = with_lifetime(request.response_headers, record, CacheScope.NONE, now) + server_timing(record)
    incremental_format = request.incremental_format or INCREMENTAL_V0_2
    response = MultipartResponse(incremental_format, headers, has_body=request.method != "HEAD")
    await response.send(send, results, partial(_extensions, record, report))


async def stored_response(
    request: HttpRequest, key: RequestKey, store: ResponseStore, stored: StoredResponse
) -> Response:
    """Return the response to a request for which a response is stored."""
    body, coding = await store.encoded(key, stored, request.encoding)
    headers = with_lifetime(request.response_headers, request.record, request.cache_scope, store.now())
    return json_response(200, body, headers, request.media_type or JSON, coding)


def graphql_response(request: HttpRequest, content: dict[str, Any], report: dict[str, Any], now: float) -> Response:
    """Return the response with a GraphQL result. A result without data is 400, unless the client wants plain JSON.

    Args:
        request: The request to respond to.
        content: The result, with `data` unless nothing was executed.
        report: The entries of `extensions` that report the cost and the points left, empty to leave them out.
        now: Seconds since 1970.
    """
    media_type = request.media_type or JSON
    status = 200 if media_type == JSON or "data" in content else 400
    record = request.record
    content.update(_extensions(record, report))
    # Extensions are about this one request.
    scope = CacheScope.NONE if "errors" in content or "extensions" in content else request.cache_scope
    headers = with_lifetime(request.response_headers, record, scope, now) + server_timing(record)
    return json_response(status, orjson.dumps(content), headers, media_type)


def rejection(request: HttpRequest, error: HttpError) -> Response:
    """Return the response to a rejected request, and note the error's code in the request record."""
    record = request.record
    record.error_codes.append(error.code)
    return error_response(error, request.response_headers + server_timing(record), request.media_type or JSON)


def result_content(result: ExecutionResult) -> dict[str, Any]:
    """Return the data and errors of a result."""
    if not result.errors:
        return {"data": result.data}
    errors = [format_error(error) for error in result.errors]
    # If no error has a path, execution did not reach a field, and the response has no data.
    return {"data": result.data, "errors": errors} if any("path" in error for error in errors) else {"errors": errors}


def _extensions(record: RequestRecord, report: dict[str, Any]) -> dict[str, Any]:
    """Return the response's entry `extensions` as far as it is known now. Leave out an empty one.

    Args:
        record: What the request used.
        report: The entries that report the estimated cost and the points left. The actual cost is added.
    """
    content = dict(report)
    if "cost" in report:
        content["cost"] = {**report["cost"], "actual": {"rows": record.rows, "calls": record.upstream_calls}}
    if record.stale:
        content["stale"] = True
    if record.shows_upstream:
        content["upstream"] = {"calls": record.upstream_calls, "milliseconds": round(record.upstream_seconds * 1e3, 1)}
    return {"extensions": content} if content else {}
