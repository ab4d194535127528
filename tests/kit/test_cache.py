"""The cache within one process."""

import asyncio
import time

import pytest

from tests.kit.processes import PATIENCE, Process, Row, until
from zxo.kit import cache as cache_module
from zxo.kit.cache import Caches


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


async def test_a_reader_who_goes_away_takes_nothing_from_the_others(here: Process) -> None:
    gate = here.table.hold()
    first, second = asyncio.create_task(here.text()), asyncio.create_task(here.text())
    await until(lambda: here.table.asked == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.set()
    assert await second == "first"


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
