"""Caches of several processes, the bus between them, and a Valkey that fails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kit.processes import Process, Table, a_process, until
from tests.kit.valkey import OwnValkey, client
from zxo import embedded
from zxo.kit import live
from zxo.kit.live import Bus


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


async def test_a_listener_may_hear_its_own_process_at_once(services: embedded.Endpoints) -> None:
    bus, heard = Bus(client(services.redis_url), "own"), list[tuple[str, int]]()
    bus.listen("rows", lambda key, version: heard.append((key, version)), lambda: None, own=True)
    bus.listen("others", lambda key, _: heard.append((key, 0)), lambda: None)
    bus.announce("rows", "7", 3)
    bus.announce("others", "8", 3)
    assert heard == [("7", 3)]
