"""Valkey killed, flushed and started again under load: nobody notices, and nobody reads old news.

Two API processes on one database: people write at the first and are read at both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.processes import Server, api, value, zxo

pytestmark = pytest.mark.slow

USERS = 400
WRITERS = 5  # people who rename themselves all the time
STALE_SECONDS = 1.0


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "valkey", "valkey")
    yield server
    server.stop()


class Person:
    """Somebody who renames herself at one process, and is read at both."""

    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}
        self.written = [(time.monotonic(), -1)]  # when which number was acknowledged

    async def rename(self, client: httpx.AsyncClient) -> None:
        """And read it in the same process, where it must be there at once."""
        number = self.written[-1][1] + 1
        body = {"nickname": f"{number}"}
        answer = await client.put("/v1/users/me", headers=self.headers, json=body)
        assert answer.status_code == 200, answer.text
        self.written.append((time.monotonic(), number))
        assert await self.number_at(client) >= number

    async def number_at(self, client: httpx.AsyncClient) -> int:
        answer = await client.get("/v1/users/me", headers=self.headers)
        assert answer.status_code == 200, answer.text
        nickname = answer.json()["data"]["nickname"]
        return int(nickname) if nickname.isdigit() else -1

    async def check(self, client: httpx.AsyncClient) -> float:
        """Seconds for which what was read had been outdated when it was asked for (or 0)."""
        asked = time.monotonic()
        number = await self.number_at(client)
        newer = [at for at, written in self.written if written > number]
        return max(0.0, asked - newer[0]) if newer else 0.0


class Load:
    """Goes on until told to stop; a failure ends it."""

    def __init__(self, here: httpx.AsyncClient, there: httpx.AsyncClient, tokens: list[str]):
        self._here, self._there = here, there
        self._writers = [Person(token) for token in tokens[:WRITERS]]
        self._others = tokens[WRITERS:]
        self.stopped = asyncio.Event()
        self.reads = self.checked_in = 0
        self.stalest = 0.0

    async def run(self, disturb: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for person in self._writers:
                tasks.create_task(self._write(person))
                tasks.create_task(self._read(person))
            tasks.create_task(self._check_in())
            await disturb()
            self.stopped.set()

    async def _write(self, person: Person) -> None:
        while not self.stopped.is_set():
            await person.rename(self._here)
            await asyncio.sleep(0.2)

    async def _read(self, person: Person) -> None:
        while not self.stopped.is_set():
            self.stalest = max(self.stalest, await person.check(self._there))
            self.reads += 1
            await asyncio.sleep(0.01)

    async def _check_in(self) -> None:
        for token in self._others:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self._here.post("/v1/check-in", headers=headers)
            assert answer.status_code == 200, answer.text
            self.checked_in += 1
            await asyncio.sleep(0.02)
            if self.stopped.is_set():
                return


async def disturb(valkey: Server) -> None:
    await asyncio.sleep(2)
    for _ in range(3):
        with redis.from_url(valkey.url) as client:
            await asyncio.to_thread(client.flushall)
        await asyncio.sleep(1)
        await asyncio.to_thread(valkey.kill)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(valkey.start)
        await asyncio.sleep(1.5)


def test_no_check_in_fails_and_no_read_is_staler_than_a_second(
    valkey: Server, site: dict[str, str], tmp_path: Path
) -> None:
    variables = {**site, "REDIS_URL": valkey.url}
    file = tmp_path / "tokens"
    words = ("seed", "--users", str(USERS), "--tokens", str(file))
    assert zxo(tmp_path, *words, **variables)[0] == 0
    tokens = file.read_text().splitlines()

    async def run(here: httpx.URL, there: httpx.URL) -> Load:
        async with (
            httpx.AsyncClient(base_url=here, timeout=30) as one,
            httpx.AsyncClient(base_url=there, timeout=30) as two,
        ):
            load = Load(one, two, tokens)
            await load.run(lambda: disturb(valkey))
            return load

    with api(tmp_path, **variables) as (_, first), api(tmp_path, **variables) as (_, second):
        load = asyncio.run(run(first.base_url, second.base_url))
    assert load.checked_in > 50
    assert load.reads > 200
    assert load.stalest <= STALE_SECONDS, f"{load.stalest:.2f} s"
    today = "SELECT count(*) FROM check_in_records WHERE created_at > now() - interval '1 hour'"
    assert value(site["DATABASE_URL"], today) == load.checked_in
