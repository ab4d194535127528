"""The nightly look: memberships that are over, and notices of those that end."""

import asyncio
from datetime import datetime
from typing import Any

from tests.factories import FrozenClock, Visitor, data
from tests.modules.membership.conftest import Drain, Make, redeem, stored
from zxo.context import Context
from zxo.modules import membership
from zxo.modules.membership import handlers, upkeep

LONG_AGO = datetime.fromisoformat("2025-11-20T09:00:00+08:00")


async def night(ctx: Context, clock: FrozenClock, drain: Drain, day: str) -> None:
    """Midnight in Shanghai at which `day` begins, and what follows from it."""
    clock.set(f"{day}T00:00:02+08:00")
    await handlers.check_expiry(ctx)
    await drain()


async def told(ctx: Context, person: Visitor) -> list[tuple[str, str, str]]:
    """Type, title and body of every notice, oldest first."""
    rows = await ctx.db.fetch(
        "SELECT type, data ->> 'title', data ->> 'body' FROM notifications"
        " WHERE user_id = $1 ORDER BY id",
        person.user["id"],
    )
    # What WeChat shows of a text.
    assert max((len(text) for row in rows for text in row[1:]), default=0) <= 20
    return [tuple(row) for row in rows]


async def end_of(ctx: Context, person: Visitor, expiry: str | None, tier: str = "vip") -> None:
    """A membership as the row says it, since long ago."""
    await ctx.db.execute(
        "UPDATE users SET member_type = $2, member_expiry_at = $3, vip_activated_at = $4,"
        " version = version + 1 WHERE id = $1",
        person.user["id"],
        tier,
        expiry and datetime.fromisoformat(expiry),
        LONG_AGO,
    )


async def test_a_membership_is_announced_three_days_before_and_on_the_day_and_then_ends(
    alice: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await end_of(ctx, alice, "2025-12-10T15:00:00+08:00")
    seen = {}
    for day in range(5, 14):
        before = await told(ctx, alice)
        await night(ctx, clock, drain, f"2025-12-{day:02}")
        seen[day] = (await told(ctx, alice))[len(before) :]
    until = "有效期至 2025年12月10日。"
    over = "打卡和本地排名照常，记录都在。"
    assert {day: notices for day, notices in seen.items() if notices} == {
        7: [("membership_ends", "VIP 还有 3 天到期", until)],
        10: [("membership_ends", "VIP 今天到期", until)],
        11: [("membership_changed", "VIP 已到期", over)],
    }
    row = await stored(ctx, alice)
    assert row["member_type"] == "free"
    assert row["member_expiry_at"] == datetime.fromisoformat("2025-12-10T15:00:00+08:00")


async def test_however_often_and_wherever_it_runs_everybody_is_told_once(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await end_of(ctx, alice, "2025-12-10T15:00:00+08:00", "ai")
    await end_of(ctx, bob, "2025-12-06T23:59:59+08:00")
    clock.set("2025-12-07T00:00:01+08:00")
    await asyncio.gather(*(handlers.check_expiry(ctx) for _ in range(3)))
    await drain()
    await night(ctx, clock, drain, "2025-12-07")
    assert [kind for kind, *_ in await told(ctx, alice)] == ["membership_ends"]
    assert [title for _, title, _ in await told(ctx, alice)] == ["AI 戒烟军师 还有 3 天到期"]
    assert [kind for kind, *_ in await told(ctx, bob)] == ["membership_changed"]
    assert (await stored(ctx, bob))["member_type"] == "free"


async def test_an_extension_begins_a_new_period_with_notices_of_its_own(
    alice: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await end_of(ctx, alice, "2025-12-10T15:00:00+08:00")
    await night(ctx, clock, drain, "2025-12-07")
    await membership.grant(ctx, alice.user["id"], "vip", 10)
    for day in (10, 11, 17, 20):
        await night(ctx, clock, drain, f"2025-12-{day}")
    titles = [title for _, title, _ in await told(ctx, alice)]
    assert titles == ["VIP 还有 3 天到期", "VIP 已续期", "VIP 还有 3 天到期", "VIP 今天到期"]


async def test_whoever_extends_before_the_notice_is_written_is_not_told(
    alice: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await end_of(ctx, alice, "2025-12-10T15:00:00+08:00")
    clock.set("2025-12-10T00:00:02+08:00")
    await handlers.check_expiry(ctx)
    await membership.grant(ctx, alice.user["id"], "vip", 10)
    await drain()
    assert [title for _, title, _ in await told(ctx, alice)] == ["VIP 已续期"]


async def test_the_day_is_from_midnight_to_midnight(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    """What ends at midnight has its last day before it."""
    ends = {
        "over": "2025-12-07T00:00:00+08:00",
        "first": "2025-12-07T00:00:03+08:00",
        "last": "2025-12-08T00:00:00+08:00",
        "next": "2025-12-08T00:00:01+08:00",
        "ever": None,
    }
    people = {name: await visitor.log_in(name) for name in ends}
    for name, expiry in ends.items():
        await end_of(ctx, people[name], expiry)
    await night(ctx, clock, drain, "2025-12-07")
    titles = {name: [title for _, title, _ in await told(ctx, people[name])] for name in ends}
    assert titles == {
        "over": ["VIP 已到期"],
        "first": ["VIP 今天到期"],
        "last": ["VIP 今天到期"],
        "next": [],
        "ever": [],
    }


async def test_dates_are_those_where_the_person_lives(
    alice: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    """15:00 in Shanghai is 02:00 in New York; when the job runs it is still the day before."""
    data(await alice.put("/users/me/settings", timezone="America/New_York"))
    await end_of(ctx, alice, "2025-12-10T15:00:00+08:00")
    await night(ctx, clock, drain, "2025-12-10")
    assert (await told(ctx, alice))[0][1:] == (
        "VIP 还有 1 天到期",
        "有效期至 2025年12月10日。",
    )


async def test_it_works_through_many_in_steps(
    ctx: Context, clock: FrozenClock, monkeypatch: Any
) -> None:
    """Many end at the same moment, and nobody is left out or announced twice."""
    monkeypatch.setattr(upkeep, "CHUNK", 7)
    await ctx.db.execute(
        "INSERT INTO users (openid, member_type, member_expiry_at, created_at, updated_at)"
        " SELECT 'm' || n, 'vip', $1::timestamptz + interval '1 day' * (n % 4), $1, $1"
        " FROM generate_series(1, 100) AS n",
        datetime.fromisoformat("2025-12-10T15:00:00+08:00"),
    )
    clock.set("2025-12-11T00:00:00+08:00")
    await handlers.check_expiry(ctx)
    free = "SELECT count(*) FROM users WHERE member_type = 'free'"
    assert await ctx.db.fetchval(free) == 25
    rows = await ctx.db.fetch(
        "SELECT event, count(*), count(DISTINCT payload::jsonb ->> 'user_id') FROM outbox"
        " GROUP BY event ORDER BY event"
    )
    assert [tuple(row) for row in rows] == [
        ("MembershipChanged", 25, 25),
        ("MembershipEnds", 25, 25),
    ]


async def test_other_screens_and_processes_hear_of_a_change(
    alice: Visitor, ctx: Context, make: Make, drain: Drain, other_process: Any
) -> None:
    elsewhere = other_process(alice)
    assert data(await elsewhere.get("/users/me"))["memberType"] == "free"
    await redeem(alice, await make(duration_days=4))
    await drain()
    assert data(await elsewhere.get("/users/me"))["memberType"] == "vip"
    (notice,) = data(await alice.get("/notifications"))["notifications"]
    assert notice["type"] == "membership_changed"
    assert notice["data"] == {
        "kind": "membership_changed",
        "memberType": "vip",
        "memberTypeBefore": "free",
        "memberExpiryAt": "2025-12-05T01:00:00Z",
        "cause": "code",
        "title": "VIP 已开通",
        "body": "有效期至 2025年12月5日。",
    }


async def test_operators_grant_extend_and_take_away(
    alice: Visitor, ctx: Context, drain: Drain
) -> None:
    number = alice.user["id"]
    given = await membership.grant(ctx, number, "vip", 5)
    assert (given.before, given.after) == ("free", "vip")
    await membership.grant(ctx, number, "ai", None)
    taken = await membership.revoke(ctx, number)
    assert (taken.before, taken.after, taken.expiry_after) == ("ai", "free", None)
    await membership.revoke(ctx, number)  # there is nothing to take away, and nothing to tell
    await drain()
    titles = [title for _, title, _ in await told(ctx, alice)]
    assert titles == ["VIP 已开通", "AI 戒烟军师 已开通", "已恢复为普通用户"]
