"""One caller and an upstream that takes time, so that a server's waits for it count, and not its CPU."""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.rivals.load import UNREADABLE, WrongResponse, bodies
from benchmarks.rivals.queries import FIVE_FIELDS, QUERIES, Answer, Page, Query, same
from benchmarks.rivals.servers import CannotRun, Server, Start, Stub

LATENCIES_MS: Final = (30, 100)
STARTS: Final = 3
# AWS's page size. The other servers have no longer pages and no count, so that their client requests page after page.
PAGE: Final = 99
Q2, Q3 = QUERIES[1:]
LONG: Final = Query("long", "", False, FIVE_FIELDS, ())
COUNTED: Final = Query("counted", "", False, {"E164PhoneNumber": None}, ())
TOTAL_COUNT: Final = json.dumps({"query": "{ phoneNumbers(first: 1) { totalCount } }"})


class Waits(NamedTuple):
    """Median milliseconds and upstream calls."""

    ms: float
    calls: float


class Measured(NamedTuple):
    """The waits of the first request of a process, and of later requests."""

    first: Waits
    later: Waits


class Scenario(NamedTuple):
    """Requests of one caller.

    Attributes:
        title: The title in the report.
        inventory: Numbers in the account.
        warm_ups: Requests between the first and the later ones.
        requests: Later requests.
        ask: Request the nth result, and return all response bodies that it takes.
        right: Return whether these bodies are as expected.
    """

    title: str
    inventory: int
    warm_ups: int
    requests: int
    ask: Callable[[Server, int], list[bytes]]
    right: Callable[[Server, int, list[bytes]], bool]


def measure_latencies(
    starts: Mapping[str, Start], folder: Path, note: Callable[[str], None]
) -> Iterator[tuple[str, int, str, Measured]]:
    """Yield scenario, latency, server and waits. A rival that fails is left out, with a note."""
    stub = Stub(folder, LINKS.inventory)
    try:
        for latency_ms in LATENCIES_MS:
            stub.takes(latency_ms)
            for scenario in SCENARIOS:
                stub.holds(scenario.inventory)
                for name, start in starts.items():
                    try:
                        server, measured = _measured(start, stub, scenario, folder)
                    except (CannotRun, OSError, WrongResponse) as reason:
                        if name == "ours":
                            raise
                        note(f"{scenario.title}, {latency_ms} ms: left out {name}: {reason!r}")
                        continue
                    yield scenario.title, latency_ms, server, measured
    finally:
        stub.process.stop()


def _measured(start: Start, stub: Stub, scenario: Scenario, folder: Path) -> tuple[str, Measured]:
    first: list[Waits] = []
    for again in range(STARTS):
        server = start(stub.url, folder)
        try:
            # The first request also opens connections and reads the schema.
            server.first_response(server.dialect.body(Q2, Page(10, 0), server.start))
            first.append(_one(server, stub, scenario, 0))
            if again < STARTS - 1:
                continue
            last = 1 + scenario.warm_ups + scenario.requests
            later = [_one(server, stub, scenario, nth) for nth in range(1, last)][scenario.warm_ups :]
        finally:
            server.process.stop()
    return server.name, Measured(_median(first), _median(later))


def _median(each: list[Waits]) -> Waits:
    return Waits(*map(statistics.median, zip(*each, strict=True)))


def _one(server: Server, stub: Stub, scenario: Scenario, nth: int) -> Waits:
    # Cursors are requested before the time starts.
    bodies(server, Q3, Q3.pages[nth : nth + 1])
    # The count of calls is one of the stub's own responses, so it does not change the calls.
    calls, began = stub.calls(), time.perf_counter()
    try:
        answers = scenario.ask(server, nth)
        waits = Waits((time.perf_counter() - began) * 1e3, stub.calls() - calls)
        right = scenario.right(server, nth, answers)
    except UNREADABLE as error:
        raise WrongResponse(f"{server.name}, {scenario.title}: {error!r}") from error
    if not right:
        raise WrongResponse(f"{server.name}, {scenario.title}: {answers[-1][:300]!r}")
    return waits


def _ask_links(server: Server, nth: int) -> list[bytes]:
    [body] = bodies(server, Q3, Q3.pages[nth : nth + 1])
    return [server.post(body)]


def _right_links(server: Server, nth: int, answers: list[bytes]) -> bool:
    return same(server.dialect.read(Q3, answers[0]), Q3.expected(Q3.pages[nth], LINKS.inventory))


def _ask_long(server: Server, _: int) -> list[bytes]:
    return [server.post(server.dialect.body(LONG, Page(1000, 0), None))] if server.opaque else _walk(server, LONG)


def _right_long(server: Server, _: int, answers: list[bytes]) -> bool:
    return _is_all(server, LONG, answers, LONG_LIST.inventory)


def _ask_count(server: Server, _: int) -> list[bytes]:
    return [server.post(TOTAL_COUNT)] if server.opaque else _walk(server, COUNTED)


def _right_count(server: Server, _: int, answers: list[bytes]) -> bool:
    if server.opaque:
        return bool(json.loads(answers[0]) == {"data": {"phoneNumbers": {"totalCount": COUNT.inventory}}})
    return _is_all(server, COUNTED, answers, COUNT.inventory)


def _walk(server: Server, query: Query) -> list[bytes]:
    answers: list[bytes] = []
    after = server.start
    while not answers or after:
        answers.append(server.post(server.dialect.body(query, Page(PAGE, 0), after)))
        after = server.dialect.read(query, answers[-1]).token
    return answers


def _is_all(server: Server, query: Query, answers: list[bytes], inventory: int) -> bool:
    rows = [row for answer in answers for row in server.dialect.read(query, answer).rows]
    return same(Answer(rows, None), query.expected(Page(inventory, 0), inventory))


LINKS: Final = Scenario("20 orders, 100 linked numbers of 990", 990, 15, 15, _ask_links, _right_links)
LONG_LIST: Final = Scenario("`first: 1000` of 990 numbers", 990, 2, 5, _ask_long, _right_long)
COUNT: Final = Scenario("`totalCount` of 1,980 numbers", 1_980, 2, 5, _ask_count, _right_count)
SCENARIOS: Final = (LINKS, LONG_LIST, COUNT)
