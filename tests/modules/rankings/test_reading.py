"""What the four routes tell, and to whom."""

import json
from typing import Any

import pytest

from tests.conftest import client_of, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.rankings.conftest import SHENZHEN, Drain, board, make_member
from zxo.context import Context
from zxo.kit.pages import encode_cursor
from zxo.modules.rankings import rebuild
from zxo.settings import Settings, ValkeySettings

ROUTES = ("/rankings", "/rankings/me", "/rankings/around", "/rankings/me/history")


async def checked_in(visitor: Visitor, names: int, clock: FrozenClock) -> list[Visitor]:
    """People in one street, who checked in one minute after the other."""
    people = [await visitor.log_in(f"person-{number}") for number in range(names)]
    for person in people:
        data(await person.put("/users/me", **SHENZHEN))
        data(await person.post("/check-in"))
        clock.advance(minutes=1)
    return people


@pytest.mark.parametrize("route", ROUTES)
async def test_nobody_looks_without_logging_in(visitor: Visitor, route: str) -> None:
    assert refusal(await visitor.get(route, type="city"), 401) == "unauthorized"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "query", [{}, {"type": ""}, {"type": "world"}, {"type": "City"}, {"type": "city\x1f"}]
)
async def test_the_type_is_one_of_five(alice: Visitor, route: str, query: dict[str, str]) -> None:
    assert refusal(await alice.get(route, **query), 400) == "invalid_request"


@pytest.mark.parametrize("route", ["/rankings", "/rankings/around"])
@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "9" * 30, ""])
async def test_a_page_has_1_to_100_lines(alice: Visitor, route: str, limit: str) -> None:
    answer = await alice.get(route, type="city", limit=limit)
    assert refusal(answer, 400) == "invalid_request"


@pytest.mark.parametrize("cursor", ["x", "LTE", "MA", "MTAwMDAwMDAwMDAx", "Ii0i", "W10", "%00"])
async def test_a_cursor_is_one_that_was_given_out(alice: Visitor, cursor: str) -> None:
    data(await alice.put("/users/me", **SHENZHEN))
    answer = await alice.get("/rankings", type="city", cursor=cursor)
    assert refusal(answer, 400) in {"invalid_cursor", "bad_request"}


@pytest.mark.parametrize("route", ["/rankings", "/rankings/around"])
async def test_a_board_needs_its_part_of_the_region(alice: Visitor, route: str) -> None:
    for kind in ("province", "city", "district", "street"):
        assert refusal(await alice.get(route, type=kind), 400) == "region_not_set"
    data(await alice.put("/users/me", province="广东省", city="深圳市"))
    data(await alice.get(route, type="city"))
    assert refusal(await alice.get(route, type="district"), 400) == "region_not_set"


@pytest.mark.parametrize("route", ["/rankings", "/rankings/around", "/rankings/me/history"])
async def test_the_national_board_is_for_members(
    alice: Visitor, ctx: Context, clock: FrozenClock, route: str
) -> None:
    answer = await alice.get(route, type="national")
    assert refusal(answer, 403) == "national_ranking_locked"
    assert answer.json()["message"] == "全国排名未开通，请兑换 VIP 权限"
    for tier in ("vip", "ai"):
        await make_member(ctx, alice, tier)
        data(await alice.get(route, type="national"))
    expired = "UPDATE users SET member_expiry_at = $1, version = version + 1"
    await ctx.db.execute(expired, clock.now())
    await make_member(ctx, alice)
    answer = await alice.get(route, type="national")
    assert refusal(answer, 403) == "vip_expired"
    assert answer.json()["message"] == "VIP 已到期"


async def test_a_page_tells_who_stands_where(
    visitor: Visitor, clock: FrozenClock, drain: Drain
) -> None:
    first, second = await checked_in(visitor, 2, clock)
    data(await second.put("/users/me", nickname="<b>小明</b>", avatar="https://a.example/1.png"))
    await drain()
    found = data(await second.get("/rankings", type="street"))
    assert found == {
        "rankings": [
            _line(1, first, "戒烟勇士", None),
            _line(2, second, "<b>小明</b>", "https://a.example/1.png"),
        ],
        "myRanking": {"rank": 2, "totalDays": 1, "percentile": 0.0},
        "nextCursor": None,
    }


def _line(rank: int, person: Visitor, nickname: str, avatar: str | None) -> dict[str, Any]:
    return {
        "rank": rank,
        "userId": person.user["id"],
        "nickname": nickname,
        "avatar": avatar,
        "totalDays": 1,
        "currentRank": "倔强青铜",
        "stars": 1,
    }


@pytest.mark.parametrize("in_valkey", [True, False])
async def test_pages_follow_each_other_and_end(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain, in_valkey: bool
) -> None:
    people = await checked_in(visitor, 7, clock)
    await drain()
    if in_valkey:
        await rebuild.rebuild(ctx)
    found: list[tuple[int, int]] = []
    cursor = None
    for _ in range(4):
        query = {"cursor": cursor} if cursor else {}
        page = data(await people[0].get("/rankings", type="city", limit=3, **query))
        found += [(row["rank"], row["userId"]) for row in page["rankings"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == list(enumerate((person.user["id"] for person in people), start=1))


@pytest.mark.parametrize("in_valkey", [True, False])
async def test_around_me_are_my_neighbours(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain, in_valkey: bool
) -> None:
    people = await checked_in(visitor, 7, clock)
    await drain()
    if in_valkey:
        await rebuild.rebuild(ctx)
    for index, expected in ((0, [1, 2, 3]), (3, [3, 4, 5]), (6, [5, 6, 7])):
        found = data(await people[index].get("/rankings/around", type="district", limit=3))
        assert [row["rank"] for row in found["rankings"]] == expected
        assert found["myRanking"]["rank"] == index + 1


async def test_whoever_has_no_day_sees_the_board_and_is_not_on_it(
    visitor: Visitor, alice: Visitor, clock: FrozenClock, drain: Drain
) -> None:
    (person,) = await checked_in(visitor, 1, clock)
    data(await alice.put("/users/me", **SHENZHEN))
    await drain()
    found = data(await alice.get("/rankings", type="city"))
    assert [row["userId"] for row in found["rankings"]] == [person.user["id"]]
    assert found["myRanking"] is None
    around = data(await alice.get("/rankings/around", type="city"))
    assert around == {"rankings": [], "myRanking": None}
    assert data(await alice.get("/rankings/me", type="city"))["city"] is None


async def test_hiding_takes_somebody_off_every_board_and_showing_brings_back(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    first, second = await checked_in(visitor, 2, clock)
    await drain()
    await rebuild.rebuild(ctx)
    data(await first.put("/users/me/settings", showInRanking=False))
    await drain()
    assert await board(second, "street") == [(1, second.user["id"], 1)]
    assert data(await first.get("/rankings", type="street"))["myRanking"] == {"hidden": True}
    around = data(await first.get("/rankings/around", type="street"))
    assert around == {"rankings": [], "myRanking": {"hidden": True}}
    mine = data(await first.get("/rankings/me", type="street"))
    assert mine["street"] == {"hidden": True}
    assert mine["national"] == {"locked": True}
    data(await first.put("/users/me/settings", showInRanking=True))
    await drain()
    assert [row[1] for row in await board(second, "street")] == [
        first.user["id"],
        second.user["id"],
    ]


async def test_somebody_hidden_is_not_shown_even_before_the_board_knows(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    first, second = await checked_in(visitor, 2, clock)
    await drain()
    await rebuild.rebuild(ctx)
    data(await first.put("/users/me/settings", showInRanking=False))
    ctx.memo.clear()  # half a second later, with the worker away
    assert await board(second, "city") == [(1, second.user["id"], 1)]


async def test_a_lost_board_is_answered_from_postgresql_and_comes_back(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    people = await checked_in(visitor, 3, clock)
    await drain()
    await rebuild.rebuild(ctx)
    whole = [await board(people[0], kind) for kind in ("province", "city", "street")]
    await ctx.valkey.flushall()
    clock.advance(days=1)
    data(await people[2].post("/check-in"))
    await drain()  # the third is put onto boards that hold nobody else
    expected = [[3, 1, 2]] * 3
    for _ in range(2):  # from PostgreSQL, then from boards that were asked for
        found = [await board(people[0], kind) for kind in ("province", "city", "street")]
        assert [[_number(people, row[1]) for row in rows] for rows in found] == expected
        await drain()
    assert await ctx.valkey.zcard("zxo:board:{city:广东省/深圳市}") == 4  # with the sentinel
    assert whole[0] == [(1, people[0].user["id"], 1), *whole[0][1:]]


def _number(people: list[Visitor], user_id: int) -> int:
    return [person.user["id"] for person in people].index(user_id) + 1


async def test_without_valkey_the_answers_are_the_same(
    visitor: Visitor,
    ctx: Context,
    settings: Settings,
    clock: FrozenClock,
    drain: Drain,
) -> None:
    people = await checked_in(visitor, 5, clock)
    await drain()
    await rebuild.rebuild(ctx)
    dead = settings.model_copy(update={"valkey": ValkeySettings(url="redis://127.0.0.1:1")})
    async with running(dead, clock) as app, client_of(app) as client:
        for index in (0, 2, 4):
            here = people[index]
            there = Visitor(client, here.token)
            for path in ("/rankings", "/rankings/me", "/rankings/around"):
                expected = data(await here.get(path, type="street"))
                assert data(await there.get(path, type="street")) == expected
        deep = {"cursor": encode_cursor(1001)}
        assert refusal(await there.get("/rankings", type="city", **deep), 503) == "unavailable"


async def test_whoever_hides_before_the_first_day_is_told_so(alice: Visitor) -> None:
    data(await alice.put("/users/me", **SHENZHEN))
    data(await alice.put("/users/me/settings", showInRanking=False))
    assert data(await alice.get("/rankings", type="city"))["myRanking"] == {"hidden": True}
    assert data(await alice.get("/rankings/me", type="city"))["city"] == {"hidden": True}


@pytest.mark.parametrize("tier", ["free", "vip"])
async def test_a_new_national_rank_is_told_to_members_only(
    alice: Visitor, ctx: Context, drain: Drain, tier: str
) -> None:
    await rebuild.rebuild(ctx)
    await make_member(ctx, alice, tier)
    data(await alice.put("/users/me", **SHENZHEN))
    await drain()
    for kind in ("province", "city", "district", "street"):
        await board(alice, kind)
    await drain()  # boards that nobody was on are built
    await ctx.presence.seen([alice.user["id"]])
    data(await alice.post("/check-in"))
    await drain()
    told = await ctx.db.fetchval("SELECT data FROM notifications WHERE type = 'ranking_changed'")
    ranks = json.loads(told)
    assert ranks.pop("national", None) == (None if tier == "free" else 1)
    assert ranks == {"province": 1, "city": 1, "district": 1, "street": 1}


async def test_everything_that_was_lost_is_rebuilt_within_a_minute(
    visitor: Visitor, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    await checked_in(visitor, 3, clock)
    await drain()
    await rebuild.look_after(ctx)
    before = sorted(await ctx.valkey.keys("zxo:board:*"))
    await ctx.valkey.flushall()
    await rebuild.look_after(ctx)
    assert sorted(await ctx.valkey.keys("zxo:board:*")) == before
    assert len(before) == 5
    ttls = [await ctx.valkey.ttl(name) for name in before]
    assert all(0 < ttl <= 2 * 3600 for ttl in ttls)
