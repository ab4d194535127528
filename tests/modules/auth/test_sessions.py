"""The list of a person's sessions, ending them, and forgetting them."""

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import START, FrozenClock, Visitor, data, refusal
from zxo.context import Context
from zxo.kit.jobs import Run
from zxo.registry import jobs

SESSIONS = "/users/me/sessions"
SOME_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
LIFE, EXCHANGEABLE = timedelta(days=7), timedelta(days=7)


async def sessions_of(person: Visitor, **query: Any) -> list[dict[str, Any]]:
    answer = data(await person.get(SESSIONS, **query))
    assert set(answer) == {"sessions", "nextCursor"}
    return list(answer["sessions"])


async def current_session(person: Visitor) -> str:
    ids = [session["id"] for session in await sessions_of(person) if session["current"]]
    assert len(ids) == 1
    return str(ids[0])


async def log_in_from(visitor: Visitor, name: str, device: str | bytes) -> Visitor:
    answer = await visitor.request(
        "POST", "/auth/wechat/login", json={"code": f"dev:{name}"}, headers={"User-Agent": device}
    )
    return Visitor(visitor.client, data(answer)["token"])


async def test_each_login_is_a_session_and_the_newest_comes_first(
    visitor: Visitor, clock: FrozenClock
) -> None:
    await log_in_from(visitor, "alice", "iPhone")
    clock.advance(minutes=1)
    tablet = await log_in_from(visitor, "alice", "iPad")
    clock.advance(minutes=1)
    await log_in_from(visitor, "alice", "MateBook")
    await log_in_from(visitor, "bob", "Nokia")
    sessions = await sessions_of(tablet)

    assert [session["device"] for session in sessions] == ["MateBook", "iPad", "iPhone"]
    assert [session["current"] for session in sessions] == [False, True, False]
    assert sessions[1] | {"id": ""} == {
        "id": "",
        "device": "iPad",
        "createdAt": "2025-12-01T01:01:00Z",
        "refreshedAt": "2025-12-01T01:01:00Z",
        "expiresAt": "2025-12-15T01:01:00Z",
        "current": True,
    }


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        (b"x" * 500, "x" * 200),
        (b"", ""),
        (b"iPhone\x1b[31m\x07\x9b\xad 17", "iPhone[31m 17"),
        (b"<b>Nokia</b> \"'; --", "<b>Nokia</b> \"'; --"),
    ],
)
async def test_a_device_is_shown_by_the_printable_part_of_its_name_cut_to_length(
    visitor: Visitor, user_agent: bytes, shown: str
) -> None:
    alice = await log_in_from(visitor, "alice", user_agent)

    assert [session["device"] for session in await sessions_of(alice)] == [shown]


async def test_pages_follow_each_other_without_loss_or_repetition(
    visitor: Visitor, clock: FrozenClock
) -> None:
    for number in range(7):  # in pairs at the same instant
        clock.advance(minutes=number % 2)
        alice = await visitor.log_in("alice")
    whole = await sessions_of(alice)
    assert len(whole) == 7

    pages, query = [], {"limit": 3}
    while True:
        page = data(await alice.get(SESSIONS, **query))
        pages.append(page["sessions"])
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
        await visitor.log_in("alice")  # newer ones do not move what comes after
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [session for page in pages for session in page] == whole


async def test_a_page_that_is_just_full_is_the_last(visitor: Visitor) -> None:
    await visitor.log_in("alice")
    alice = await visitor.log_in("alice")

    page = data(await alice.get(SESSIONS, limit=2))
    assert (len(page["sessions"]), page["nextCursor"]) == (2, None)


def _encoded(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!",
        "数",
        _encoded(7),
        _encoded([]),
        _encoded(["2025-12-01T01:00:00Z"]),
        _encoded(["yesterday", SOME_ID]),
        _encoded(["2025-12-01T01:00:00Z", "no-uuid"]),
        _encoded(["2025-12-01T01:00:00", SOME_ID]),
        _encoded(["0001-01-01T00:00:00+14:00", SOME_ID]),
        _encoded(["9999-12-31T23:59:59-14:00", SOME_ID]),
    ],
)
async def test_a_cursor_that_the_list_did_not_give_is_refused(alice: Visitor, cursor: str) -> None:
    assert refusal(await alice.get(SESSIONS, cursor=cursor), 400) == "invalid_cursor"


@pytest.mark.parametrize("limit", [0, 101, -1, "x", 1.5])
async def test_a_limit_is_between_1_and_100(alice: Visitor, limit: object) -> None:
    assert refusal(await alice.get(SESSIONS, limit=limit), 400) == "invalid_request"


async def test_logging_out_ends_this_session_and_no_other(visitor: Visitor) -> None:
    phone, tablet = await visitor.log_in("alice"), await visitor.log_in("alice")
    answer = await phone.post("/auth/logout")

    assert data(answer) is None
    assert answer.json()["message"] == "退出成功"
    assert refusal(await phone.get("/users/me"), 401) == "session_ended"
    assert [session["current"] for session in await sessions_of(tablet)] == [True]


async def test_who_has_logged_out_cannot_log_out_again(alice: Visitor) -> None:
    data(await alice.post("/auth/logout"))

    assert refusal(await alice.post("/auth/logout"), 401) == "session_ended"


async def test_logging_out_of_a_session_that_another_device_has_just_ended_is_fine(
    visitor: Visitor, ctx: Context
) -> None:
    phone, tablet = await visitor.log_in("alice"), await visitor.log_in("alice")
    session = await current_session(phone)
    data(await tablet.delete(f"{SESSIONS}/{session}"))
    ctx.ended_sessions._ids.discard(session)  # as if another process had, this very moment

    data(await phone.post("/auth/logout"))


async def test_a_person_ends_another_of_her_sessions(visitor: Visitor) -> None:
    phone, lost = await visitor.log_in("alice"), await visitor.log_in("alice")
    data(await lost.get("/users/me"))

    data(await phone.delete(f"{SESSIONS}/{await current_session(lost)}"))

    assert refusal(await lost.get("/users/me"), 401) == "session_ended"
    assert refusal(await lost.post("/check-in"), 401) == "session_ended"
    assert len(await sessions_of(phone)) == 1


async def test_a_person_ends_the_session_that_she_is_in(alice: Visitor) -> None:
    data(await alice.delete(f"{SESSIONS}/{await current_session(alice)}"))

    assert refusal(await alice.get("/users/me"), 401) == "session_ended"


async def test_a_session_is_ended_once(visitor: Visitor) -> None:
    phone, tablet = await visitor.log_in("alice"), await visitor.log_in("alice")
    path = f"{SESSIONS}/{await current_session(tablet)}"
    data(await phone.delete(path))

    assert refusal(await phone.delete(path), 404) == "session_not_found"


async def test_another_persons_session_does_not_exist(alice: Visitor, bob: Visitor) -> None:
    answer = await alice.delete(f"{SESSIONS}/{await current_session(bob)}")

    assert refusal(answer, 404) == "session_not_found"
    data(await bob.get("/users/me"))


async def test_a_session_that_never_was_does_not_exist(alice: Visitor) -> None:
    assert refusal(await alice.delete(f"{SESSIONS}/{uuid4()}"), 404) == "session_not_found"


@pytest.mark.parametrize("session", ["1", "no-uuid", "x" * 500, "%E6%95%B0", "'--"])
async def test_an_id_that_is_none_is_malformed(alice: Visitor, session: str) -> None:
    assert refusal(await alice.delete(f"{SESSIONS}/{session}"), 400) == "invalid_request"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_sessions_are_for_who_is_signed_in(visitor: Visitor, method: str) -> None:
    path = SESSIONS if method == "GET" else f"{SESSIONS}/{uuid4()}"

    assert refusal(await visitor.request(method, path), 401) == "unauthorized"


async def test_an_expired_session_is_not_listed(visitor: Visitor, clock: FrozenClock) -> None:
    await visitor.log_in("alice")
    clock.advance(days=14)
    alice = await visitor.log_in("alice")

    assert len(await sessions_of(alice)) == 1


def job(ctx: Context, name: str) -> Run:
    return jobs(ctx)[name]


async def forget_expired(ctx: Context) -> None:
    await job(ctx, "auth.delete_expired_sessions")(b"")


async def test_the_nightly_job_forgets_a_session_when_its_token_cannot_even_be_exchanged(
    visitor: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    alice = await visitor.log_in("alice")
    clock.set(START + LIFE + EXCHANGEABLE - timedelta(seconds=1))
    await forget_expired(ctx)
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 1
    fresh = Visitor(alice.client, data(await alice.post("/auth/refresh"))["token"])

    clock.advance(seconds=1)
    await forget_expired(ctx)
    data(await fresh.get("/users/me"))  # the exchange made the session longer

    clock.advance(days=14)
    await forget_expired(ctx)
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 0


async def test_the_nightly_job_remembers_an_ended_session_as_long_as_its_token_could_count(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    clock.advance(days=6)
    fresh = Visitor(alice.client, data(await alice.post("/auth/refresh"))["token"])
    data(await fresh.post("/auth/logout"))

    for _ in range(6):  # until the last day on which the fresh token counts
        clock.advance(days=1)
        await forget_expired(ctx)
        await ctx.ended_sessions.poll()
        assert refusal(await fresh.get("/users/me"), 401) == "session_ended"
    assert await ctx.db.fetchval("SELECT count(*) FROM ended_sessions") == 1

    clock.advance(days=8)
    await forget_expired(ctx)
    assert await ctx.db.fetchval("SELECT count(*) FROM ended_sessions") == 0
    assert refusal(await fresh.post("/auth/refresh"), 401) == "token_too_old"


async def test_the_nightly_job_may_run_twice(alice: Visitor, ctx: Context) -> None:
    await forget_expired(ctx)
    await forget_expired(ctx)

    data(await alice.get("/users/me"))
