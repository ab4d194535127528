"""POST /auth/sms/login."""

import asyncio

from tests.factories import FrozenClock, Visitor, data, refusal, somebody_waits_for_a_lock
from tests.kit.captured import captured
from tests.modules.phones.conftest import PHONE, AskCode
from zxo.context import Context

LOGIN = "/auth/sms/login"


async def test_a_newcomer_becomes_a_user_and_the_answer_is_that_of_a_wechat_log_in(
    visitor: Visitor, ask_code: AskCode, alice: Visitor
) -> None:
    answer = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code(), nickname="张三"))

    assert set(answer) == {"token", "user"}
    assert answer["user"].keys() == alice.user.keys()
    assert answer["user"].pop("id") != alice.user["id"]
    assert answer["user"] == {
        "nickname": "张三",
        "avatar": None,
        "memberType": "free",
        "totalDays": 0,
        "consecutiveDays": 0,
    }
    me = Visitor(visitor.client, answer["token"])
    profile = data(await me.get("/users/me"))
    assert (profile["nickname"], profile["phone"]) == ("张三", "138****8000")
    assert data(await me.get("/users/me/settings"))["dailyAmount"] == 20
    assert data(await me.post("/check-in"))["totalDays"] == 1


async def test_without_a_nickname_one_is_given(visitor: Visitor, ask_code: AskCode) -> None:
    answer = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))

    assert answer["user"]["nickname"] == "戒烟勇士"


async def test_the_token_of_a_phone_says_no_openid(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    token = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))["token"]
    claims = ctx.tokens.verify(token)

    assert claims["openid"] is None
    renewed = data(await Visitor(visitor.client, token).post("/auth/refresh"))["token"]
    assert ctx.tokens.verify(renewed)["openid"] is None


async def test_the_same_number_is_the_same_person_however_it_is_written(
    visitor: Visitor, ask_code: AskCode, clock: FrozenClock
) -> None:
    ids = set()
    for written in (
        PHONE,
        f"+86{PHONE}",
        "0086 138-0013-8000",
        "１３８００１３８０００",
        " 138 0013 8000 ",
    ):
        code = await ask_code(written)
        ids.add(data(await visitor.post(LOGIN, phone=PHONE, code=code))["user"]["id"])
        clock.advance(minutes=2)

    assert len(ids) == 1


async def test_the_code_may_be_typed_in_full_width(visitor: Visitor, ask_code: AskCode) -> None:
    code = await ask_code()
    typed = "".join(chr(ord(digit) + 0xFEE0) for digit in code)

    data(await visitor.post(LOGIN, phone=PHONE, code=f" {typed} "))


async def test_a_code_serves_once(visitor: Visitor, ask_code: AskCode) -> None:
    code = await ask_code()
    data(await visitor.post(LOGIN, phone=PHONE, code=code))

    assert refusal(await visitor.post(LOGIN, phone=PHONE, code=code), 400) == "invalid_sms_code"


async def test_whoever_asked_for_deletion_is_told_so_and_the_code_is_still_good(
    ctx: Context, visitor: Visitor, ask_code: AskCode, clock: FrozenClock
) -> None:
    user = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))["user"]
    await ctx.db.execute("UPDATE users SET deleted_at = $1 WHERE id = $2", clock.now(), user["id"])
    clock.advance(minutes=2)
    code = await ask_code()
    answer = await visitor.post(LOGIN, phone=PHONE, code=code)

    assert refusal(answer, 403) == "account_deleted"
    assert answer.json()["data"] == {"purgeAt": "2025-12-31T01:00:00Z"}
    await ctx.db.execute("UPDATE users SET deleted_at = NULL")
    data(await visitor.post(LOGIN, phone=PHONE, code=code))


async def test_the_right_code_five_times_at_once_logs_in_once(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    code = await ask_code()
    answers = await asyncio.gather(*(visitor.post(LOGIN, phone=PHONE, code=code) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    assert await ctx.db.fetchval("SELECT count(*) FROM sessions") == 1
    assert await ctx.db.fetchval("SELECT count(*) FROM users") == 1


async def test_two_who_create_the_account_of_one_number_at_once_find_the_same(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    code = await ask_code()
    index = ctx.index.of("phone", f"+86{PHONE}")
    insert = (
        "INSERT INTO users (phone_index, phone_ciphertext, created_at, updated_at)"
        " VALUES ($1, 'x', now(), now()) RETURNING id"
    )
    async with ctx.db.transaction() as other:
        first = await other.fetchval(insert, index)
        await other.execute(
            "INSERT INTO user_settings (user_id, created_at, updated_at) VALUES ($1, now(), now())",
            first,
        )
        mine = asyncio.create_task(visitor.post(LOGIN, phone=PHONE, code=code))
        await somebody_waits_for_a_lock(ctx)

    assert data(await mine)["user"]["id"] == first


async def test_a_number_that_no_key_opens_hides_nothing_else(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    answer = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))
    await ctx.db.execute("UPDATE users SET phone_ciphertext = 'v1.00000000.AAAA', version = 9")
    with captured() as log:
        profile = data(await Visitor(visitor.client, answer["token"]).get("/users/me"))

    assert profile["phone"] == "***********"
    assert "sealed_value_unreadable" in log.getvalue()
