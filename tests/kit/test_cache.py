"""The cache, and the bus that says how far it can be trusted, over a real Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.kit.valkey import OwnValkey, client
from zxo import embedded
from zxo.kit import cache as cache_module
from zxo.kit import live
from zxo.kit.cache import Cache, Caches
from zxo.kit.live import Bus

PATIENCE = 20.0  # for what has no limit of its own


class Row(NamedTuple):
    version: int
    text: str


class Table:
    """Stands for PostgreSQL: rows by id, how often it was asked, and a gate to hold readers at."""

    def __init__(self) -> None:
        self.rows = {1: Row(1, "first")}
        self.asked = 0
        self.gates: list[asyncio.Event] = []

    def write(self, text: str, key: int = 1) -> Row:
        self.rows[key] = Row(self.rows[key].version + 1, text)
        return self.rows[key]

    async def load(self, key: int) -> Row | None:
        """What was true when the reader came, given out when the gate of that moment opens."""
        self.asked += 1
        row, gates = self.rows.get(key), list(self.gates)
        for gate in gates:
            await gate.wait()
        await asyncio.sleep(0)
        return row

    def hold(self) -> asyncio.Event:
        """From now on readers wait for this gate; open it with set()."""
        gate = asyncio.Event()
        self.gates = [gate]
        return gate


class Process:
    """What one process has: a bus, and a cache of the table."""

    def __init__(self, table: Table, bus: Bus) -> None:
        self.table = table
        self.bus = bus
        self.cache: Cache[Row] = Cache("rows", bus, table.load, lambda row: row.version)

    async def text(self) -> str:
        row = await self.cache.get(1)
        assert row is not None
        return row.text

    async def in_memory(self) -> bool:
        """Whether the row is served without asking."""
        before = self.table.asked
        await self.cache.get(1)
        return self.table.asked == before


async def until(true: Callable[[], bool | Awaitable[bool]], within: float = PATIENCE) -> float:
    """Wait until it is true; how long that took."""
    began = time.monotonic()
    while True:
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return time.monotonic() - began
        assert time.monotonic() - began < within, "did not come true"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def a_process(table: Table, url: str, channel: str) -> AsyncIterator[Process]:
    valkey = client(url)
    process = Process(table, Bus(valkey, channel))
    running = asyncio.create_task(process.bus.run())
    try:
        await until(process.bus.trusted)
        yield process
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await valkey.aclose()


@pytest.fixture
def table() -> Table:
    return Table()


@pytest_asyncio.fixture
async def here(services: embedded.Endpoints, table: Table) -> AsyncIterator[Process]:
    async with a_process(table, services.redis_url, f"test:{uuid4().hex}") as process:
        yield process


@pytest_asyncio.fixture
async def there(services: embedded.Endpoints, here: Process) -> AsyncIterator[Process]:
    """Another process on the same table and Valkey."""
    async with a_process(here.table, services.redis_url, here.bus._channel) as process:
        yield process


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    valkey = OwnValkey(tmp_path)
    yield valkey
    valkey.close()


@pytest_asyncio.fixture
async def pair(own_valkey: OwnValkey, table: Table) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on a Valkey that may be killed."""
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(a_process(table, own_valkey.url, "changes"))
            for _ in range(2)
        ]
        yield made[0], made[1]


@pytest_asyncio.fixture
async def speaker(own_valkey: OwnValkey) -> AsyncIterator[Bus]:
    """A bus that speaks only when it is told to."""
    valkey = client(own_valkey.url)
    yield Bus(valkey, "changes")
    await valkey.aclose()


async def test_a_row_is_asked_for_once(here: Process) -> None:
    assert [await here.text() for _ in range(3)] == ["first"] * 3
    assert here.table.asked == 1


async def test_readers_of_the_same_moment_share_one_query(here: Process) -> None:
    assert await asyncio.gather(*(here.text() for _ in range(50))) == ["first"] * 50
    assert here.table.asked == 1


async def test_a_row_that_does_not_exist_is_not_remembered(here: Process) -> None:
    assert await here.cache.get(2) is None
    here.table.rows[2] = Row(1, "made")
    assert await here.cache.get(2) == Row(1, "made")


async def test_a_failure_to_load_reaches_every_reader_and_is_not_remembered(
    here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: int) -> Row:
        await asyncio.sleep(0)
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(here.cache, "_load", fail)
        results = await asyncio.gather(here.text(), here.text(), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 2
    assert await here.text() == "first"


async def test_a_reader_who_goes_away_does_not_cancel_the_others_query(here: Process) -> None:
    gate = here.table.hold()
    first, second = asyncio.create_task(here.text()), asyncio.create_task(here.text())
    await until(lambda: here.table.asked == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.set()
    assert await second == "first"
    assert here.table.asked == 1


async def test_a_slow_reader_cannot_put_a_stale_row_back(here: Process) -> None:
    gate = here.table.hold()
    slow = asyncio.create_task(here.text())
    await until(lambda: here.table.asked == 1)
    here.table.gates = []
    here.cache.put(1, here.table.write("second"))
    gate.set()
    await slow
    assert await here.text() == "second"
    assert await here.in_memory()


async def test_who_comes_after_a_put_never_gets_what_an_older_query_found(here: Process) -> None:
    """Also where nothing may be served from memory, so that the put value does not help."""
    gate = here.table.hold()
    slow = asyncio.create_task(here.cache.reload(1))
    await until(lambda: here.table.asked == 1)
    here.table.gates = []
    here.cache.put(1, here.table.write("second"))
    found = await asyncio.wait_for(here.cache.reload(1), PATIENCE)
    assert found == Row(2, "second")
    gate.set()
    assert await slow == Row(1, "first")


async def test_a_query_that_began_before_an_invalidation_is_not_stored(here: Process) -> None:
    gate = here.table.hold()
    slow = asyncio.create_task(here.text())
    await until(lambda: here.table.asked == 1)
    here.table.gates = []
    here.cache.outdate(1, here.table.write("second").version)
    gate.set()
    assert await slow == "first"
    assert await here.text() == "second"


async def test_a_query_that_began_before_everything_was_forgotten_is_not_stored(
    here: Process,
) -> None:
    gate = here.table.hold()
    slow = asyncio.create_task(here.text())
    await until(lambda: here.table.asked == 1)
    here.table.gates = []
    here.cache.clear()
    here.table.write("second")
    gate.set()
    assert await slow == "first"
    assert await here.text() == "second"


async def test_a_late_put_does_not_replace_a_newer_row_that_was_announced(here: Process) -> None:
    mine = here.table.write("mine")
    theirs = here.table.write("theirs")
    here.cache.outdate(1, theirs.version)
    here.cache.put(1, mine)
    assert await here.text() == "theirs"


async def test_an_old_announcement_does_not_drop_a_newer_row(here: Process) -> None:
    here.cache.put(1, here.table.write("second"))
    here.cache.outdate(1, 2)
    here.cache.outdate(1, 1)
    assert await here.in_memory()


async def test_a_row_is_asked_for_again_when_its_time_is_over(
    here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "TTL_SECONDS", 0.05)
    await here.text()
    here.table.rows[1] = Row(1, "changed by hand, without a version")
    await asyncio.sleep(0.05 * (1 + cache_module.JITTER) + 0.01)
    assert await here.text() == "changed by hand, without a version"


async def test_rows_filled_together_do_not_expire_together(here: Process) -> None:
    for key in range(20):
        here.table.rows[key] = Row(1, "x")
        await here.cache.get(key)
    expiries = [entry.expires for entry in here.cache._entries.values()]
    assert max(expiries) - min(expiries) > 1
    longest = cache_module.TTL_SECONDS * (1 + cache_module.JITTER)
    assert all(expires < time.monotonic() + longest for expires in expiries)


async def test_what_is_expired_says_nothing_about_versions(
    here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored backup takes versions back; its rows are kept in memory again before long."""
    monkeypatch.setattr(cache_module, "TOMBSTONE_SECONDS", 0.01)
    here.cache.outdate(1, 100)
    await asyncio.sleep(0.02)
    await here.text()
    assert await here.in_memory()


async def test_the_oldest_entries_make_room(here: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SIZE", 3)
    here.table.rows = {key: Row(1, str(key)) for key in range(1, 6)}
    for key in (2, 1, 3, 4, 5):
        await here.cache.get(key)
    assert len(here.cache._entries) == 3
    assert not await here.in_memory()
    await here.cache.get(5)
    assert here.table.asked == 6  # 5 was kept


async def test_caches_are_made_once_a_topic(here: Process) -> None:
    caches = Caches(here.bus)
    made = [caches.named("t", here.table.load, lambda row: row.version) for _ in range(2)]
    assert made[0] is made[1]


async def test_another_process_sees_a_put_within_a_second(here: Process, there: Process) -> None:
    assert await there.text() == "first"
    assert await there.in_memory()
    for text in ("second", "third"):
        here.cache.put(1, here.table.write(text))

        async def seen(text: str = text) -> bool:
            return await there.text() == text

        assert await until(seen) < 1.0
    assert await there.in_memory()


async def test_another_process_hears_that_a_row_is_outdated(here: Process, there: Process) -> None:
    await there.text()
    here.cache.outdate(1, here.table.write("second").version)

    async def seen() -> bool:
        return await there.text() == "second"

    assert await until(seen) < 1.0


async def test_an_announcement_drops_the_query_that_runs_in_another_process(
    here: Process, there: Process
) -> None:
    gate = here.table.hold()
    slow = asyncio.create_task(there.text())
    await until(lambda: here.table.asked == 1)
    here.table.gates = []
    here.cache.put(1, here.table.write("second"))
    await until(lambda: 1 not in there.cache._loading)
    gate.set()
    await slow
    assert await there.text() == "second"


async def test_the_newest_of_two_announcements_of_a_row_counts(
    here: Process, there: Process
) -> None:
    """Two requests of one process may come to announce in another order than they committed in."""
    older, newer = here.table.write("older"), here.table.write("newer")
    there.cache.put(1, older)
    here.cache.put(1, newer)
    here.cache.put(1, older)

    async def seen() -> bool:
        return await there.text() == "newer"

    assert await until(seen) < 1.0
    assert await here.text() == "newer"


async def test_a_process_does_not_listen_to_itself(here: Process, there: Process) -> None:
    here.cache.put(1, here.table.write("second"))
    await until(lambda: 1 in there.cache._entries)
    assert await here.in_memory()


async def test_a_message_that_cannot_be_read_counts_as_missed(
    here: Process, there: Process
) -> None:
    await here.text()
    await there.bus._valkey.publish(here.bus._channel, b"not one of ours")
    await until(lambda: not here.bus.trusted())
    await until(here.bus.trusted)
    assert not await here.in_memory()  # everything was dropped


async def test_without_trust_nothing_is_served_from_memory(
    table: Table, services: embedded.Endpoints
) -> None:
    deaf = Process(table, Bus(client(services.redis_url), "nobody listens"))
    assert [await deaf.text() for _ in range(3)] == ["first"] * 3
    assert table.asked == 3
    table.write("second")
    assert await deaf.text() == "second"


async def test_while_valkey_is_dead_every_read_is_asked_for_and_trust_comes_back_with_it(
    own_valkey: OwnValkey, pair: tuple[Process, Process]
) -> None:
    writer, reader = pair
    assert await reader.text() == "first"
    assert await reader.in_memory()

    own_valkey.kill()
    writer.cache.put(1, writer.table.write("while away"))
    await until(lambda: not reader.bus.trusted(), within=live.TRUST_SECONDS + 1)
    assert await reader.text() == "while away"
    assert not await reader.in_memory()
    # Not announced, but nobody may believe the older row when Valkey is back either.
    writer.table.write("unannounced")

    own_valkey.start()
    await until(reader.bus.trusted)
    assert await reader.text() == "unannounced"
    await until(reader.in_memory)
    await until(lambda: not writer.bus._pending)
    assert await reader.text() == "unannounced"


async def test_what_was_announced_while_valkey_was_away_is_delivered_after(
    own_valkey: OwnValkey, pair: tuple[Process, Process], speaker: Bus
) -> None:
    _, reader = pair
    heard: list[tuple[str, int]] = []
    reader.bus.listen("seen", lambda key, version: heard.append((key, version)), lambda: None)
    own_valkey.kill()
    speaker.announce("seen", "1", 2)
    assert not await speaker.flush()
    await until(lambda: not reader.bus.trusted())
    own_valkey.start()
    await until(reader.bus.trusted)
    assert await speaker.flush()
    await until(lambda: heard == [("1", 2)])


async def test_announcing_goes_on_by_itself_when_valkey_is_back(
    own_valkey: OwnValkey, pair: tuple[Process, Process]
) -> None:
    writer, _ = pair
    own_valkey.kill()
    writer.cache.put(1, writer.table.write("second"))
    await asyncio.sleep(3 * live.RETRY_SECONDS)
    assert writer.bus._pending
    own_valkey.start()
    await until(lambda: not writer.bus._pending)


async def test_a_valkey_that_hangs_is_not_trusted_and_is_found_again(
    own_valkey: OwnValkey, pair: tuple[Process, Process]
) -> None:
    writer, reader = pair
    await reader.text()
    with own_valkey.hung():
        writer.cache.put(1, writer.table.write("second"))
        took = await until(lambda: not reader.bus.trusted())
        assert took < live.TRUST_SECONDS + 0.5
        assert await reader.text() == "second"
        # Longer than the silence after which the connection is given up.
        await asyncio.sleep(live.SILENCE_SECONDS - took + 0.3)
        # Not announced: who was given up on must be taken to have said something.
        writer.table.write("third")
    await until(reader.bus.trusted)
    assert await reader.text() == "third"
    await until(reader.in_memory)


async def test_a_short_hang_loses_no_announcement(
    own_valkey: OwnValkey, pair: tuple[Process, Process]
) -> None:
    writer, reader = pair
    await reader.text()
    with own_valkey.hung():
        writer.cache.put(1, writer.table.write("second"))
        await asyncio.sleep(0.3)
    await until(lambda: not writer.bus._pending)
    await until(reader.bus.trusted)

    async def seen() -> bool:
        return await reader.text() == "second"

    assert await until(seen) < 1.0


async def test_flushing_valkey_changes_nothing(pair: tuple[Process, Process]) -> None:
    writer, reader = pair
    await reader.text()
    await writer.bus._valkey.flushall()
    assert await reader.text() == "first"
    writer.cache.put(1, writer.table.write("second"))

    async def seen() -> bool:
        return await reader.text() == "second"

    assert await until(seen) < 1.0


async def test_a_lost_connection_drops_what_was_remembered(pair: tuple[Process, Process]) -> None:
    """Valkey itself stays: only this process was cut off, and may have missed something."""
    writer, reader = pair
    await reader.text()
    before = len(reader.cache._entries)
    await writer.bus._valkey.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: not reader.cache._entries)
    await until(reader.bus.trusted)
    assert before == 1
    assert not await reader.in_memory()


async def test_announcements_that_nobody_can_take_do_not_fill_the_memory(
    table: Table, services: embedded.Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PENDING_LIMIT", 10)
    bus = Bus(client(services.redis_url), "nobody speaks")
    for key in range(100):
        bus.announce("rows", str(key), 1)
    assert len(bus._pending) == 10
