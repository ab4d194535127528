"""Where people stood at the end of each day."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.rankings.conftest import SHENZHEN, Drain, make_member
from zxo.context import Context
from zxo.modules.rankings import handlers, repository

HISTORY = "/rankings/me/history"


async def history(person: Visitor, kind: str, **query: Any) -> list[tuple[str, int, int]]:
    found = data(await person.get(HISTORY, type=kind, **query))
    assert found["type"] == kind
    return [(row["date"], row["rank"], row["totalDays"]) for row in found["history"]]


async def live(ctx: Context, clock: FrozenClock, *people: Visitor, days: int) -> None:
    """Each day everybody checks in at nine; the snapshot is taken two minutes after midnight."""
    for _ in range(days):
        for person in people:
            data(await person.post("/check-in"))
            clock.advance(minutes=1)
        clock.set(f"{clock.today() + timedelta(days=1)}T00:02:00+08:00")
        await handlers.take_snapshot(ctx)
        clock.advance(hours=9)


async def test_each_night_keeps_how_the_day_ended(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    for person in (alice, bob):
        data(await person.put("/users/me", **SHENZHEN))
    await live(ctx, clock, bob, days=1)
    await live(ctx, clock, alice, bob, days=2)
    assert await history(bob, "street") == [
        ("2025-12-03", 1, 3),
        ("2025-12-02", 1, 2),
        ("2025-12-01", 1, 1),
    ]
    assert await history(alice, "city") == [("2025-12-03", 2, 2), ("2025-12-02", 2, 1)]
    assert await history(bob, "street", days=1) == [("2025-12-03", 1, 3)]
    regions = [row["region"] for row in data(await bob.get(HISTORY, type="city"))["history"]]
    assert set(regions) == {"广东省/深圳市"}


async def test_a_snapshot_that_is_taken_again_is_the_same(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    data(await alice.put("/users/me", **SHENZHEN))
    await live(ctx, clock, alice, bob, days=1)
    rows = "SELECT user_id, ranking_type, region_code, rank_position FROM rankings ORDER BY 1, 2"
    before = await ctx.db.fetch(rows)
    clock.advance(hours=-8)
    await handlers.take_snapshot(ctx)
    assert await ctx.db.fetch(rows) == before
    assert len(before) == 5 + 1


async def test_what_is_counted_after_midnight_belongs_to_the_next_day(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    """Also where the worker comes late."""
    for person in (alice, bob):
        data(await person.put("/users/me", **SHENZHEN))
        data(await person.post("/check-in"))
        clock.advance(minutes=1)
    clock.set("2025-12-02T00:01:00+08:00")
    data(await bob.post("/check-in"))
    newcomer = await bob.log_in("newcomer")
    data(await newcomer.put("/users/me", **SHENZHEN))
    data(await newcomer.post("/check-in"))
    clock.set("2025-12-02T15:00:00+08:00")
    await handlers.take_snapshot(ctx)
    assert await history(alice, "street") == [("2025-12-01", 1, 1)]
    assert await history(bob, "street") == [("2025-12-01", 2, 1)]
    assert await history(newcomer, "street") == []


async def test_whoever_hides_while_a_snapshot_is_written_is_not_in_it(
    alice: Visitor, ctx: Context, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    data(await alice.post("/check-in"))
    original = repository.take_snapshot

    async def write_slowly(connection: Any, *arguments: Any) -> None:
        await original(connection, *arguments)
        await ctx.db.execute("UPDATE user_settings SET show_in_ranking = false")
        await drain()  # the past is deleted, as far as it can be seen

    monkeypatch.setattr(repository, "take_snapshot", write_slowly)
    await handlers.take_snapshot(ctx)
    assert await ctx.db.fetchval("SELECT count(*) FROM rankings") == 0


async def test_people_change_their_data_while_a_snapshot_is_written(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    """The rows that refer to them are not committed yet."""
    data(await alice.post("/check-in"))
    day = date(2025, 11, 30)
    midnight = clock.now() + timedelta(days=1)
    async with ctx.db.transaction() as connection:
        await repository.take_snapshot(connection, "national", day, midnight, clock.now())
        data(await alice.put("/users/me", nickname="阿丽"))


async def test_whoever_hides_loses_the_past_too(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await make_member(ctx, alice)
    await live(ctx, clock, alice, bob, days=2)
    assert len(await history(alice, "national")) == 2
    data(await alice.put("/users/me/settings", showInRanking=False))
    assert await history(alice, "national") == []  # at once
    await drain()
    left = await ctx.db.fetch("SELECT DISTINCT user_id FROM rankings")
    assert [row[0] for row in left] == [bob.user["id"]]
    await live(ctx, clock, bob, days=1)
    data(await alice.put("/users/me/settings", showInRanking=True))
    assert await history(alice, "national") == []


async def test_ninety_days_are_kept(alice: Visitor, ctx: Context, clock: FrozenClock) -> None:
    await live(ctx, clock, alice, days=1)
    row = (
        "INSERT INTO rankings (user_id, ranking_type, rank_position, total_days, snapshot_date,"
        " created_at) SELECT $1, 'national', 1, 1, $2::date - n, $3 FROM generate_series(1, 100) n"
    )
    await ctx.db.execute(row, alice.user["id"], date(2025, 12, 1), clock.now())
    await handlers.take_snapshot(ctx)
    oldest, count = await ctx.db.fetchrow("SELECT min(snapshot_date), count(*) FROM rankings")
    assert count == 90
    assert oldest == date(2025, 12, 2) - timedelta(days=90)
    await make_member(ctx, alice)
    assert len(await history(alice, "national", days=90)) == 90


async def test_the_past_of_a_region_that_is_not_set_is_not_asked_for(alice: Visitor) -> None:
    assert refusal(await alice.get(HISTORY, type="city"), 400) == "region_not_set"


@pytest.mark.parametrize("days", ["0", "91", "x", "-1"])
async def test_the_past_goes_back_ninety_days(alice: Visitor, days: str) -> None:
    assert refusal(await alice.get(HISTORY, type="city", days=days), 400) == "invalid_request"
