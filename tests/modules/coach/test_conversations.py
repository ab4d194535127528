"""Conversations: listed, told a page at a time, deleted."""

from datetime import datetime

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.coach.conftest import COMMON, ask, told, used
from zxo.kit.pages import encode_cursor


async def listed(person: Visitor, **query: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = data(await person.get("/ai/conversations", **query))[
        "conversations"
    ]
    return found


async def test_conversations_are_listed_newest_first_under_how_they_began(
    member: Visitor, clock: FrozenClock
) -> None:
    first = (await ask(member, "  烟瘾来了\n怎么办 "))["conversationId"]
    clock.advance(minutes=1)
    second = (await ask(member, "戒烟会不会胖，" * 20))["conversationId"]
    clock.advance(minutes=1)
    await ask(member, COMMON, conversationId=first)
    found = await listed(member)
    assert [one["conversationId"] for one in found] == [first, second]
    assert found[0]["title"] == "烟瘾来了 怎么办"
    assert len(str(found[1]["title"])) == 40
    assert str(found[1]["title"]).endswith("…")
    assert found[0]["messageCount"] == 2
    assert found[0]["startedAt"] == "2025-12-01T01:00:00Z"
    assert found[0]["lastMessageAt"] == "2025-12-01T01:02:00Z"


async def test_the_list_comes_in_pages_without_losing_or_repeating_any(
    member: Visitor, clock: FrozenClock
) -> None:
    made = []
    for number in range(7):
        clock.advance(seconds=number % 2)  # some at the same instant
        made.append((await ask(member, COMMON))["conversationId"])
    seen, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = data(await member.get("/ai/conversations", **query))
        seen += [one["conversationId"] for one in page["conversations"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)


async def test_a_conversation_is_told_from_its_end_backwards_in_pages(member: Visitor) -> None:
    where = (await ask(member, "问题一：烟瘾来了怎么办"))["conversationId"]
    for number in ("二", "三", "四", "五"):
        await ask(member, f"问题{number}：烟瘾来了怎么办", conversationId=where)
    asked, cursor = [], None
    for _ in range(3):
        query = {"conversationId": where, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = data(await member.get("/ai/conversations", **query))
        asked.append([m["content"][2] for m in page["messages"] if m["role"] == "user"])
        cursor = page["nextCursor"]
    assert asked == [["四", "五"], ["二", "三"], ["一"]]
    assert cursor is None


async def test_answers_have_a_label_and_questions_have_none(member: Visitor) -> None:
    where = (await ask(member, COMMON))["conversationId"]
    mine, its = data(await member.get("/ai/conversations", conversationId=where))["messages"]
    assert (mine["role"], mine["label"], mine["source"]) == ("user", None, None)
    assert (its["role"], its["label"], its["source"]) == ("assistant", "AI 生成", "builtin")
    assert mine["messageIndex"] == its["messageIndex"] == 1
    assert datetime.fromisoformat(mine["timestamp"]) <= datetime.fromisoformat(its["timestamp"])


async def test_a_deleted_conversation_is_gone_and_the_days_use_stays(member: Visitor) -> None:
    where = (await ask(member, COMMON))["conversationId"]
    other = (await ask(member, COMMON))["conversationId"]
    data(await member.delete(f"/ai/conversations/{where}"))
    assert [one["conversationId"] for one in await listed(member)] == [other]
    gone = await member.get("/ai/conversations", conversationId=where)
    assert refusal(gone, 404) == "conversation_not_found"
    again = await member.delete(f"/ai/conversations/{where}")
    assert refusal(again, 404) == "conversation_not_found"
    more = await member.post("/ai/chat", message=COMMON, conversationId=where)
    assert refusal(more, 404) == "conversation_not_found"
    assert len(await told(member, other)) == 2
    assert (await used(member))[0] == 2


async def test_somebody_elses_conversation_is_not_there(member: Visitor, bob: Visitor) -> None:
    where = (await ask(member, COMMON))["conversationId"]
    seen = await bob.get("/ai/conversations", conversationId=where)
    assert refusal(seen, 404) == "conversation_not_found"
    deleted = await bob.delete(f"/ai/conversations/{where}")
    assert refusal(deleted, 404) == "conversation_not_found"
    assert await listed(bob) == []
    assert len(await told(member, where)) == 2


async def test_who_is_no_member_any_more_reads_and_deletes_what_was_said(
    member: Visitor, clock: FrozenClock
) -> None:
    where = (await ask(member, COMMON))["conversationId"]
    data(await member.post("/redeem-codes/redeem", code="ZXO"))
    assert refusal(await member.post("/ai/chat", message=COMMON), 403) == "ai_not_open"
    assert len(await told(member, where)) == 2
    quota = data(await member.get("/ai/quota"))
    assert (quota["isOpen"], quota["messages"]["limit"], quota["tokens"]["limit"]) == (False, 0, 0)
    data(await member.delete(f"/ai/conversations/{where}"))


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"cursor": "!"},
        {"cursor": "AAAA"},
        {"conversationId": ""},
    ],
)
async def test_what_is_asked_for_has_a_form(member: Visitor, query: dict[str, object]) -> None:
    assert (await member.get("/ai/conversations", **query)).status_code == 400


@pytest.mark.parametrize(
    "last_seen", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2025-12-01T09:00:00"]
)
async def test_a_made_up_cursor_is_refused(member: Visitor, last_seen: str) -> None:
    cursor = encode_cursor((last_seen, "0" * 32))
    answer = await member.get("/ai/conversations", cursor=cursor)
    assert refusal(answer, 400) == "invalid_cursor"


async def test_the_quota_of_a_day(member: Visitor) -> None:
    quota = data(await member.get("/ai/quota"))
    assert quota == {
        "isOpen": True,
        "messages": {"limit": 100, "used": 0, "remaining": 100},
        "tokens": {"limit": 50_000, "used": 0, "remaining": 50_000},
        "resetsAt": "2025-12-01T16:00:00Z",
    }


async def test_the_day_is_that_of_where_the_person_lives(
    member: Visitor, clock: FrozenClock
) -> None:
    data(await member.put("/users/me/settings", timezone="America/New_York"))
    clock.set("2025-12-02T04:30:00Z")  # 23:30 of the 1st there
    await ask(member, COMMON)
    assert (await used(member))[0] == 1
    assert data(await member.get("/ai/quota"))["resetsAt"] == "2025-12-02T05:00:00Z"
    clock.advance(minutes=31)
    assert (await used(member))[0] == 0
