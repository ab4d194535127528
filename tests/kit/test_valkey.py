"""A Valkey that answers, and takes no writes: for whoever writes it is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kit.valkey import OwnValkey, client
from tests.limited import Limited, ask, limited, somebody
from zxo.kit.valkey import AWAY, TakesNoWrites
from zxo.kit.values import Quota

__all__ = ["limited"]  # a fixture

Failure = Callable[["Own"], Awaitable[None]]
DAY = 86_400


class Own:
    """A server, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.server = OwnValkey(folder)
        self.client: Redis = client(self.server.url)

    async def lose_replicas(self) -> None:
        await self.client.config_set("min-replicas-to-write", 1)

    async def fail_to_save(self) -> None:
        """Where the dump should be there is a folder that cannot be replaced."""
        folder = (await self.client.config_get("dir"))["dir"]
        (Path(folder) / "dump.rdb" / "in the way").mkdir(parents=True)
        await self.client.config_set("save", "3600 1")
        await self.client.set("x", 1, ex=60)
        await self.client.bgsave()
        while (await self.client.info("persistence"))["rdb_bgsave_in_progress"]:
            await asyncio.sleep(0.02)


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Own]:
    own = Own(tmp_path)
    yield own
    await own.client.config_set("save", "")  # or it waits for a dump before it ends
    await own.client.aclose()
    own.server.close()


@pytest.mark.parametrize("failure", [Own.lose_replicas, Own.fail_to_save])
async def test_who_writes_is_told_that_it_is_away(
    own: Own, limited: Limited, failure: Failure
) -> None:
    """And a limited route answers all the same, of its process's share."""
    async with limited(valkey=own.server.url, redeem=Quota(4, DAY)) as app:
        token = await somebody(app)
        await failure(own)
        with pytest.raises(TakesNoWrites):
            await own.client.set("x", 1, ex=60)
        assert issubclass(TakesNoWrites, AWAY)
        (answer,) = await ask(app, "POST /v1/redeem-codes/redeem", token)
        assert answer.status_code == 404, answer.text
