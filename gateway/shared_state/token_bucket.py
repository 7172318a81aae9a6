"""A bucket in Redis that replicas take from together: GCRA, the generic cell rate algorithm.

It fills up evenly, and is kept as the time when it will be full again: in microseconds, by Redis's own clock, so that
replicas need not agree on the time.
"""

from hashlib import sha256
from typing import Final

from gateway.shared_state.redis_client import KEY_PREFIX, RedisClient, RedisUnavailable

SECOND: Final = 1_000_000

# What is further away than an empty bucket can be is a clock that was set.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local part, parts, size = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_in = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now) - now, 0), size)
local taken = math.min(parts, math.floor((size - full_in) / part))
if taken > 0 then
  local new = full_in + taken * part
  redis.call('SET', KEYS[1], string.format('%.0f', now + new), 'PX', math.ceil(new / 1000))
end
return full_in
"""


async def take_together(redis: RedisClient, kind: str, owner: str, *, part: int, size: int, parts: int = 1) -> int:
    """Take as many of so many parts as there are; gives the time in which the bucket was full before.

    kind, owner: whose bucket it is. The name is a digest: an owner may be a person.
    part, size: microseconds that a part takes to come back, and an empty bucket to be full.
    Cost: a round trip.
    Raises: RedisUnavailable, also where Redis does not count as it was told.
    """
    name = f"{KEY_PREFIX}{kind}:{sha256(owner.encode()).hexdigest()}"
    full_in = await redis.ask("EVAL", _TAKE, 1, name, part, parts, size)
    if not isinstance(full_in, int) or not 0 <= full_in <= size:
        redis.mark_unhealthy(why := "it does not count as it was told")
        raise RedisUnavailable(why)
    return full_in
