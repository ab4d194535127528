"""Who is about: whose sockets are open, or were a short while ago. Only a hint."""

from collections.abc import Collection

from redis.asyncio import Redis

from zxo.kit.valkey import AWAY

KEY = "zxo:present"
RECENT_SECONDS = 900


class Presence:
    """A sorted set in Valkey: ids by when they were last seen, in Valkey's own time (seconds)."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def seen(self, ids: Collection[int]) -> None:
        """Note that `ids` are about now. Raises what redis-py raises where Valkey is away."""
        if not ids:
            return
        now = (await self._valkey.time())[0]
        async with self._valkey.pipeline(transaction=False) as pipe:
            pipe.zadd(KEY, dict.fromkeys(map(str, ids), now))
            pipe.zremrangebyscore(KEY, "-inf", now - RECENT_SECONDS)
            pipe.expire(KEY, RECENT_SECONDS)
            await pipe.execute()

    async def recently(self, ids: Collection[int]) -> set[int]:
        """Those of `ids` seen in the last 15 minutes or so; nobody where Valkey is away."""
        if not ids:
            return set()
        asked = list(ids)
        try:
            scores = await self._valkey.zmscore(KEY, list(map(str, asked)))
        except AWAY:
            return set()
        return {number for number, score in zip(asked, scores, strict=True) if score is not None}
