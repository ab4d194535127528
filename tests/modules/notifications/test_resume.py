"""Nothing is lost, nothing comes twice, and everything comes in order."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import make_settings, running
from tests.factories import FrozenClock, Visitor
from tests.kit.valkey import OwnValkey
from tests.modules.notifications.socket_client import Client, connected, tell
from zxo import embedded
from zxo.context import Context
from zxo.kit import feed
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice
from zxo.settings import Settings, ValkeySettings

WRITERS, EACH = 20, 15


async def stored(ctx: Context, person: Visitor) -> list[int]:
    """The ids of everything the person was ever told."""
    sql = "SELECT id FROM notifications WHERE user_id = $1 ORDER BY id"
    return [row[0] for row in await ctx.db.fetch(sql, person.user["id"])]


async def test_what_was_missed_is_replayed_in_order(
    app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor
) -> None:
    for text in "abcdef":
        await tell(ctx, alice, text)
        await tell(ctx, bob, text)
    ids = await stored(ctx, alice)
    async with connected(app, alice) as client:
        for after, missed in ((0, ids), (ids[2], ids[3:]), (ids[2] - 1, ids[2:]), (ids[-1], [])):
            assert await client.resume(after) == after
            assert await client.ids(len(missed)) == missed
        assert await client.quiet()


@pytest.mark.parametrize("after", [10**9, 2**63 - 1])
async def test_a_position_in_the_future_is_brought_back(
    app: FastAPI, ctx: Context, alice: Visitor, after: int
) -> None:
    await tell(ctx, alice, "a", "b")
    latest = (await stored(ctx, alice))[-1]
    async with connected(app, alice) as client:
        assert await client.resume(after) == latest
        await tell(ctx, alice, "c")
        assert (await client.event())["data"] == {"text": "c"}


async def test_what_happens_between_ready_and_resume_comes_once_and_in_its_place(
    app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    await tell(ctx, alice, "a", "b")
    async with connected(app, alice) as client:
        await tell(ctx, alice, "c")
        await asyncio.sleep(0.2)  # a client that is not near
        await client.resume(0)
        assert await client.ids(3) == await stored(ctx, alice)
        await tell(ctx, alice, "d")
        assert (await client.event())["data"] == {"text": "d"}
        assert await client.quiet()


async def test_more_than_one_read_gives_is_read_in_several(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROWS", 7)
    notices = [NewNotice(alice.user["id"], "milestone", str(n), {"n": n}) for n in range(61)]
    await notifications.add(ctx, notices)
    async with connected(app, alice) as one, connected(app, alice) as two:
        await one.resume(0)
        assert await one.ids(61) == await stored(ctx, alice)
        await tell(ctx, alice, "the last")
        assert (await two.event())["data"] == {"text": "the last"}
        await two.resume(0)
        assert await two.ids(62) == await stored(ctx, alice)


async def test_what_comes_while_something_is_on_its_way_comes_after_it(
    app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    async with connected(app, alice) as client:
        await asyncio.sleep(0.7)  # live
        client.reading.clear()
        for text in "abc":
            await tell(ctx, alice, text)
            await asyncio.sleep(0.1)
        client.reading.set()
        assert await client.ids(3) == await stored(ctx, alice)


async def test_a_resume_during_a_read_is_not_overtaken_by_it(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    news, gate = app.state.beside["realtime"].feed, asyncio.Event()
    read = news._news

    async def slowly(*arguments: object) -> object:
        found = await read(*arguments)
        await gate.wait()
        return found

    await tell(ctx, alice, "a", "b")
    async with connected(app, alice) as client:
        await asyncio.sleep(0.7)  # live
        monkeypatch.setattr(news, "_news", slowly)
        await tell(ctx, alice, "c")
        await asyncio.sleep(0.2)  # "c" has been read by now, and waits
        await client.resume(0)
        gate.set()
        assert await client.ids(3) == await stored(ctx, alice)
        assert await client.quiet()


async def test_events_of_another_process_arrive(
    app: FastAPI, second_app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    async with connected(second_app, alice) as client:
        await asyncio.sleep(0.6)  # live, without a resume
        await tell(ctx, alice, "from the first")
        assert (await client.event(within=2))["data"] == {"text": "from the first"}


async def test_a_wake_up_that_was_lost_costs_time_only(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(app, alice) as client:
        await client.resume(0)
        await asyncio.sleep(0.7)  # so long events may wait for a resume: then it is woken anyway
        with monkeypatch.context() as patch:
            patch.setattr(ctx.bus, "announce", lambda *_: None)
            # The half minute may be over just now, or the bus in doubt for a moment.
            patch.setattr(app.state.beside["realtime"].feed, "wake_all", lambda: None)
            await tell(ctx, alice, "nobody says so")
            assert await client.quiet(1.5)
        monkeypatch.setattr(feed, "SWEEP_SECONDS", 0.0)
        assert (await client.event())["data"] == {"text": "nobody says so"}


async def test_a_failed_read_is_made_again(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    news, failures = app.state.beside["realtime"].feed, [ConnectionRefusedError(), KeyError()]
    read = news._news

    async def sometimes(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await read(*arguments)

    monkeypatch.setattr(news, "_news", sometimes)
    async with connected(app, alice) as client:
        await client.resume(0)
        await tell(ctx, alice, "a")
        assert (await client.event())["data"] == {"text": "a"}
    assert not failures


class Listener:
    """Connects, resumes where it was, and hangs up, again and again; keeps all ids it saw."""

    def __init__(self, app: FastAPI, person: Visitor, seed: int) -> None:
        self._app, self._person = app, person
        self._random = random.Random(seed)
        self.seen: list[int] = []
        self.connections = 0

    async def listen(self, finished: Callable[[], bool]) -> None:
        while not finished():
            self.connections += 1
            async with connected(self._app, self._person) as client:
                if self.seen or self._random.random() < 0.5:
                    await asyncio.sleep(self._random.random() * 0.05)
                await client.resume(self.seen[-1] if self.seen else 0)
                await self._read(client, self._random.randint(1, 60), finished)
            await asyncio.sleep(self._random.random() * 0.1)

    async def _read(self, client: Client, most: int, finished: Callable[[], bool]) -> None:
        for _ in range(most):
            if self._random.random() < 0.05:
                client.reading.clear()
                asyncio.get_running_loop().call_later(0.1, client.reading.set)
            try:
                self.seen.append((await client.event(within=0.5))["id"])
            except TimeoutError:
                if finished():
                    return


async def test_a_burst_of_many_writers_is_complete_and_in_order_for_clients_that_come_and_go(
    app: FastAPI, second_app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor
) -> None:
    writing = True

    async def write(number: int) -> None:
        chosen = random.Random(number)
        for text in range(EACH):
            await tell(ctx, chosen.choice([alice, alice, bob]), f"{number}-{text}")
            await asyncio.sleep(chosen.random() * 0.1)

    listeners = [Listener(app, alice, 1), Listener(second_app, alice, 2), Listener(app, alice, 3)]

    def finished() -> bool:
        latest = max((listener.seen[-1] for listener in listeners if listener.seen), default=0)
        return not writing and all(
            listener.seen and listener.seen[-1] == latest for listener in listeners
        )

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for listener in listeners:
            tasks.create_task(listener.listen(finished))
        await asyncio.gather(*map(write, range(WRITERS)))
        everything = await stored(ctx, alice)
        while any(listener.seen[-1:] != everything[-1:] for listener in listeners):
            await asyncio.sleep(0.05)
        writing = False
    assert len(everything) > 100
    for listener in listeners:
        assert listener.seen == everything
        assert listener.connections > 2


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path / "valkey")
    yield server
    server.close()


@pytest_asyncio.fixture
async def app_of_its_own(
    own_valkey: OwnValkey, services: embedded.Endpoints, settings: Settings, clock: FrozenClock
) -> AsyncIterator[FastAPI]:
    """On the same database, with a Valkey that can be killed."""
    valkey = ValkeySettings(url=own_valkey.url)
    changed = make_settings(services, valkey=valkey, tokens=settings.tokens)
    async with running(changed, clock) as started:
        yield started


@pytest.mark.slow
async def test_without_valkey_events_come_a_little_later(
    app_of_its_own: FastAPI, own_valkey: OwnValkey, ctx: Context, alice: Visitor
) -> None:
    """The writer is another process, of which nothing is heard."""
    own_valkey.kill()
    async with connected(app_of_its_own, alice) as client:
        await tell(ctx, alice, "a", "b")
        assert (await client.event(within=4))["data"] == {"text": "a"}
        assert (await client.event(within=4))["data"] == {"text": "b"}
        own_valkey.start()
        await tell(ctx, alice, "c")
        assert (await client.event(within=4))["data"] == {"text": "c"}
