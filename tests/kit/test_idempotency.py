"""Idempotency-Key: one request, one effect, one answer."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from tests.factories import Visitor, data, refusal
from zxo import housekeeping
from zxo.context import Context
from zxo.kit import idempotency
from zxo.kit.errors import TooManyRequests, Unauthorized, Unavailable
from zxo.modules.cravings import service as cravings


async def post(person: Visitor, path: str, key: str | bytes, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if isinstance(key, str) else {b"Idempotency-Key": key}
    headers |= {"Authorization": f"Bearer {person.token}"} if person.token else {}
    return await person.client.post(f"/v1{path}", json=body, headers=headers)


async def cravings_of(person: Visitor) -> list[Any]:
    return data(await person.get("/cravings"))["records"]


async def age(ctx: Context, seconds: float) -> None:
    """Let what is kept have been recorded `seconds` earlier."""
    await ctx.db.execute(
        "UPDATE idempotency_keys SET recorded_at = recorded_at - make_interval(secs => $1)", seconds
    )


async def keys_kept(ctx: Context) -> int:
    return int(await ctx.db.fetchval("SELECT count(*) FROM idempotency_keys"))


async def test_the_first_answer_is_replayed_byte_for_byte(alice: Visitor) -> None:
    longest = "x" * 255
    first = await post(alice, "/cravings", longest, intensity=3)
    again = await post(alice, "/cravings", longest, intensity=3)
    assert data(first)["intensity"] == 3
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len(await cravings_of(alice)) == 1


async def test_a_check_in_sent_again_is_the_same_success_and_not_a_second_one(
    alice: Visitor,
) -> None:
    first = await post(alice, "/check-in", "today")
    again = await post(alice, "/check-in", "today")
    assert data(first) == data(again)
    assert refusal(await post(alice, "/check-in", "another"), 409) == "already_checked_in"


async def test_a_refusal_is_an_answer_and_is_replayed(alice: Visitor) -> None:
    data(await alice.post("/check-in"))
    first = await post(alice, "/check-in", "late")
    again = await post(alice, "/check-in", "late")
    assert refusal(first, 409) == "already_checked_in"
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_refusal_as_a_problem_is_replayed_as_one(alice: Visitor) -> None:
    headers = {
        "Idempotency-Key": "p",
        "Accept": "application/problem+json",
        "Authorization": f"Bearer {alice.token}",
    }
    answers = [
        await alice.client.post("/v1/cravings", json={"intensity": 9}, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert answers[0].content == answers[1].content


async def test_another_body_or_route_under_the_same_key_is_refused(alice: Visitor) -> None:
    data(await post(alice, "/cravings", "k", intensity=3))
    other = await post(alice, "/cravings", "k", intensity=4)
    assert refusal(other, 409) == "idempotency_key_reused"
    elsewhere = await post(alice, "/check-in", "k", intensity=3)
    assert refusal(elsewhere, 409) == "idempotency_key_reused"
    assert len(await cravings_of(alice)) == 1


async def test_a_key_belongs_to_its_user(alice: Visitor, bob: Visitor) -> None:
    mine = data(await post(alice, "/cravings", "shared", intensity=3))
    other = await post(bob, "/cravings", "shared", intensity=5)
    assert "idempotent-replayed" not in other.headers
    assert data(other)["id"] != mine["id"]


async def test_a_login_is_replayed_with_the_same_token_to_who_sends_the_same_code(
    visitor: Visitor, ctx: Context
) -> None:
    first = await post(visitor, "/auth/wechat/login", "login", code="dev:alice")
    again = await post(visitor, "/auth/wechat/login", "login", code="dev:alice")
    assert data(again)["token"] == data(first)["token"]
    assert again.headers["idempotent-replayed"] == "true"
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 1

    other = await post(visitor, "/auth/wechat/login", "login", code="dev:bob")
    assert data(other)["user"]["id"] != data(first)["user"]["id"]


async def test_the_token_of_a_login_cannot_be_read_in_the_table(
    visitor: Visitor, ctx: Context
) -> None:
    login = data(await post(visitor, "/auth/wechat/login", "login", code="dev:alice"))
    row = await ctx.db.fetchrow("SELECT answer, idempotency_keys::text FROM idempotency_keys")
    token = login["token"].encode()
    assert row is not None
    assert all(part not in bytes(row[0]) for part in (token, token.split(b".")[2], b"token"))
    assert login["token"] not in row[1]
    assert token.hex() not in row[1]


async def test_an_answer_moved_to_another_key_does_not_open(visitor: Visitor, ctx: Context) -> None:
    data(await post(visitor, "/auth/wechat/login", "mine", code="dev:alice"))
    await ctx.db.execute("UPDATE idempotency_keys SET key = 'stolen'")
    answer = await post(visitor, "/auth/wechat/login", "stolen", code="dev:alice")
    assert refusal(answer, 409) == "idempotency_in_progress"


async def test_a_twin_of_a_running_request_is_told_to_wait(
    alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, original = asyncio.Event(), asyncio.Event(), cravings.record

    async def slow(*arguments: Any) -> Any:
        began.set()
        await may_end.wait()
        return await original(*arguments)

    monkeypatch.setattr(cravings, "record", slow)
    first = asyncio.create_task(post(alice, "/cravings", "slow", intensity=3))
    await began.wait()
    twin = await post(alice, "/cravings", "slow", intensity=3)
    stranger = await post(alice, "/cravings", "slow", intensity=4)
    may_end.set()
    assert refusal(twin, 409) == "idempotency_in_progress"
    assert refusal(stranger, 409) == "idempotency_key_reused"
    assert data(await first)["intensity"] == 3
    assert data(await post(alice, "/cravings", "slow", intensity=3)) == data(await first)


async def test_twenty_simultaneous_posts_under_one_key_write_one_row(alice: Visitor) -> None:
    answers = await asyncio.gather(
        *(post(alice, "/cravings", "burst", intensity=2) for _ in range(20))
    )
    ids = {data(answer)["id"] for answer in answers if answer.status_code == 200}
    refused = {refusal(answer, 409) for answer in answers if answer.status_code != 200}
    assert len(ids) == 1
    assert refused <= {"idempotency_in_progress"}
    assert len(await cravings_of(alice)) == 1


async def abandon(ctx: Context, seconds: float) -> None:
    """Let the only key look as if its request was killed `seconds` ago."""
    await ctx.db.execute("UPDATE idempotency_keys SET status = NULL, answer = NULL")
    await age(ctx, seconds)


async def test_a_request_that_was_killed_keeps_its_key_for_two_minutes(
    alice: Visitor, ctx: Context
) -> None:
    data(await post(alice, "/cravings", "k", intensity=3))
    await abandon(ctx, 110)
    assert refusal(await post(alice, "/cravings", "k", intensity=3), 409) == (
        "idempotency_in_progress"
    )
    await abandon(ctx, 15)
    answer = await post(alice, "/cravings", "k", intensity=3)
    assert data(answer)["intensity"] == 3
    assert "idempotent-replayed" not in answer.headers
    assert (await post(alice, "/cravings", "k", intensity=3)).content == answer.content


async def test_a_request_that_lost_its_key_to_a_twin_does_not_overwrite_the_twins_answer(
    alice: Visitor, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, original = asyncio.Event(), cravings.record

    async def slow(ctx: Context, user: int, intensity: int | None, *rest: Any) -> Any:
        if intensity == 1:
            await may_end.wait()
        return await original(ctx, user, intensity, *rest)

    monkeypatch.setattr(cravings, "record", slow)
    slow_one = asyncio.create_task(post(alice, "/cravings", "k", intensity=1))
    while not await keys_kept(ctx):
        await asyncio.sleep(0.01)
    await age(ctx, 121)
    twin = data(await post(alice, "/cravings", "k", intensity=2))
    may_end.set()
    assert data(await slow_one)["intensity"] == 1
    assert data(await post(alice, "/cravings", "k", intensity=2)) == twin


async def test_an_answer_is_forgotten_after_24_hours(alice: Visitor, ctx: Context) -> None:
    data(await post(alice, "/cravings", "k", intensity=3))
    await age(ctx, 23.9 * 3600)
    kept = await post(alice, "/cravings", "k", intensity=3)
    assert kept.headers["idempotent-replayed"] == "true"
    await age(ctx, 0.2 * 3600)
    fresh = await post(alice, "/cravings", "k", intensity=4)
    assert "idempotent-replayed" not in fresh.headers
    assert data(fresh)["intensity"] == 4


async def test_the_job_deletes_what_is_older_than_24_hours_and_nothing_else(
    alice: Visitor, ctx: Context
) -> None:
    data(await post(alice, "/cravings", "old", intensity=3))
    await age(ctx, 25 * 3600)
    data(await post(alice, "/cravings", "new", intensity=3))
    await housekeeping.forget_idempotent_answers(ctx)
    assert [row[0] for row in await ctx.db.fetch("SELECT key FROM idempotency_keys")] == ["new"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (RuntimeError("a bug"), 500),
        (Unavailable("away"), 503),
        (TooManyRequests(), 429),
        (Unauthorized(), 401),
    ],
    ids=["500", "503", "429", "401"],
)
async def test_a_failure_that_may_pass_releases_the_key(
    alice: Visitor,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    status: int,
) -> None:
    async def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(cravings, "record", fail)
        refusal(await post(alice, "/cravings", "k", intensity=3), status)
    assert await keys_kept(ctx) == 0
    assert data(await post(alice, "/cravings", "k", intensity=3))["intensity"] == 3


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    alice: Visitor, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "_keep", away)
        assert data(await post(alice, "/cravings", "k", intensity=3))["intensity"] == 3
    assert len(await cravings_of(alice)) == 1


@pytest.mark.parametrize(
    "key",
    ["", "x" * 256, "schlüssel".encode(), "钥匙".encode(), "tab\there"],
    ids=["empty", "256", "latin", "chinese", "control"],
)
async def test_an_invalid_key_is_refused(alice: Visitor, ctx: Context, key: str | bytes) -> None:
    answer = await post(alice, "/cravings", key, intensity=3)
    assert refusal(answer, 400) == "invalid_idempotency_key"
    assert await cravings_of(alice) == []


async def test_a_get_takes_no_notice_of_the_header(alice: Visitor, ctx: Context) -> None:
    answer = await alice.request("GET", "/users/me", headers={"Idempotency-Key": ""})
    assert data(answer)["id"] == alice.user["id"]
    assert await keys_kept(ctx) == 0


async def test_a_kept_answer_survives_a_change_of_secrets_only_while_the_old_one_is_known(
    ctx: Context,
) -> None:
    old, both, new = (
        idempotency.Sealer(secrets, "idempotency")
        for secrets in (["old" * 12], ["new" * 12, "old" * 12], ["new" * 12])
    )
    this = idempotency.attempt(ctx.index, "user:1", "k", "POST", "/v1/x", b"{}")

    async def run() -> Response:
        return Response(b"done", media_type="text/plain")

    await idempotency.answer_once(ctx.db, old, this, run)
    replayed = await idempotency.answer_once(ctx.db, both, this, run)
    assert (replayed.body, replayed.headers["idempotent-replayed"]) == (b"done", "true")
    with pytest.raises(idempotency.StillRunning):
        await idempotency.answer_once(ctx.db, new, this, run)
