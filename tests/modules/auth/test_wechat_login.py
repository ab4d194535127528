"""POST /auth/wechat/login with WeChat behind it."""

import asyncio

import asyncpg
import pytest

from tests.factories import FrozenClock, Visitor, data, refusal, somebody_waits_for_a_lock
from tests.fakes.wechat import APP_SECRET, SESSION_KEY, FakeWechat
from zxo.context import Context

LOGIN = "/auth/wechat/login"


async def test_a_newcomer_becomes_a_user_with_the_name_and_picture_she_gives(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    code = fake_wechat.issue("oAlice")
    answer = data(
        await phone.post(LOGIN, code=code, nickname="张三", avatar="https://xxx.com/avatar.jpg")
    )

    assert set(answer) == {"token", "user"}
    user = answer["user"]
    assert user.pop("id") > 0
    assert user == {
        "nickname": "张三",
        "avatar": "https://xxx.com/avatar.jpg",
        "memberType": "free",
        "totalDays": 0,
        "consecutiveDays": 0,
    }
    profile = data(await Visitor(phone.client, answer["token"]).get("/users/me"))
    assert (profile["nickname"], profile["makeupCards"]) == ("张三", 3)


async def test_a_newcomer_without_a_name_is_given_one(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    user = data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"]

    assert (user["nickname"], user["avatar"]) == ("戒烟勇士", None)


async def test_the_placeholder_that_wechat_hands_out_is_not_taken_for_a_name(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    answer = await phone.post(LOGIN, code=fake_wechat.issue("oAlice"), nickname=" 微信用户 ")

    assert data(answer)["user"]["nickname"] == "戒烟勇士"


async def test_a_known_user_keeps_what_she_has_whatever_a_later_login_says(
    phone: Visitor, fake_wechat: FakeWechat
) -> None:
    first = await phone.post(
        LOGIN, code=fake_wechat.issue("oAlice"), nickname="阿丽", avatar="https://a.test/1"
    )
    later = await phone.post(
        LOGIN, code=fake_wechat.issue("oAlice"), nickname="别人", avatar="https://a.test/2"
    )

    assert data(later)["user"] == data(first)["user"]
    assert data(later)["token"] != data(first)["token"]


async def test_a_login_shows_the_run_as_it_counts_today(
    phone: Visitor, fake_wechat: FakeWechat, clock: FrozenClock
) -> None:
    alice = Visitor(
        phone.client, data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["token"]
    )
    data(await alice.post("/check-in"))
    clock.advance(days=1)
    yesterday = data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"]
    clock.advance(days=1)
    broken = data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"]

    assert (yesterday["totalDays"], yesterday["consecutiveDays"]) == (1, 1)
    assert (broken["totalDays"], broken["consecutiveDays"]) == (1, 0)


async def test_neither_secret_nor_session_key_leaves_the_server(
    phone: Visitor,
    fake_wechat: FakeWechat,
    ctx: Context,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    answers = [await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))]
    answers += [await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))]
    fake_wechat.failures = [40125]
    answers += [await phone.post(LOGIN, code="any")]
    assert [answer.status_code for answer in answers] == [200, 200, 503]

    printed = capfd.readouterr()
    told = "".join(f"{answer.headers}{answer.text}" for answer in answers)
    everything = told + caplog.text + printed.out + printed.err + await _database(ctx)
    assert "oAlice" in everything  # in the database: the search sees what there is
    for private in (APP_SECRET, SESSION_KEY):
        assert private not in everything


async def _database(ctx: Context) -> str:
    """Every row of every table, as text."""
    tables = await ctx.db.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    rows = [
        str(await ctx.db.fetch(f'SELECT "{table[0]}"::text FROM "{table[0]}"')) for table in tables
    ]
    return "\n".join(rows)


async def test_twenty_simultaneous_first_logins_of_one_person_make_one_user(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context
) -> None:
    codes = [fake_wechat.issue("oAlice") for _ in range(20)]
    answers = await asyncio.gather(
        *(phone.post(LOGIN, code=code, nickname=f"第{n}次") for n, code in enumerate(codes))
    )

    users = [data(answer)["user"] for answer in answers]
    assert users == [users[0]] * 20
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 1
    assert await ctx.db.fetchval("SELECT count(*) FROM user_settings") == 1
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 20


async def test_one_code_used_twenty_times_at_once_logs_in_once(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context
) -> None:
    code = fake_wechat.issue("oAlice")
    answers = await asyncio.gather(*(phone.post(LOGIN, code=code) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 1


async def test_a_login_that_is_sent_again_under_its_key_gets_the_same_token(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context
) -> None:
    body = {"code": fake_wechat.issue("oAlice")}
    key = {"Idempotency-Key": "login-1"}
    first = await phone.request("POST", LOGIN, json=body, headers=key)
    again = await phone.request("POST", LOGIN, json=body, headers=key)

    assert data(again) == data(first)
    assert again.headers["idempotent-replayed"] == "true"
    kept = await ctx.db.fetchval("SELECT answer FROM idempotency_keys")
    assert data(first)["token"].encode() not in kept


async def test_a_deleted_account_is_refused_and_told_until_when_it_can_be_restored(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context, clock: FrozenClock
) -> None:
    data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))
    await ctx.db.execute("UPDATE users SET deleted_at = $1", clock.now())
    clock.advance(days=29)
    answer = await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))

    assert refusal(answer, 403) == "account_deleted"
    assert answer.json()["data"] == {"purgeAt": "2025-12-31T01:00:00Z"}
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 1  # the first login's


async def test_an_account_that_is_erased_during_a_login_begins_anew(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context
) -> None:
    before = data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"]["id"]
    async with ctx.db.transaction() as connection:
        await connection.execute("DELETE FROM users WHERE id = $1", before)
        login = asyncio.create_task(phone.post(LOGIN, code=fake_wechat.issue("oAlice")))
        await somebody_waits_for_a_lock(ctx)

    assert data(await login)["user"]["id"] != before


async def test_a_database_that_fails_after_wechat_answered_leaves_nothing_behind(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise asyncpg.PostgresConnectionError

    with monkeypatch.context() as broken:
        broken.setattr("zxo.modules.auth.repository.add", fail)
        answer = await phone.post(LOGIN, code=fake_wechat.issue("oAlice"))

    assert refusal(answer, 503) == "unavailable"
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 0


async def test_no_transaction_is_open_while_wechat_is_asked(
    phone: Visitor, fake_wechat: FakeWechat, ctx: Context
) -> None:
    fake_wechat.delay = 0.3
    login = asyncio.create_task(phone.post(LOGIN, code=fake_wechat.issue("oAlice")))
    await asyncio.sleep(0.15)
    open_ones = await ctx.db.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    )

    assert not login.done()
    assert open_ones == 0
    data(await login)


async def test_the_account_lives_longer_than_its_sessions(
    phone: Visitor, fake_wechat: FakeWechat, clock: FrozenClock
) -> None:
    first = data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"]
    clock.advance(days=400)

    assert data(await phone.post(LOGIN, code=fake_wechat.issue("oAlice")))["user"] == first
