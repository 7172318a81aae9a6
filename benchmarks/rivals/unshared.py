"""The gateway without single flight, so that no two requests share an upstream call.

Linked numbers are looked up in the first pages of the inventory. These pages are the same for every request, and no
variable of the query can change that. Single flight would share them among concurrent requests, and the work of a
request would not be measured in full. Everything else is `chime-gateway`.
"""

from typing import Any, Final

from gateway.__main__ import main
from gateway.upstream.cache.single_flight import SingleFlight

SHARED: Final = SingleFlight.do


async def do(self: Any, key: Any, work: Any, call: Any) -> Any:
    return await SHARED(self, (key, object()), work, call)


if __name__ == "__main__":
    SingleFlight.do = do  # type: ignore[method-assign]  # Replacing it is the purpose of this module.
    main(prog_name="chime-gateway")
