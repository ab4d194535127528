"""Signing in: right, wrong, too often, and with a second factor."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.operators.conftest import COMMAND_LINE, PASSWORD, SignIn, try_log_in
from zxo import embedded
from zxo.context import Context
from zxo.modules import operators
from zxo.modules.operators import rules

WRONG = "wrong horse battery"


async def test_a_password_opens_a_session_that_says_whose_it_is(sign_in: SignIn) -> None:
    owner = await sign_in("owner", "老板")
    assert owner.token
    assert owner.token.startswith("zxo_operator_")
    assert data(await owner.get("/admin/me")) == {
        "id": owner.user["id"],
        "name": "老板",
        "role": "owner",
        "totpEnrolled": False,
        "disabledAt": None,
        "createdAt": "2025-12-01T01:00:00Z",
    }


async def test_the_database_holds_neither_password_nor_token(ctx: Context, sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    for table in ("operators", "operator_sessions", "operator_audit"):
        rows = await ctx.db.fetch(f"SELECT t::text FROM {table} t")
        assert rows
        assert not [row for row in rows if PASSWORD in row[0] or str(owner.token) in row[0]]


async def test_every_wrong_answer_is_the_same(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    await sign_in("owner")
    wrong = [
        await try_log_in(client, "owner", password=WRONG),
        await try_log_in(client, "nobody", password=WRONG),
        await try_log_in(client, "owner", password="x" * 100),
    ]
    assert {refusal(answer, 401) for answer in wrong} == {"invalid_credentials"}
    assert len({answer.json()["message"] for answer in wrong}) == 1


@pytest.mark.parametrize("name", ["OWNER", " owner ", "ｏｗｎｅｒ"])
async def test_a_name_is_read_as_it_looks(
    client: httpx.AsyncClient, sign_in: SignIn, name: str
) -> None:
    await sign_in("owner")
    assert (await try_log_in(client, name)).status_code == 200


async def test_five_wrong_tries_lock_out_the_right_password_for_a_quarter_of_an_hour(
    client: httpx.AsyncClient, sign_in: SignIn, clock: FrozenClock
) -> None:
    await sign_in("owner")
    for _ in range(5):
        await try_log_in(client, "owner", password=WRONG)
    assert refusal(await try_log_in(client, "owner"), 401) == "invalid_credentials"
    clock.advance(minutes=14, seconds=59)
    assert (await try_log_in(client, "owner")).status_code == 401
    clock.advance(seconds=1)
    assert (await try_log_in(client, "owner")).status_code == 200


async def test_a_right_password_forgives_the_wrong_ones_before(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    await sign_in("owner")
    for _ in range(3):
        for _ in range(4):
            await try_log_in(client, "owner", password=WRONG)
        assert (await try_log_in(client, "owner")).status_code == 200


async def test_of_many_guesses_at_once_five_count(
    client: httpx.AsyncClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await sign_in("owner")
    counted, take_try = 0, operators.sessions._take_try

    async def counting(*args: Any) -> bool:
        nonlocal counted
        allowed = await take_try(*args)
        counted += allowed
        return allowed

    monkeypatch.setattr(operators.sessions, "_take_try", counting)
    guesses = [try_log_in(client, "owner", password=f"{WRONG} {n}") for n in range(100)]
    assert {answer.status_code for answer in await asyncio.gather(*guesses)} == {401}
    assert counted == 5
    assert (await try_log_in(client, "owner")).status_code == 401
    assert data(await owner.get("/admin/me"))  # who is signed in stays so


async def enrol(person: Visitor, clock: FrozenClock) -> pyotp.TOTP:
    """A second factor for whoever is signed in."""
    told = data(await person.post("/admin/totp"))
    totp = pyotp.parse_uri(told["uri"])
    assert isinstance(totp, pyotp.TOTP)
    assert (totp.secret, totp.issuer, totp.name) == (told["secret"], "ZXO", person.user["name"])
    data(await person.post("/admin/totp/confirm", code=totp.at(clock.now())))
    return totp


async def test_with_a_second_factor_a_password_is_not_enough(
    client: httpx.AsyncClient, sign_in: SignIn, clock: FrozenClock
) -> None:
    owner = await sign_in("owner")
    totp = await enrol(owner, clock)
    assert refusal(await owner.post("/admin/totp"), 409) == "totp_already_enrolled"
    assert refusal(await try_log_in(client, "owner"), 401) == "totp_required"
    clock.advance(seconds=30)
    code = totp.at(clock.now())
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert refusal(await try_log_in(client, "owner", totp=wrong), 401) == "invalid_credentials"
    assert (await try_log_in(client, "owner", totp=code)).status_code == 200


async def test_a_code_serves_once_and_none_before_it(
    client: httpx.AsyncClient, sign_in: SignIn, clock: FrozenClock
) -> None:
    totp = await enrol(await sign_in("owner"), clock)
    clock.advance(minutes=1)
    before, now = totp.at(clock.now() - timedelta(seconds=30)), totp.at(clock.now())
    at_once = await asyncio.gather(*(try_log_in(client, "owner", totp=now) for _ in range(4)))
    assert sorted(answer.status_code for answer in at_once) == [200, 401, 401, 401]
    assert (await try_log_in(client, "owner", totp=before)).status_code == 401


@pytest.mark.parametrize(("seconds", "step"), [(-60, None), (-30, -1), (0, 0), (30, 1), (60, None)])
def test_a_clock_may_be_half_a_minute_fast_or_slow(
    clock: FrozenClock, seconds: int, step: int | None
) -> None:
    secret, now = rules.new_secret(), clock.now()
    code = pyotp.TOTP(secret).at(now + timedelta(seconds=seconds))
    found = rules.matching_step(secret, code, now)
    assert found == (None if step is None else int(now.timestamp()) // 30 + step)


async def test_where_it_is_required_a_session_without_one_is_for_enrolling_only(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    await operators.create(ctx, COMMAND_LINE, "new", "owner", PASSWORD)
    settings = make_settings(services, admin_totp="required", keys=ctx.settings.keys)
    async with running(settings, clock) as app, client_of(app) as client:
        answer = data(await try_log_in(client, "new"))
        assert answer["mustEnroll"]
        person = Visitor(client, answer["token"])
        person.user = answer["operator"]
        for path in ("/admin/me", "/admin/users/1", "/admin/operators"):
            assert refusal(await person.get(path), 403) == "totp_not_enrolled"
        wrong = await person.post("/admin/totp/confirm", code="000000")
        assert refusal(wrong, 400) == "wrong_totp_code"
        await enrol(person, clock)
        assert data(await person.get("/admin/me"))["totpEnrolled"]


async def test_a_session_ends_after_half_an_hour_without_use_and_after_twelve_hours(
    sign_in: SignIn, clock: FrozenClock
) -> None:
    owner = await sign_in("owner")
    for _ in range(24):
        clock.advance(minutes=29, seconds=59)
        data(await owner.get("/admin/me"))
    clock.advance(minutes=29)
    assert refusal(await owner.get("/admin/me"), 401) == "operator_session_ended"
    other = await sign_in("viewer")
    clock.advance(minutes=30)
    assert refusal(await other.get("/admin/me"), 401) == "operator_session_ended"


async def test_a_log_out_ends_the_session(sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    data(await owner.post("/admin/logout"))
    assert refusal(await owner.get("/admin/me"), 401) == "operator_session_ended"


async def test_sessions_that_are_over_are_deleted(
    app: FastAPI, ctx: Context, sign_in: SignIn, clock: FrozenClock
) -> None:
    await sign_in("owner")
    clock.advance(minutes=20)
    await sign_in("viewer")
    clock.advance(minutes=10)
    await operators.sessions.delete_old_sessions(ctx)
    assert await ctx.db.fetchval("SELECT count(*) FROM operator_sessions") == 1
