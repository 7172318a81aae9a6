"""AWS's answers as the JSON they are: botocore's parser, with the part that reads a good answer replaced.

botocore's rest-json parser visits every leaf and reads each timestamp through dateutil: 12 of the 15 ms of CPU that
a page of 99 numbers costs, and one bad timestamp loses the page. Here a 2xx body is `orjson.loads`, its timestamps
stay AWS's strings, and everything that is not a 2xx goes to the stock parser.
"""

from typing import Any

import orjson
from aiobotocore.parsers import AioResponseParserFactory, AioRestJSONParser
from botocore.parsers import ResponseParserError

_FIRST_NOT_OK = 300


class JsonResponseParser(AioRestJSONParser):  # type: ignore[misc]  # aiobotocore carries no types.
    """A rest-json parser whose good answers are the body's own JSON object, plus ResponseMetadata."""

    async def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """Read one HTTP answer.

        Raises: ResponseParserError where a 2xx body is no JSON object.
        """
        if response["status_code"] >= _FIRST_NOT_OK:
            try:
                parsed: dict[str, Any] = await super().parse(response, shape)
            except Exception:  # noqa: BLE001  # The stock parser trips over a body that is none of AWS's: its status is known.
                headers = {name.lower(): value for name, value in response["headers"].items()}
                parsed = {"Error": {}, "ResponseMetadata": _metadata(response) | {"HTTPHeaders": headers}}
            return parsed
        try:
            body = orjson.loads(response["body"])
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"a 2xx answer is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise ResponseParserError(f"a 2xx answer is a JSON {type(body).__name__}, not an object")
        body["ResponseMetadata"] = _metadata(response)
        return body


def _metadata(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "HTTPStatusCode": response["status_code"],
        "RequestId": response["headers"].get("x-amzn-requestid"),
        "Bytes": len(response["body"]),
    }


class JsonResponseParserFactory(AioResponseParserFactory):  # type: ignore[misc]  # aiobotocore carries no types.
    """Give out JsonResponseParser for the protocol of both APIs, the stock parsers for any other (STS, SSO)."""

    def create_parser(self, protocol_name: str) -> Any:
        """A parser for one answer: aiobotocore asks for one a call."""
        if protocol_name == "rest-json":
            return JsonResponseParser(**self._defaults)
        return super().create_parser(protocol_name)
