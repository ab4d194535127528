"""Many taps at once: every day counts once, no card is spent twice, nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import httpx

from tests.factories import FrozenClock, Visitor, data, refusal
from zxo.context import Context

Person = Callable[[Visitor], Visitor]
TODAY = date(2025, 12, 1)


def outcomes(answers: Iterable[httpx.Response]) -> Counter[str]:
    """How often each errorCode came, and "ok"."""
    return Counter(outcome(answer) for answer in answers)


def outcome(answer: httpx.Response) -> str:
    if answer.status_code == 200:
        data(answer)
        return "ok"
    return refusal(answer, answer.status_code)


def days_ago(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


async def set_cards(ctx: Context, person: Visitor, cards: int) -> None:
    await ctx.db.execute(
        "UPDATE users SET makeup_cards = $2, version = version + 1 WHERE id = $1",
        person.user["id"],
        cards,
    )


async def stored(ctx: Context, person: Visitor) -> dict[str, Any]:
    """What the database holds of the person, with records and events counted."""
    row = await ctx.db.fetchrow(
        "SELECT total_days, consecutive_days, makeup_cards, version, nickname,"
        " (SELECT count(*) FROM check_in_records WHERE user_id = users.id) AS records,"
        " (SELECT count(*) FROM check_in_records WHERE user_id = users.id AND is_makeup)"
        " AS makeups,"
        " (SELECT count(*) FROM outbox WHERE event = 'CheckedIn'"
        " AND (payload::jsonb ->> 'user_id')::bigint = users.id) AS events"
        " FROM users WHERE id = $1",
        person.user["id"],
    )
    assert row is not None
    return dict(row)


async def test_of_a_hundred_taps_at_once_one_counts(alice: Visitor, ctx: Context) -> None:
    answers = await asyncio.gather(*(alice.post("/check-in") for _ in range(100)))
    assert outcomes(answers) == {"ok": 1, "already_checked_in": 99}
    after = await stored(ctx, alice)
    assert (after["total_days"], after["records"], after["events"]) == (1, 1, 1)
    assert data(await alice.get("/users/me"))["totalDays"] == 1


async def test_of_a_hundred_taps_at_two_applications_one_counts(
    alice: Visitor, ctx: Context, other_process: Person
) -> None:
    elsewhere = other_process(alice)
    for person in (alice, elsewhere):  # both remember the user as she was before
        data(await person.get("/users/me"))
    taps = [person.post("/check-in") for _ in range(50) for person in (alice, elsewhere)]
    answers = await asyncio.gather(*taps)
    assert outcomes(answers) == {"ok": 1, "already_checked_in": 99}
    after = await stored(ctx, alice)
    assert (after["total_days"], after["records"], after["events"]) == (1, 1, 1)


async def test_the_seventh_day_earns_one_card_however_often_it_is_tapped(
    alice: Visitor, ctx: Context, clock: FrozenClock, other_process: Person
) -> None:
    for _ in range(6):
        data(await alice.post("/check-in"))
        clock.advance(days=1)
    both = (alice, other_process(alice))
    answers = await asyncio.gather(*(both[tap % 2].post("/check-in") for tap in range(40)))
    assert outcomes(answers) == {"ok": 1, "already_checked_in": 39}
    after = await stored(ctx, alice)
    assert (after["total_days"], after["consecutive_days"], after["makeup_cards"]) == (7, 7, 4)


async def test_taps_of_many_people_at_once_all_count(visitor: Visitor, ctx: Context) -> None:
    people = [await visitor.log_in(f"person-{number}") for number in range(20)]
    answers = await asyncio.gather(
        *(person.post("/check-in") for person in people for _ in range(5))
    )
    assert outcomes(answers) == {"ok": 20, "already_checked_in": 80}
    assert await ctx.db.fetchval("SELECT count(*) FROM check_in_records") == 20


async def test_one_card_makes_up_one_of_fifty_days_asked_for_at_once(
    alice: Visitor, ctx: Context, other_process: Person
) -> None:
    await set_cards(ctx, alice, 1)
    both = (alice, other_process(alice))
    answers = await asyncio.gather(
        *(both[ago % 2].post("/check-in/makeup", checkInDate=days_ago(ago)) for ago in range(1, 51))
    )
    assert outcomes(answers) == {"ok": 1, "no_makeup_card": 49}
    after = await stored(ctx, alice)
    assert (after["makeup_cards"], after["records"], after["total_days"]) == (0, 1, 1)
    assert after["events"] == 1


async def test_one_day_is_made_up_once_however_often_it_is_asked_for(
    alice: Visitor, ctx: Context
) -> None:
    await set_cards(ctx, alice, 20)
    answers = await asyncio.gather(
        *(alice.post("/check-in/makeup", checkInDate=days_ago(1)) for _ in range(20))
    )
    assert outcomes(answers) == {"ok": 1, "date_already_checked_in": 19}
    assert (await stored(ctx, alice))["makeup_cards"] == 19


async def test_two_makeups_a_day_however_many_are_asked_for_at_once(
    alice: Visitor, ctx: Context, other_process: Person
) -> None:
    await set_cards(ctx, alice, 30)
    both = (alice, other_process(alice))
    answers = await asyncio.gather(
        *(both[ago % 2].post("/check-in/makeup", checkInDate=days_ago(ago)) for ago in range(1, 21))
    )
    assert outcomes(answers) == {"ok": 2, "too_many_makeups_today": 18}
    after = await stored(ctx, alice)
    assert (after["makeup_cards"], after["makeups"], after["total_days"]) == (28, 2, 2)


async def test_check_in_makeups_and_changes_of_the_profile_at_once_lose_nothing(
    visitor: Visitor, ctx: Context, other_process: Person
) -> None:
    for number in range(8):
        alice = await visitor.log_in(f"alice-{number}")
        elsewhere = other_process(alice)
        before = await stored(ctx, alice)
        answers = await asyncio.gather(
            alice.put("/users/me", nickname="新名字"),
            elsewhere.post("/check-in"),
            alice.post("/check-in/makeup", checkInDate=days_ago(1)),
            elsewhere.put("/users/me/settings", dailyAmount=7),
            alice.post("/check-in"),
            elsewhere.post("/check-in/makeup", checkInDate=days_ago(2)),
            elsewhere.put("/users/me", province="北京市"),
        )
        assert outcomes(answers) == {"ok": 6, "already_checked_in": 1}
        after = await stored(ctx, alice)
        assert after == {
            "total_days": 3,
            "consecutive_days": 3,
            "makeup_cards": 1,
            "version": before["version"] + 6,
            "nickname": "新名字",
            "records": 3,
            "makeups": 2,
            "events": 3,
        }


async def test_a_check_in_gets_through_a_storm_of_changes(
    alice: Visitor, ctx: Context, other_process: Person
) -> None:
    """Every change makes the row another than the check-in has read."""
    elsewhere = other_process(alice)
    changes = [elsewhere.put("/users/me", nickname=f"名字{number}") for number in range(40)]
    half = len(changes) // 2
    answers = await asyncio.gather(*changes[:half], alice.post("/check-in"), *changes[half:])
    assert outcomes(answers) == {"ok": 41}
    after = await stored(ctx, alice)
    assert (after["total_days"], after["records"], after["events"]) == (1, 1, 1)


async def test_a_zone_change_at_once_with_taps_gives_no_day_twice(
    visitor: Visitor, ctx: Context, other_process: Person
) -> None:
    """In Shanghai it is 1 December, in Honolulu 30 November: each may count, once."""
    for number in range(5):
        alice = await visitor.log_in(f"traveller-{number}")
        both = (alice, other_process(alice))
        zones = ("Pacific/Honolulu", "Asia/Shanghai")
        answers = await asyncio.gather(
            *(both[tap % 2].post("/check-in") for tap in range(6)),
            *(both[move % 2].put("/users/me/settings", timezone=zones[move]) for move in range(2)),
            *(both[tap % 2].post("/check-in") for tap in range(6)),
        )
        seen = outcomes(answers)
        after = await stored(ctx, alice)
        assert set(seen) <= {"ok", "already_checked_in"}
        assert after["total_days"] == after["records"] == after["events"] == seen["ok"] - 2
        assert after["records"] in (1, 2)


async def test_a_hundred_cravings_at_once_are_all_kept(alice: Visitor) -> None:
    answers = await asyncio.gather(*(alice.post("/cravings", intensity=3) for _ in range(100)))
    assert len({data(answer)["id"] for answer in answers}) == 100
    assert data(await alice.get("/cravings"))["summary"]["totalCount"] == 100


async def test_one_craving_is_deleted_once_however_often_it_is_asked_for(alice: Visitor) -> None:
    craving = data(await alice.post("/cravings"))["id"]
    answers = await asyncio.gather(*(alice.delete(f"/cravings/{craving}") for _ in range(20)))
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: 1, 404: 19}
