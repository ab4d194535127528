"""What a token holds, how long it counts, and how it is exchanged for a fresh one."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from tests.conftest import client_of, make_settings, running
from tests.factories import START, FrozenClock, Visitor, data, refusal
from zxo import embedded
from zxo.context import Context
from zxo.settings import Settings, TokenSettings

LIFE = timedelta(days=7)


def claims_of(token: str | None, settings: Settings) -> dict[str, Any]:
    assert token is not None
    claims: dict[str, Any] = jwt.decode(
        token,
        settings.tokens.secret.get_secret_value(),
        algorithms=["HS256"],
        audience="zxo-app",
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


async def refreshed(person: Visitor) -> Visitor:
    """The same person with the token that hers was exchanged for."""
    answer = data(await person.post("/auth/refresh"))
    assert set(answer) == {"token"}
    return Visitor(person.client, answer["token"])


async def test_a_token_says_whose_it_is_and_how_long_it_counts(
    alice: Visitor, settings: Settings
) -> None:
    claims = claims_of(alice.token, settings)

    assert UUID(claims.pop("sid")) != UUID(claims.pop("jti"))
    assert claims == {
        "userId": alice.user["id"],
        "openid": "dev_alice",
        "memberType": "free",
        "iat": int(START.timestamp()),
        "exp": int((START + LIFE).timestamp()),
        "iss": "zxo",
        "aud": "zxo-app",
    }


async def test_a_token_counts_until_the_second_in_which_it_expires(
    alice: Visitor, clock: FrozenClock
) -> None:
    clock.set(START + LIFE - timedelta(seconds=1))
    data(await alice.get("/users/me"))

    clock.set(START + LIFE)
    answer = await alice.get("/users/me")
    assert refusal(answer, 401) == "token_expired"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_life_of_a_token_is_a_setting(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    tokens = TokenSettings(secret="s" * 40, expires_in=timedelta(minutes=15))
    settings = make_settings(services, tokens=tokens)
    async with running(settings, clock) as app, client_of(app) as client:
        alice = await Visitor(client).log_in("alice")
        clock.advance(minutes=15)
        assert refusal(await alice.get("/users/me"), 401) == "token_expired"


@pytest.mark.parametrize(
    ("member_type", "expires_in", "told"),
    [
        ("vip", timedelta(seconds=1), "vip"),
        ("ai", timedelta(days=30), "ai"),
        ("ai", None, "ai"),
        ("vip", timedelta(0), "free"),
        ("ai", -timedelta(days=1), "free"),
        ("free", timedelta(days=1), "free"),
    ],
)
async def test_a_token_names_the_membership_in_force(
    alice: Visitor,
    visitor: Visitor,
    ctx: Context,
    settings: Settings,
    member_type: str,
    expires_in: timedelta | None,
    told: str,
) -> None:
    expiry = None if expires_in is None else START + expires_in
    await ctx.db.execute(
        "UPDATE users SET member_type = $1, member_expiry_at = $2", member_type, expiry
    )

    again = await visitor.log_in("alice")
    assert claims_of(again.token, settings)["memberType"] == told
    assert again.user["memberType"] == told
    assert claims_of((await refreshed(alice)).token, settings)["memberType"] == told


async def test_a_refreshed_token_is_of_the_same_session_and_counts_from_now(
    alice: Visitor, settings: Settings, clock: FrozenClock
) -> None:
    clock.advance(days=3)
    fresh = await refreshed(alice)
    before, after = claims_of(alice.token, settings), claims_of(fresh.token, settings)

    assert (after["sid"], after["userId"]) == (before["sid"], before["userId"])
    assert after["jti"] != before["jti"]
    assert after["exp"] == before["exp"] + 3 * 24 * 3600
    clock.set(START + LIFE)  # the old one has expired
    data(await fresh.get("/users/me"))


@pytest.mark.parametrize("age", [timedelta(0), LIFE, LIFE + timedelta(days=7, seconds=-1)])
async def test_a_token_is_exchanged_while_it_counts_and_for_seven_days_after(
    alice: Visitor, clock: FrozenClock, age: timedelta
) -> None:
    clock.advance(seconds=age.total_seconds())

    data(await (await refreshed(alice)).get("/users/me"))


async def test_seven_days_after_its_expiry_a_token_is_not_exchanged(
    alice: Visitor, clock: FrozenClock
) -> None:
    clock.advance(days=14)

    assert refusal(await alice.post("/auth/refresh"), 401) == "token_too_old"


async def test_a_token_is_exchanged_once(alice: Visitor) -> None:
    fresh = await refreshed(alice)

    assert refusal(await alice.post("/auth/refresh"), 401) == "token_already_refreshed"
    data(await fresh.get("/users/me"))


async def test_a_chain_of_exchanges_goes_on_for_ever(alice: Visitor, clock: FrozenClock) -> None:
    person = alice
    for _ in range(5):
        clock.advance(days=13)
        person = await refreshed(person)

    data(await person.get("/users/me"))


async def test_twenty_simultaneous_exchanges_of_one_token_give_one_fresh_token(
    alice: Visitor,
) -> None:
    answers = await asyncio.gather(*(alice.post("/auth/refresh") for _ in range(20)))

    tokens = [data(answer)["token"] for answer in answers if answer.status_code == 200]
    refusals = [refusal(answer, 401) for answer in answers if answer.status_code != 200]
    assert len(tokens) == 1
    assert refusals == ["token_already_refreshed"] * 19
    data(await Visitor(alice.client, tokens[0]).get("/users/me"))


async def test_an_exchange_that_is_sent_again_under_its_key_gets_the_same_token(
    alice: Visitor,
) -> None:
    key = {"Idempotency-Key": "refresh-1"}
    first = await alice.request("POST", "/auth/refresh", headers=key)
    again = await alice.request("POST", "/auth/refresh", headers=key)

    assert data(again) == data(first)


async def test_a_token_is_not_exchanged_after_logging_out(alice: Visitor) -> None:
    data(await alice.post("/auth/logout"))

    assert refusal(await alice.post("/auth/refresh"), 401) == "session_ended"


async def test_an_expired_token_of_an_ended_session_is_not_exchanged(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/auth/logout"))
    clock.advance(days=8)

    assert refusal(await alice.post("/auth/refresh"), 401) == "session_ended"


@pytest.mark.parametrize("gone", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_a_token_of_an_account_that_is_gone_is_not_exchanged(
    alice: Visitor, ctx: Context, gone: str
) -> None:
    await ctx.db.execute(gone)

    assert refusal(await alice.post("/auth/refresh"), 401) == "account_gone"


async def test_without_a_token_nothing_is_exchanged(visitor: Visitor) -> None:
    assert refusal(await visitor.post("/auth/refresh"), 401) == "unauthorized"


async def test_a_token_of_another_issuer_is_not_exchanged(
    alice: Visitor, settings: Settings
) -> None:
    claims = claims_of(alice.token, settings)
    forged = jwt.encode({**claims, "userId": 1}, "another secret, long enough to be one", "HS256")

    answer = await Visitor(alice.client, forged).post("/auth/refresh")
    assert refusal(answer, 401) == "token_invalid"


async def test_the_list_of_sessions_shows_when_a_token_was_exchanged(
    alice: Visitor, clock: FrozenClock
) -> None:
    clock.advance(days=2, hours=1)
    fresh = await refreshed(alice)
    session = data(await fresh.get("/users/me/sessions"))["sessions"][0]

    assert session["createdAt"] == "2025-12-01T01:00:00Z"
    assert session["refreshedAt"] == "2025-12-03T02:00:00Z"
    expires = datetime.fromisoformat(session["expiresAt"])
    assert expires == clock.now() + LIFE + timedelta(days=7)
