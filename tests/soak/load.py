"""A random mix of valid and invalid requests, in the same order in each run, with a check of every response."""

import asyncio
import json
import random
from collections import Counter
from hashlib import sha256
from typing import Any

import httpx

from tests.support.multipart import Parts, merge_parts

# Error codes that a response may have. INTERNAL_SERVER_ERROR is missing, because it would be a bug of the gateway.
CODES = frozenset(
    {
        *("BAD_USER_INPUT", "BAD_CURSOR", "BAD_REQUEST", "PAGE_LIMIT_EXCEEDED", "FORBIDDEN", "NOT_FOUND", "THROTTLED"),
        *("DOCUMENT_TOO_COMPLEX", "PERSISTED_QUERY_NOT_FOUND", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"),
        *("UPSTREAM_FORBIDDEN", "UPSTREAM_FAILURE", "UPSTREAM_UNAVAILABLE", "UPSTREAM_TIMEOUT"),
        *("UPSTREAM_UNREACHABLE", "UPSTREAM_BAD_RESPONSE"),
    }
)
WALKED = """query ($first: Int, $after: String, $last: Int, $before: String) {
  phoneNumbers(first: $first, after: $after, last: $last, before: $before) {
    nodes { id e164PhoneNumber status productType capabilities { inboundCall } createdTimestamp }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
LINKED = """query ($first: Int) { phoneNumberOrders(first: $first) { nodes { id status orderedPhoneNumbers {
  e164PhoneNumber phoneNumber { status associations { name value } order { id } } } } } }"""
STREAMED = """{ phoneNumbers(first: 1000) { edges @stream(initialCount: 30) { cursor node { e164PhoneNumber } }
  ... @defer { totalCount pageInfo { hasNextPage } } } }"""
ENTITIES = """query ($of: [_Any!]!) { _entities(representations: $of) {
  ... on PhoneNumber { status } ... on PhoneNumberOrder { status } } }"""
REFUSED = (
    "{ __schema { types { name fields { name } } } }",
    "{",
    "{ nonsense }",
    "{ phoneNumbers(first: -1) { totalCount } }",
    '{ phoneNumbers(after: "forged") { totalCount } }',
    '{ node(id: "forged") { id } }',
    "{ phoneNumbers(first: 1000) { nodes { order { orderedPhoneNumbers { phoneNumber { order { id } } } } } } }",
    "query A { __typename } query B { __typename }",
    "{ " + " ".join(f"a{index}: __typename" for index in range(400)) + " }",
    "{ __typename " + "#\n" * 50_000 + "}",
)


class Clients:
    """The clients of one gateway, over several connections.

    Attributes:
        numbers: All numbers of the account, in its order.
        orders: All orders of the account, in its order.
        responses: Number of responses by the code of the first error, or OK without an error.
        sent: Number of requests sent.
        left: Number of requests whose client disconnected.
        walked: Number of lists read completely.
    """

    def __init__(self, http: httpx.AsyncClient, seed: int) -> None:
        self.http = http
        self.numbers: list[str] = []
        self.orders: list[str] = []
        self.responses: Counter[str] = Counter()
        self.sent = self.left = self.walked = 0
        self._random = random.Random(seed)
        self._mix = {
            self._page: 20,
            self._walk_on: 4,
            self._walk_back: 2,
            self._count: 4,
            self._linked: 10,
            self._single: 20,
            self._entities: 8,
            self._stream: 4,
            self._refused: 8,
            self._new_document: 10,
            self._persisted: 6,
            self._leave: 4,
        }

    def __str__(self) -> str:
        return f"{self.sent} requests, {self.walked} complete lists, {self.left} disconnects, {dict(self.responses)}"

    async def read_account(self) -> None:
        """Read the whole account, while the upstream works."""
        data = await self.data("{ phoneNumbers(first: 1000) { nodes { e164PhoneNumber } } }")
        self.numbers = [each["e164PhoneNumber"] for each in data["phoneNumbers"]["nodes"]]
        data = await self.data("{ phoneNumberOrders(first: 1000) { nodes { phoneNumberOrderId } } }")
        self.orders = [each["phoneNumberOrderId"] for each in data["phoneNumberOrders"]["nodes"]]

    async def send(self, requests: int, *, at_once: int) -> None:
        """Send at least so many requests, `at_once` at a time."""
        until = self.sent + requests

        async def one_after_another() -> None:
            while self.sent < until:
                [request] = self._random.choices([*self._mix], [*self._mix.values()])
                await request()

        async with asyncio.TaskGroup() as senders:
            for _ in range(at_once):
                senders.create_task(one_after_another())

    async def data(self, document: str) -> Any:
        """Return the data of a query. Fail if the response has errors."""
        response = await self._ask(document)
        assert "errors" not in response, response
        return response["data"]

    async def all_is_well(self) -> bool:
        """Return whether each of AWS's four operations succeeds without the cache."""
        document = """query ($number: E164PhoneNumber!, $order: ID!) {
          phoneNumbers(first: 1) { nodes { id } } phoneNumberOrders(first: 1) { nodes { id } }
          phoneNumber(e164PhoneNumber: $number) { id } phoneNumberOrder(phoneNumberOrderId: $order) { id } }"""
        # The last ones, because the pages of the same query contain the first ones.
        variables = {"number": self.numbers[-1], "order": self.orders[-1]}
        response = await self._ask(document, variables, headers={"cache-control": "no-cache"})
        return "errors" not in response and None not in response["data"].values()

    async def _ask(
        self, document: str | None, variables: Any = None, *, headers: Any = None, **body: Any
    ) -> dict[str, Any]:
        self.sent += 1
        sent = {"query": document, "variables": variables, **body}
        response = await self.http.post("/graphql", json=sent, headers=headers)
        assert response.status_code == 200, response.text
        return self._checked(response.json())

    def _checked(self, response: dict[str, Any]) -> dict[str, Any]:
        """Check that a response has data, or errors with a documented code, and count it."""
        assert response.keys() <= {"data", "errors", "extensions"}, response
        errors = response.get("errors", [])
        assert response.get("data") is not None or errors, response
        for error in errors:
            assert error["message"], response
            assert error["extensions"]["code"] in CODES, response
        self.responses[errors[0]["extensions"]["code"] if errors else "OK"] += 1
        return response

    async def _page(self) -> None:
        first = self._random.randint(1, 120)
        response = await self._ask(WALKED, {"first": first})
        if "errors" not in response:
            nodes = response["data"]["phoneNumbers"]["nodes"]
            assert [each["e164PhoneNumber"] for each in nodes] == self.numbers[:first]

    async def _walk_on(self) -> None:
        size, seen, cursor = self._random.randint(40, 200), list[str](), None
        while (page := await self._page_of_walk({"first": size, "after": cursor})) is not None:
            seen += [each["e164PhoneNumber"] for each in page["nodes"]]
            cursor = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                self._walked(seen)
                return

    async def _walk_back(self) -> None:
        size, seen, cursor = self._random.randint(40, 200), list[str](), None
        while (page := await self._page_of_walk({"last": size, "before": cursor})) is not None:
            seen[:0] = [each["e164PhoneNumber"] for each in page["nodes"]]
            cursor = page["pageInfo"]["startCursor"]
            if not page["pageInfo"]["hasPreviousPage"]:
                self._walked(seen)
                return

    def _walked(self, seen: list[str]) -> None:
        """Check that a complete list has every number once."""
        assert seen == self.numbers, f"{len(seen)} numbers, {len(set(seen))} different ones"
        self.walked += 1

    async def _page_of_walk(self, variables: dict[str, Any]) -> Any:
        """Return a page after up to three attempts, or None if all of them fail."""
        for _ in range(3):
            response = await self._ask(WALKED, variables)
            if "errors" not in response:
                return response["data"]["phoneNumbers"]
        return None

    async def _count(self) -> None:
        response = await self._ask(
            "{ phoneNumbers(first: 2) { totalCount } phoneNumberOrders(first: 2) { totalCount } }"
        )
        if "errors" not in response:
            counts = [each["totalCount"] for each in response["data"].values()]
            assert counts == [len(self.numbers), len(self.orders)], counts

    async def _linked(self) -> None:
        await self._ask(LINKED, {"first": self._random.randint(1, 20)})

    async def _single(self) -> None:
        number = self._random.choice([*self.numbers, "+15005550006"])
        document = "query ($n: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $n) { id e164PhoneNumber } }"
        response = await self._ask(document, {"n": number})
        found = (response.get("data") or {}).get("phoneNumber")
        if found is not None:
            assert found["e164PhoneNumber"] == number
            await self._ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [found["id"]] * 2})

    async def _entities(self) -> None:
        of: list[dict[str, str]] = [
            {"__typename": "PhoneNumber", "e164PhoneNumber": each} for each in self._random.sample(self.numbers, 15)
        ]
        of += [{"__typename": "PhoneNumberOrder", "phoneNumberOrderId": self._random.choice(self.orders)}]
        await self._ask(ENTITIES, {"of": of})

    async def _stream(self) -> None:
        self.sent += 1
        headers = {"accept": "multipart/mixed, application/json"}
        async with self.http.stream("POST", "/graphql", json={"query": STREAMED}, headers=headers) as response:
            if "json" in response.headers["content-type"]:
                self._checked(json.loads(await response.aread()))
                return
            parts = Parts(response)
            first = await parts.next()
            if self._random.random() < 0.3:
                self.left += 1
                return
            following = await parts.rest()
        failed = [done for part in following for done in part.get("completed", ()) if "errors" in done]
        whole = merge_parts([first, *following])["phoneNumbers"]
        seen = [edge["node"]["e164PhoneNumber"] for edge in whole["edges"]]
        errors = [error for done in failed for error in done["errors"]]
        errors += [
            error for part in following for piece in part.get("incremental", ()) for error in piece.get("errors", ())
        ]
        self._checked({"data": whole, **({"errors": errors} if errors else {})})
        assert seen == self.numbers[: len(seen)]
        if not errors:
            self._walked(seen)

    async def _refused(self) -> None:
        response = await self._ask(self._random.choice(REFUSED))
        assert "errors" in response, response

    async def _new_document(self) -> None:
        """Send a document with a new name and new aliases. One in four is long."""
        name = f"{self.sent}_{self._random.getrandbits(40):x}"
        aliases = " ".join(f"a{name}_{index}: status" for index in range(self._random.choice([1, 1, 1, 25])))
        document = f"query Fresh{name} {{ phoneNumbers(first: 5) {{ nodes {{ {aliases} }} }} }}"
        await self._ask(document, operationName=f"Fresh{name}")

    async def _persisted(self) -> None:
        document = f"query Kept {{ phoneNumbers(first: {self._random.randint(1, 900)}) {{ nodes {{ id }} }} }}"
        known = {"persistedQuery": {"version": 1, "sha256Hash": sha256(document.encode()).hexdigest()}}
        response = await self._ask(None, extensions=known)
        if response.get("errors", [{}])[0].get("extensions", {}).get("code") == "PERSISTED_QUERY_NOT_FOUND":
            await self._ask(document, extensions=known)

    async def _leave(self) -> None:
        """Disconnect, mostly before the response arrives."""
        self.sent += 1
        variables = {"last": self._random.randint(1, 400)}
        patience = self._random.choice([0.002, 0.01, 0.05, 0.7])
        try:
            response = await self.http.post(
                "/graphql", json={"query": WALKED, "variables": variables}, timeout=patience
            )
        except httpx.TimeoutException:
            self.left += 1
        else:
            self._checked(response.json())
