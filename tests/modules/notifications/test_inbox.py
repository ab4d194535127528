"""GET /notifications and POST /notifications/read."""

import base64
import json
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.notifications.conftest import Drain, inbox, tell, unread
from zxo.context import Context


def forged(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


async def ids(person: Visitor, **query: Any) -> list[int]:
    return [notice["id"] for notice in await inbox(person, **query)]


async def read(person: Visitor, **body: Any) -> int:
    """Mark as read; how many are still unread."""
    return int(data(await person.post("/notifications/read", **body))["unreadCount"])


async def test_an_inbox_begins_empty(alice: Visitor) -> None:
    assert data(await alice.get("/notifications")) == {
        "notifications": [],
        "unreadCount": 0,
        "nextCursor": None,
    }


async def test_a_milestone_stands_in_the_inbox_with_its_words(
    alice: Visitor, drain: Drain, clock: FrozenClock
) -> None:
    await alice.post("/check-in")
    clock.advance(minutes=1)
    await drain()
    [notice] = await inbox(alice)
    assert notice == {
        "id": notice["id"],
        "type": "milestone",
        "data": {
            "kind": "milestone",
            "days": 1,
            "title": "第一天，开始了",
            "body": "想开始的念头，今天变成了行动。",
        },
        "createdAt": "2025-12-01T01:01:00Z",
        "readAt": None,
    }


async def test_only_ones_own_are_listed_newest_first(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    mine = await tell(ctx, alice, "a", "b")
    await tell(ctx, bob, "a", "b", "c")
    mine += await tell(ctx, alice, "c")
    assert await ids(alice) == mine[::-1]
    assert await unread(alice) == 3


async def test_pages_neither_lose_nor_repeat_while_new_ones_come_in(
    alice: Visitor, ctx: Context
) -> None:
    told = await tell(ctx, alice, *map(str, range(7)))
    first = data(await alice.get("/notifications", limit=3))
    await tell(ctx, alice, "later")
    second = data(await alice.get("/notifications", limit=3, cursor=first["nextCursor"]))
    third = data(await alice.get("/notifications", limit=3, cursor=second["nextCursor"]))
    pages = [[notice["id"] for notice in page["notifications"]] for page in (first, second, third)]
    assert pages == [told[:3:-1], told[3:0:-1], told[:1]]
    assert third["nextCursor"] is None
    assert [page["unreadCount"] for page in (first, second, third)] == [7, 8, 8]


async def test_a_page_that_ends_with_the_last_notice_is_the_last_page(
    alice: Visitor, ctx: Context
) -> None:
    await tell(ctx, alice, "a", "b")
    assert data(await alice.get("/notifications", limit=2))["nextCursor"] is None


async def test_what_is_only_for_open_screens_is_neither_listed_nor_counted(
    alice: Visitor, ctx: Context
) -> None:
    await tell(ctx, alice, "c", kind="check_in")
    await tell(ctx, alice, "r", kind="ranking_changed")
    shown = await tell(ctx, alice, "m")
    await tell(ctx, alice, "c2", kind="check_in")
    assert await ids(alice) == shown
    assert await ids(alice, limit=1) == shown
    assert await unread(alice) == 1
    assert await read(alice, ids=shown) == 0


async def test_reading_some_leaves_the_others_and_keeps_the_first_time(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    first, second, third = await tell(ctx, alice, "a", "b", "c")
    assert await read(alice, ids=[first, third, first]) == 1
    clock.advance(minutes=5)
    assert await read(alice, ids=[third, first, 999_999]) == 1
    assert [(notice["id"], notice["readAt"]) for notice in await inbox(alice)] == [
        (third, "2025-12-01T01:00:00Z"),
        (second, None),
        (first, "2025-12-01T01:00:00Z"),
    ]


async def test_reading_all_reads_all_of_ones_own(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    await tell(ctx, alice, *map(str, range(120)))
    await tell(ctx, bob, "a")
    assert await read(alice, all=True) == 0
    assert await read(alice, all=True) == 0
    assert await unread(alice) == 0
    assert await unread(bob) == 1
    await tell(ctx, alice, "later")
    assert await unread(alice) == 1


async def test_nobody_reads_for_somebody_else(alice: Visitor, bob: Visitor, ctx: Context) -> None:
    [his] = await tell(ctx, bob, "a")
    await tell(ctx, alice, "a")
    assert await read(alice, ids=[his]) == 1
    assert [notice["readAt"] for notice in await inbox(bob)] == [None]


async def test_the_largest_id_and_a_hundred_ids_can_be_named(alice: Visitor) -> None:
    assert await read(alice, ids=[2**53 - 1]) == 0
    assert await read(alice, ids=list(range(1, 101))) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "ids": [1]},
        {"all": None},
        {"ids": None},
        {"ids": []},
        {"ids": list(range(1, 102))},
        {"ids": [0]},
        {"ids": [-1]},
        {"ids": [2**53]},
        {"ids": [2**63]},
        {"ids": [10**40]},
        {"ids": [True]},
        {"ids": ["1"]},
        {"ids": [1.0]},
        {"ids": [None]},
        {"ids": 1},
        {"ids": {"1": 1}},
        {"all": 1},
        {"all": "true"},
        {"ids": [1], "upTo": 3},
        {"IDS": [1]},
    ],
)
async def test_a_malformed_body_is_refused_and_reads_nothing(
    alice: Visitor, ctx: Context, body: dict[str, Any]
) -> None:
    await tell(ctx, alice, "a")
    answer = await alice.request("POST", "/notifications/read", json=body)
    assert refusal(answer, 400) == "invalid_request"
    assert await unread(alice) == 1


@pytest.mark.parametrize("content", [b"[]", b"null", b'"all"', b"{", b""])
async def test_a_body_that_is_no_object_is_refused(alice: Visitor, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await alice.request("POST", "/notifications/read", content=content, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!!", "游标", *map(forged, [{}, [1], "1", 1.5, None, 2**63, -(2**63), 10**40])],
)
async def test_a_cursor_that_was_never_given_out_is_refused(alice: Visitor, cursor: str) -> None:
    assert refusal(await alice.get("/notifications", cursor=cursor), 400) == "invalid_cursor"


async def test_a_forged_cursor_shows_no_more_than_ones_own(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    mine = await tell(ctx, alice, "a")
    await tell(ctx, bob, "a")
    assert await ids(alice, cursor=forged(2**63 - 1)) == mine
    assert await ids(alice, cursor=forged(0)) == []
    assert await ids(alice, cursor=forged(-5)) == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "all"}])
async def test_a_malformed_query_is_refused(alice: Visitor, query: dict[str, Any]) -> None:
    assert refusal(await alice.get("/notifications", **query), 400) == "invalid_request"


async def test_without_a_token_nothing_is_told(visitor: Visitor) -> None:
    assert refusal(await visitor.get("/notifications"), 401) == "unauthorized"
    answer = await visitor.post("/notifications/read", all=True)
    assert refusal(answer, 401) == "unauthorized"


@pytest.mark.parametrize("gone", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_an_account_that_is_gone_is_told_so(alice: Visitor, ctx: Context, gone: str) -> None:
    await tell(ctx, alice, "a")
    await ctx.db.execute(gone)
    assert refusal(await alice.get("/notifications"), 401) == "account_gone"
    answer = await alice.post("/notifications/read", all=True)
    assert refusal(answer, 401) == "account_gone"
