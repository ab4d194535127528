"""Workers and Valkey killed while 20,000 people check in: the boards lose nobody."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_settings
from tests.processes import SECRET, Server, Zxo, eventually, value, zxo
from zxo import embedded
from zxo.context import Context, open_context
from zxo.modules.checkins import service as checkins
from zxo.modules.rankings import boards, rebuild, repository
from zxo.modules.rankings.rules import NATIONAL
from zxo.settings import DatabaseSettings, TokenSettings, ValkeySettings

pytestmark = pytest.mark.slow

USERS = 20_000
AT_ONCE = 24
KILL_EVERY = 2_500  # check-ins
AWAY_SECONDS = 0.7


class Site:
    """PostgreSQL, a Valkey and two workers, the latter two to be killed."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self.variables = folder, variables
        self.valkey = Server(folder / "valkey", "valkey")
        self.variables["REDIS_URL"] = self.valkey.url
        self.workers = [self.start_worker(), self.start_worker()]
        self.kills = 0

    def start_worker(self) -> Zxo:
        return Zxo(self.folder, "worker", **self.variables)

    def kill_something(self) -> None:
        """A worker each time, and Valkey every other time."""
        victim = self.workers.pop(0)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        if self.kills % 2:
            self.valkey.kill()
        self.kills += 1

    def bring_back(self) -> None:
        if self.kills % 2 == 0:
            self.valkey.start()
        self.workers.append(self.start_worker())

    def close(self) -> None:
        for worker in self.workers:
            worker.discard()
        self.valkey.stop()


@pytest.fixture
def own_site(site: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    seeded = zxo(tmp_path, "seed", "--users", str(USERS), **site)
    assert seeded[0] == 0, seeded[2]
    own = Site(tmp_path, site)
    yield own
    own.close()


async def check_in_all(ctx: Context, site: Site) -> None:
    people, done = iter(range(1, USERS + 1)), 0

    async def break_and_mend() -> None:
        await asyncio.to_thread(site.kill_something)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(site.bring_back)

    async def breaker() -> None:
        """One thing after another, as often as there is time for."""
        while done < USERS:
            if done >= KILL_EVERY * (site.kills + 1):
                await break_and_mend()
            await asyncio.sleep(0.01)

    async def runner() -> None:
        nonlocal done
        for user_id in people:
            await checkins.check_in(ctx, user_id)
            done += 1

    await asyncio.gather(breaker(), *(runner() for _ in range(AT_ONCE)))
    assert site.kills >= 4


async def in_valkey(ctx: Context) -> list[tuple[int, int]]:
    page = await boards.page(ctx.valkey, NATIONAL, 1, USERS)
    assert page is not None
    return list(page.places)


async def in_postgresql(ctx: Context) -> list[tuple[int, int]]:
    async with ctx.db.connection() as connection:
        return list(await repository.page(connection, NATIONAL, 1, USERS))


async def run(site: Site, services: embedded.Endpoints) -> None:
    settings = make_settings(
        services,
        database=DatabaseSettings(url=site.variables["DATABASE_URL"]),
        valkey=ValkeySettings(url=site.variables["REDIS_URL"]),
        tokens=TokenSettings(secret=SECRET),
    )
    async with open_context(settings, role="test") as ctx:
        await rebuild.rebuild(ctx)
        before = await in_valkey(ctx)
        await check_in_all(ctx, site)
        await asyncio.to_thread(drained, site.variables["DATABASE_URL"])
        assert await in_valkey(ctx) == await in_postgresql(ctx) != before
        assert await rebuild.rebuild(ctx) == 0


def drained(url: str) -> None:
    for table in ("outbox", "pgqueuer"):
        waiting = f"SELECT count(*) FROM {table}"
        eventually(lambda: value(url, waiting) == 0, within=120)  # noqa: B023


def test_no_check_in_is_missing_on_the_boards_afterwards(
    own_site: Site, services: embedded.Endpoints
) -> None:
    asyncio.run(run(own_site, services))
    url = own_site.variables["DATABASE_URL"]
    parked = "SELECT count(*) FROM pgqueuer_log WHERE status IN ('failed', 'exception')"
    assert value(url, parked) == 0
