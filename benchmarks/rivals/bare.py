"""A list call of a default aioboto3 client in a loop: the cost of the upstream call alone, without GraphQL or a server.

    STUB_URL=... python -m benchmarks.rivals.bare SECONDS

The program prints, as JSON, the number of calls and the seconds of CPU and of clock that they took.
"""

import asyncio
import json
import os
import sys
import time

import aioboto3

CONNECTIONS = 32


async def loop(seconds: float) -> dict[str, float]:
    """List pages of 97 to 99 rows from as many tasks as the gateways have client connections."""
    async with aioboto3.Session().client("chime", endpoint_url=os.environ["STUB_URL"]) as client:

        async def task(offset: int) -> int:
            calls = 0
            while time.perf_counter() < end:
                await client.list_phone_numbers(MaxResults=97 + calls % 3, NextToken=str(offset))
                calls += 1
            return calls

        end = time.perf_counter()
        await asyncio.gather(*(client.list_phone_numbers(MaxResults=99) for _ in range(3)))
        cpu, clock = time.process_time(), time.perf_counter()
        end = clock + seconds
        calls = sum(await asyncio.gather(*(task(1 + offset) for offset in range(CONNECTIONS))))
        return {"calls": calls, "cpu": time.process_time() - cpu, "clock": time.perf_counter() - clock}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(loop(float(sys.argv[1])))))  # noqa: T201  # The result.
