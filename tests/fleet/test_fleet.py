"""Three replicas over one Redis that together act as one gateway, also while replicas or Redis are killed."""

import asyncio
import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from gateway.upstream.resilience.shared_rate_quota import ALL_RECONNECTED_SECONDS
from tests.fleet.replicas import BURST, INVENTORY, RATE, REPLICAS, Clients, Fleet, Replica, fleet_over_one_emulator
from tests.support.processes import workers_of

FORWARDS = """query ($page: Int!, $cursor: String) {
  phoneNumbers(first: $page, after: $cursor) {
    nodes { e164PhoneNumber } pageInfo { cursor: endCursor more: hasNextPage }
  }
}"""
BACKWARDS = """query ($page: Int!, $cursor: String) {
  phoneNumbers(last: $page, before: $cursor) {
    nodes { e164PhoneNumber } pageInfo { cursor: startCursor more: hasPreviousPage }
  }
}"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_over_one_emulator(tmp_path_factory.mktemp("home")) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Fleet:
    running.starts_redis()
    running.starts_replicas()
    return running


@pytest.fixture(scope="module")
def workers(running: Fleet) -> Replica:
    """Return one more replica, with two workers."""
    return running.starts("--workers", "2")


def walked(fleet: Fleet, document: str, page: int) -> list[list[str]]:
    """Return the pages of the whole list, each requested from another replica."""
    pages: list[list[str]] = []
    variables = {"page": page, "cursor": None}
    with httpx.Client(timeout=30) as http:
        for url in cycle(fleet.urls):
            response = http.post(url, json={"query": document, "variables": variables}).json()
            assert "errors" not in response, response
            connection = response["data"]["phoneNumbers"]
            pages.append([node["e164PhoneNumber"] for node in connection["nodes"]])
            if not connection["pageInfo"]["more"]:
                return pages
            variables["cursor"] = connection["pageInfo"]["cursor"]
    raise AssertionError


@pytest.mark.parametrize("page", [40, 99])
def test_any_replica_continues_a_cursor(fleet: Fleet, page: int) -> None:
    pages = walked(fleet, FORWARDS, page)
    assert len(pages) == -(-INVENTORY // page)
    assert [number for each in pages for number in each] == fleet.numbers


def test_any_replica_continues_a_cursor_backwards(fleet: Fleet) -> None:
    pages = walked(fleet, BACKWARDS, 90)
    assert len(pages) == -(-INVENTORY // 90)
    assert [number for each in reversed(pages) for number in each] == fleet.numbers


@pytest.mark.parametrize("requested", [1, REPLICAS])
async def test_busy_replicas_use_the_whole_rate_and_no_more(fleet: Fleet, requested: int) -> None:
    """One busy replica uses the whole rate as well, although its own share is a third."""
    async with Clients(fleet, fleet.urls[:requested]) as clients:
        await clients.reach(0.9 * RATE)


async def test_workers_and_replicas_keep_the_rate_together(fleet: Fleet, workers: Replica) -> None:
    """Each request has a connection of its own, so that both workers get requests."""
    async with Clients(fleet, [*fleet.urls, workers.url], keep_alive=False) as clients:
        await clients.reach(0.9 * RATE)


def test_workers_end_when_their_parent_is_killed(workers: Replica) -> None:
    pids = workers_of(workers.process.pid)
    assert len(pids) == 2
    # Opened before the kill. A process id could be reused, a file descriptor of the process cannot.
    processes = [os.pidfd_open(pid) for pid in pids]
    counted_in = variable(pids[0], "PROMETHEUS_MULTIPROC_DIR")
    workers.process.kill()
    workers.process.wait()
    try:
        wait_until_ended(processes)
    finally:
        # Only the parent would have removed this folder.
        shutil.rmtree(counted_in)


def variable(pid: int, name: str) -> str:
    """Return an environment variable of a process, as of its start."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    [value] = [each for each in variables if each.startswith(os.fsencode(f"{name}="))]
    return os.fsdecode(value.partition(b"=")[2])


def wait_until_ended(processes: list[int]) -> None:
    """Wait until all processes have ended, given their process file descriptors."""
    for process in processes:
        ended, _, _ = select.select([process], [], [], 30)
        os.close(process)
        assert ended, "a worker still runs 30 s after its parent was killed"


async def test_replicas_without_redis_keep_to_their_own_share_of_the_rate(fleet: Fleet) -> None:
    async with Clients(fleet, fleet.urls) as clients:
        await clients.wait_for_responses(40)
        fleet.kills_redis()
        await clients.wait_for_responses(40)
    assert clients.retried == 0
    async with Clients(fleet, fleet.urls[:1]) as clients:
        await clients.wait_for_responses(RATE // 2)
        clients.stay_under(RATE / REPLICAS)


async def test_clients_that_retry_the_next_replica_do_not_notice_a_killed_one(fleet: Fleet) -> None:
    async with Clients(fleet, fleet.urls) as clients:
        await clients.wait_for_responses(30)
        fleet.kills_replica(0)
        await clients.wait_for_responses(60)
    assert clients.retried > 0


@pytest.mark.slow
async def test_rate_is_kept_in_any_five_seconds_while_redis_and_replicas_restart(fleet: Fleet) -> None:
    """Replicas reconnect to Redis at different times. When all have, a single replica can use the whole rate again."""
    fleet.kills_redis()
    fleet.kills_replica(0)
    # The new replica starts to reconnect when the others already do so less and less often.
    await asyncio.sleep(5)
    fleet.starts_replicas()
    notes: list[tuple[float, int, float]] = []

    async def note() -> None:
        while True:
            before, calls = time.monotonic(), clients.calls
            notes.append((before, calls, time.monotonic()))
            await asyncio.sleep(0.2)

    async with AsyncExitStack() as asking:
        # Each replica has clients of its own, which use its whole rate.
        for url in fleet.urls:
            clients = await asking.enter_async_context(Clients(fleet, [url]))
        noting = asyncio.create_task(note())
        await clients.wait_for_responses(2 * RATE)
        fleet.starts_redis()
        await asyncio.sleep(1.4 * ALL_RECONNECTED_SECONDS)
        noting.cancel()
    fives = [
        (later[1] - note[1], later[2] - note[0])
        for note in notes
        if (later := next((each for each in notes if each[0] >= note[0] + 5), None)) is not None
    ]
    assert len(fives) > 100
    assert [(calls, seconds) for calls, seconds in fives if calls > 1.1 * RATE * seconds + BURST] == []
    async with Clients(fleet, fleet.urls[:1]) as clients:
        await clients.reach(0.9 * RATE)
