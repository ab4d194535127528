"""What people are told when a day is counted."""

import asyncio
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from tests.factories import FrozenClock, Visitor, data, somebody_waits_for_a_lock
from tests.modules.notifications.conftest import Drain, has_counted, inbox, tell, titles
from zxo.context import Context
from zxo.modules import notifications
from zxo.modules.checkins import CheckedIn, rank_of
from zxo.modules.notifications import NewNotice, handlers, rules
from zxo.modules.rankings import RankChanged

TODAY = date(2025, 12, 1)
DAY = timedelta(days=1)


async def events(ctx: Context) -> list[CheckedIn]:
    """What the outbox holds of days that were counted."""
    rows = await ctx.db.fetch("SELECT payload FROM outbox WHERE event = 'CheckedIn' ORDER BY id")
    return [msgspec.json.decode(row[0], type=CheckedIn) for row in rows]


async def live(ctx: Context, person: Visitor) -> list[tuple[str, Any]]:
    """All that the person was told, for open screens too, oldest first."""
    told = await notifications.news(ctx, {person.user["id"]: 0}, 1000)
    return [(notice.type, msgspec.json.decode(notice.data)) for notice in told]


async def test_the_first_eight_days_bring_four_notices(
    visitor: Visitor, clock: FrozenClock, drain: Drain
) -> None:
    told = []
    for _ in range(8):
        alice = await visitor.log_in("alice")
        data(await alice.post("/check-in"))
        await drain()
        told.append(await titles(alice))
        clock.advance(days=1)
    first, third, seventh, tier = "第一天，开始了", "坚持了 3 天", "坚持了 7 天", "升到秩序白银"
    assert told[:2] == [[first], [first]]
    assert told[2:6] == [[first, third]] * 4
    assert told[6:] == [[first, third, seventh], [first, third, seventh, tier]]


@pytest.mark.parametrize("days", [14, 30, 60, 90, 100, 180, 270, 365])
async def test_later_milestones_are_told(
    alice: Visitor, ctx: Context, drain: Drain, days: int
) -> None:
    await has_counted(ctx, alice, days - 1, TODAY - DAY)
    data(await alice.post("/check-in"))
    await drain()
    assert await titles(alice) == [f"坚持了 {days} 天"]


@pytest.mark.parametrize("days", [8, 31, 61, 91, 181, 271, 366, 548])
async def test_every_new_tier_is_told(
    alice: Visitor, ctx: Context, drain: Drain, days: int
) -> None:
    await has_counted(ctx, alice, days - 1, TODAY - DAY)
    data(await alice.post("/check-in"))
    await drain()
    tier = rank_of(days).rank
    assert [notice["data"] for notice in await inbox(alice)] == [
        {
            "kind": "rank_up",
            "rank": tier,
            "stars": 1,
            "title": f"升到{tier}",
            "body": "新的段位，是一天一天走出来的。",
        }
    ]


@pytest.mark.parametrize("days", [2, 4, 6, 9, 15, 32, 99, 101, 364, 367, 730])
async def test_other_days_are_only_shown_on_open_screens(
    alice: Visitor, ctx: Context, drain: Drain, days: int
) -> None:
    await has_counted(ctx, alice, days - 1, TODAY - DAY)
    data(await alice.post("/check-in"))
    await drain()
    assert await inbox(alice) == []
    kinds = [kind for kind, _ in await live(ctx, alice)]
    assert kinds == ["check_in"]


async def test_open_screens_see_the_day_as_it_was_counted(
    alice: Visitor, ctx: Context, drain: Drain
) -> None:
    await has_counted(ctx, alice, 7, TODAY - DAY)
    data(await alice.post("/check-in"))
    await drain()
    assert (await live(ctx, alice))[0] == (
        "check_in",
        {
            "checkInDate": "2025-12-01",
            "isMakeup": False,
            "totalDays": 8,
            "consecutiveDays": 1,
            "currentRank": "秩序白银",
            "stars": 1,
            "isRankUp": True,
        },
    )


async def test_a_makeup_counts_towards_milestones_and_tiers(
    alice: Visitor, ctx: Context, drain: Drain
) -> None:
    await has_counted(ctx, alice, 5, TODAY - 3 * DAY)
    data(await alice.post("/check-in"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-29"))
    await drain()
    assert await titles(alice) == ["坚持了 7 天", "升到秩序白银"]
    days = [told for kind, told in await live(ctx, alice) if kind == "check_in"]
    assert [(day["checkInDate"], day["isMakeup"]) for day in days] == [
        ("2025-12-01", False),
        ("2025-11-30", True),
        ("2025-11-29", True),
    ]


async def test_who_does_not_want_them_is_not_told(
    alice: Visitor, bob: Visitor, ctx: Context, drain: Drain
) -> None:
    for person in (alice, bob):
        await has_counted(ctx, person, 7, TODAY - DAY)
    await alice.put("/users/me/settings", enableMilestoneNotification=False)
    for person in (alice, bob):
        data(await person.post("/check-in"))
    await drain()
    assert await inbox(alice) == []
    assert await titles(bob) == ["升到秩序白银"]
    assert [kind for kind, _ in await live(ctx, alice)] == ["check_in"]


async def test_an_event_that_is_handled_again_tells_nothing_again(
    alice: Visitor, ctx: Context
) -> None:
    await has_counted(ctx, alice, 6, TODAY - 2 * DAY)
    data(await alice.post("/check-in"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))
    counted = await events(ctx)
    await handlers.tell_of_days(ctx, counted)
    told = await inbox(alice)
    await handlers.tell_of_days(ctx, counted[::-1])
    await asyncio.gather(*(handlers.tell_of_days(ctx, counted) for _ in range(3)))
    assert await inbox(alice) == told
    assert len(await live(ctx, alice)) == 4


@pytest.mark.parametrize("gone", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_who_has_left_is_passed_over_and_the_others_are_told(
    alice: Visitor, bob: Visitor, ctx: Context, drain: Drain, gone: str
) -> None:
    for person in (alice, bob):
        data(await person.post("/check-in"))
    await ctx.db.execute(f"{gone} WHERE id = $1", alice.user["id"])
    await drain()
    assert await titles(bob) == ["第一天，开始了"]
    assert await live(ctx, alice) == []


async def test_an_erasure_at_the_same_moment_fails_nobody_elses_notices(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    notices = [NewNotice(person.user["id"], "rank_up", "k", {}) for person in (alice, bob)]
    async with ctx.db.transaction() as erasing:
        await erasing.execute("DELETE FROM users WHERE id = $1", alice.user["id"])
        adding = asyncio.create_task(notifications.add(ctx, notices))
        await somebody_waits_for_a_lock(ctx)
    await adding
    assert await live(ctx, bob) == [("rank_up", {})]


async def test_of_a_persons_ranks_only_the_latest_is_kept_with_a_new_id(
    alice: Visitor, bob: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    number = alice.user["id"]
    now = clock.now()
    await handlers.tell_of_ranks(ctx, [RankChanged(number, now, {"national": 9, "city": 2})])
    first = await notifications.latest_id(ctx, number)
    await tell(ctx, bob, "between")
    [other] = await tell(ctx, alice, "between")
    await handlers.tell_of_ranks(
        ctx, [RankChanged(number, now, {"national": 8}), RankChanged(number, now, {"national": 7})]
    )
    told = await notifications.news(ctx, {number: first}, 100)
    assert [notice.type for notice in told] == ["membership_changed", "ranking_changed"]
    assert told[0].id == other < told[1].id
    assert await live(ctx, alice) == [
        ("membership_changed", (await live(ctx, alice))[0][1]),
        ("ranking_changed", {"national": 7}),
    ]


async def test_older_ranks_that_are_told_late_do_not_replace_newer_ones(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    number, then = alice.user["id"], clock.now()
    clock.advance(seconds=2)
    await handlers.tell_of_ranks(ctx, [RankChanged(number, clock.now(), {"national": 7})])
    latest = await notifications.latest_id(ctx, number)
    await handlers.tell_of_ranks(ctx, [RankChanged(number, then, {"national": 9})])
    assert await live(ctx, alice) == [("ranking_changed", {"national": 7})]
    assert await notifications.latest_id(ctx, number) == latest


async def test_nothing_to_tell_is_no_work(ctx: Context) -> None:
    await handlers.tell_of_days(ctx, [])
    await handlers.tell_of_ranks(ctx, [])
    await notifications.add(ctx, [])


CLAIMS = ["肺", "呼吸", "心", "血", "尼古丁", "恢复", "烟瘾", "身体", "失败", "必须"]
WORDS = [
    *(rules.milestone(days) for days in sorted(rules.MILESTONES)),
    rules.rank_up("倔强青铜", 1),
    rules.reminder(TODAY),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words["title"])
def test_words_are_short_and_claim_nothing_of_the_body(words: dict[str, Any]) -> None:
    said = words["title"] + words["body"]
    assert max(len(words["title"]), len(words["body"])) <= 20  # what WeChat's `thing` holds
    assert "！" not in said
    assert not any(claim in said for claim in CLAIMS)
