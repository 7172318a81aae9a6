"""The GraphQL endpoint: GraphQL over HTTP, by POST and, for queries, by GET.

Source: GraphQL over HTTP specification.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypedDict
from uuid import uuid4

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import PreExecutionError

from gateway.context import NewContext
from gateway.errors import BadUserInput
from gateway.schema.present import present_error

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"


class GraphQLRequest(TypedDict):
    """The parameters of one request."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


async def graphql_endpoint(request: Request) -> Response:
    """Answer one GraphQL request.

    Status: 200 with `application/json`; with `application/graphql-response+json` 400 where nothing was executed. A
    body that is no GraphQL request is 400, another media type 415. The answer's `x-request-id` is the id in the log.
    """
    request_id = uuid4().hex
    media_type = GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in request.headers.get("accept", "") else JSON
    schema: BaseSchema = request.app.state.schema
    new_context: NewContext = request.state.new_context
    try:
        if request.method == "POST" and _media_type(request) != JSON:
            return _answer(_refusal("Send a GraphQL request as application/json."), 415, media_type, request_id)
        given = read_request(await _parameters(request))
        result = await schema.execute(
            given["query"],
            variable_values=given["variables"],
            operation_name=given["operation_name"],
            context_value=new_context(),
        )
    except ClientDisconnect:
        return Response()
    except BadUserInput as fault:
        return _answer(_refusal(str(fault)), 400, media_type, request_id)
    except CannotGetOperationTypeError as error:
        return _answer(_refusal(error.as_http_error_reason()), 400, media_type, request_id)
    errors = [
        present_error(error, request_id=request_id, before_execution=isinstance(result, PreExecutionError))
        for error in result.errors or ()
    ]
    # Without a path, no field was reached: the request was refused, and an answer to it has no data.
    executed = not errors or any("path" in error for error in errors)
    body: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        body["errors"] = errors
    return _answer(body, 200 if executed or media_type == JSON else 400, media_type, request_id)


async def http_error(_request: Request, error: Exception) -> Response:
    """What is no GraphQL request at all, such as another path or method: the HTTP status, in JSON."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = _answer(_refusal(HTTPStatus(status).phrase), status, JSON, uuid4().hex)
    response.headers.update((error.headers or {}) if isinstance(error, HTTPException) else {})
    return response


def read_request(parameters: object) -> GraphQLRequest:
    """The parameters of a GraphQL request, by shape.

    Raises: BadUserInput, in words, for anything else.
    """
    if not isinstance(parameters, Mapping):
        raise BadUserInput("A GraphQL request is a JSON object.")
    query, variables = parameters.get("query"), parameters.get("variables")
    operation_name = parameters.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise BadUserInput("A GraphQL request needs a query, which is a text.")
    if variables is not None and not isinstance(variables, dict):
        raise BadUserInput("The variables are an object, or null.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadUserInput("The operationName is a text, or null.")
    return GraphQLRequest(query=query, variables=variables, operation_name=operation_name or None)


async def _parameters(request: Request) -> object:
    if request.method == "POST":
        return _from_json(await request.body())
    parameters: dict[str, Any] = dict(request.query_params)
    if "variables" in parameters:
        parameters["variables"] = _from_json(parameters["variables"])
    return parameters


def _from_json(text: bytes | str) -> object:
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadUserInput("This cannot be read as JSON: it is malformed, too deep, or not in UTF-8.") from None
    return value


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refusal(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}]}


def _answer(body: dict[str, Any], status: int, media_type: str, request_id: str) -> Response:
    headers = {"x-request-id": request_id, "content-type": f"{media_type}; charset=utf-8"}
    return Response(orjson.dumps(body), status, headers)
