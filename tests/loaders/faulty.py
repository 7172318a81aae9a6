"""An emulated account in which a test can make single calls fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.aws_errors import ErrorShape
from gateway.emulator.service_model import Api
from tests.support.aws import Aws
from tests.support.serving import served

# A predicate of a call's path, such as `/phone-numbers/+12065550000`, and its query.
Which = Callable[[str, str], bool]


class FaultyAws(Aws):
    """An account in which a test chooses the responses of single calls."""

    def __init__(self, api: Api) -> None:
        emulator = create_emulator(EmulatorOptions(api=api, numbers=0, orders=0))
        super().__init__(api, emulator)
        self._app: ASGIApp = emulator
        self._answers: list[tuple[Which, int, bytes]] = []
        self._hanging: list[Which] = []

    def fails_where(self, which: Which, error: ErrorShape) -> None:
        """Answer matching calls with an error."""
        self._answers.append((which, error.status, orjson.dumps({"Code": error.code, "Message": error.message})))

    def responds_where(self, which: Which, body: object) -> None:
        """Answer matching calls with a body."""
        self._answers.append((which, 200, orjson.dumps(body)))

    def hangs_where(self, which: Which) -> None:
        """Leave matching calls without a response until the client closes the connection."""
        self._hanging.append(which)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path, query = scope["path"], scope["query_string"].decode()
            _, kind, *key = path.split("/")
            noun = {"phone-numbers": "PhoneNumber", "phone-number-orders": "PhoneNumberOrder"}[kind]
            self.calls.append(f"Get{noun}" if key else f"List{noun}s")
            self.queries.append(query)
            if any(which(path, query) for which in self._hanging):
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            for which, status, body in self._answers:
                if which(path, query):
                    await Response(body, status, media_type="application/json")(scope, receive, send)
                    return
        await self._app(scope, receive, send)


@contextmanager
def faulty_aws(api: Api) -> Iterator[FaultyAws]:
    """Serve such an account while the block runs."""
    account = FaultyAws(api)
    with served(account) as url:
        account.url = url
        yield account


def get_of(number: str) -> Which:
    """Return a predicate that matches the get of one number."""
    return lambda path, _: path == f"/phone-numbers/{number}"


def any_get_of_a_number(path: str, _: str) -> bool:
    return path.startswith("/phone-numbers/")


def any_list_of_numbers(path: str, _: str) -> bool:
    return path == "/phone-numbers"


def second_list_page_of_numbers(path: str, query: str) -> bool:
    return path == "/phone-numbers" and "next-token=" in query
