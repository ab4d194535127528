"""A few seats an owner over all processes; where there are too many, the oldest yields."""

from collections.abc import Collection

from redis.asyncio import Redis


class Seats:
    """Sorted sets in Valkey, one an owner: seats by when they were last held, in Valkey's seconds.

    Names of seats sort by age. A seat that nobody holds any longer, because its process was killed,
    counts no more after `lifetime` seconds.
    """

    def __init__(self, valkey: Redis, prefix: str, limit: int, lifetime: int) -> None:
        self._valkey = valkey
        self._prefix = prefix
        self._limit = limit
        self._lifetime = lifetime

    async def hold(self, seats: Collection[tuple[int, str]]) -> set[str]:
        """Take or keep seats (owner, name); the names, anybody's, that have to yield.

        Raises what redis-py raises where Valkey is away.
        """
        if not seats:
            return set()
        now = (await self._valkey.time())[0]
        async with self._valkey.pipeline(transaction=False) as pipe:
            for owner, name in seats:
                key = self._key(owner)
                pipe.zremrangebyscore(key, "-inf", now - self._lifetime)
                pipe.zadd(key, {name: now})
                pipe.expire(key, self._lifetime)
                pipe.zrange(key, 0, -1)
            held = (await pipe.execute())[3::4]
        yielding = {
            (owner, name)
            for (owner, _), names in zip(seats, held, strict=True)
            for name in sorted(raw.decode() for raw in names)[: -self._limit]
        }
        await self.leave(yielding)
        return {name for _, name in yielding}

    async def leave(self, seats: Collection[tuple[int, str]]) -> None:
        """Give seats (owner, name) back. Raises what redis-py raises where Valkey is away."""
        if not seats:
            return
        async with self._valkey.pipeline(transaction=False) as pipe:
            for owner, name in seats:
                pipe.zrem(self._key(owner), name)
            await pipe.execute()

    def _key(self, owner: int) -> str:
        return f"{self._prefix}:{owner}"
