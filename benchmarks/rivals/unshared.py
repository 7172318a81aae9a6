"""The gateway, with every upstream call made for one request alone.

The numbers that it links are looked up in the inventory's first pages, the same ones for every request, and no variable
of a query can make them differ. Its single flight would share them among the requests under way; here each has a flight
of its own, so that all of a request's work is measured. All else is `chime-gateway`.
"""

from typing import Any, Final

from gateway.__main__ import main
from gateway.upstream.cache.single_flight import SingleFlight

SHARED: Final = SingleFlight.do


async def do(self: Any, key: Any, call: Any, deadline: float) -> Any:
    return await SHARED(self, (key, object()), call, deadline)


if __name__ == "__main__":
    SingleFlight.do = do  # type: ignore[method-assign]  # That is what this file is for.
    main(prog_name="chime-gateway")
