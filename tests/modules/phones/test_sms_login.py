"""POST /auth/sms/code and /auth/sms/login."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal, somebody_waits_for_a_lock
from tests.kit.captured import captured
from tests.modules.phones.conftest import OTHER_PHONE, PHONE, AskCode, Inbox
from zxo.context import Context
from zxo.modules.phones import repository
from zxo.modules.phones.handlers import delete_expired_codes

CODE, LOGIN = "/auth/sms/code", "/auth/sms/login"


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


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


NOT_PHONES = [
    *("", " ", "1", "abc", "12345678901", "10086", "01012345678", "1380013800", "138001380000"),
    *("138001380００a", "++8613800138000", "13800138000;ext=5", "1-800-FLOWERS", "+", "0" * 32),
    "١٣٨٠٠١٣٨٠٠٠",
]


@pytest.mark.parametrize("text", [text for text in NOT_PHONES if text])
async def test_what_is_no_mobile_number_is_refused(
    visitor: Visitor, inbox: Inbox, text: str
) -> None:
    for answer in (
        await visitor.post(CODE, phone=text),
        await visitor.post(LOGIN, phone=text, code="123456"),
    ):
        assert refusal(answer, 400) == "invalid_phone"
        assert text not in answer.json()["error"] or len(text.strip()) < 3
    assert inbox.sent == []


@pytest.mark.parametrize("text", ["+14155550123", "+85291234567", "+447400123456"])
async def test_numbers_of_other_countries_are_not_written_to(
    visitor: Visitor, inbox: Inbox, text: str
) -> None:
    for answer in (
        await visitor.post(CODE, phone=text),
        await visitor.post(LOGIN, phone=text, code="123456"),
    ):
        assert refusal(answer, 400) == "phone_region_not_supported"
    assert inbox.sent == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phone": 13800138000},
        {"phone": None},
        {"phone": ""},
        {"phone": "1" * 33},
        {"phone": PHONE, "purpose": "reset"},
        {"phone": PHONE, "x": 1},
    ],
)
async def test_a_malformed_request_for_a_code_is_refused(
    visitor: Visitor, inbox: Inbox, body: dict[str, object]
) -> None:
    assert refusal(await visitor.post(CODE, **body), 400) == "invalid_request"
    assert inbox.sent == []


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", 123456, None, "１２３４５"])
async def test_a_malformed_code_is_refused(visitor: Visitor, code: object) -> None:
    answer = await visitor.post(LOGIN, phone=PHONE, code=code)

    assert refusal(answer, 400) == "invalid_request"


async def test_the_answer_does_not_tell_whether_the_number_has_an_account(
    visitor: Visitor, ask_code: AskCode, clock: FrozenClock
) -> None:
    data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))
    clock.advance(minutes=2)
    known = await visitor.post(CODE, phone=PHONE)
    new = await visitor.post(CODE, phone=OTHER_PHONE)

    assert known.json() == new.json()
    assert data(known) == {"expiresIn": 300, "resendAfter": 60}
    refusals = [
        (await visitor.post(LOGIN, phone=phone, code="000000")).json()
        for phone in (PHONE, OTHER_PHONE)
    ]
    assert len({(said["code"], said["message"], said["error"]) for said in refusals}) == 1


async def test_a_code_serves_once(visitor: Visitor, ask_code: AskCode) -> None:
    code = await ask_code()
    data(await visitor.post(LOGIN, phone=PHONE, code=code))

    assert refusal(await visitor.post(LOGIN, phone=PHONE, code=code), 400) == "invalid_sms_code"


async def test_a_code_lasts_five_minutes(
    visitor: Visitor, ask_code: AskCode, clock: FrozenClock
) -> None:
    early, late = await ask_code(PHONE), await ask_code(OTHER_PHONE)
    clock.advance(minutes=4, seconds=59)
    data(await visitor.post(LOGIN, phone=PHONE, code=early))
    clock.advance(seconds=1)

    answer = await visitor.post(LOGIN, phone=OTHER_PHONE, code=late)
    assert refusal(answer, 400) == "invalid_sms_code"


async def test_a_new_code_takes_the_place_of_the_older(
    visitor: Visitor, ask_code: AskCode, clock: FrozenClock
) -> None:
    old = await ask_code()
    clock.advance(minutes=1)
    new = await ask_code()
    if old != new:
        assert refusal(await visitor.post(LOGIN, phone=PHONE, code=old), 400) == "invalid_sms_code"

    data(await visitor.post(LOGIN, phone=PHONE, code=new))


async def test_a_code_opens_no_other_number(visitor: Visitor, ask_code: AskCode) -> None:
    code = await ask_code(PHONE)
    answer = await visitor.post(LOGIN, phone=OTHER_PHONE, code=code)

    assert refusal(answer, 400) == "invalid_sms_code"


async def test_the_fifth_try_may_be_right_the_sixth_is_too_late(
    visitor: Visitor, ask_code: AskCode
) -> None:
    code = await ask_code(PHONE)
    for _ in range(4):
        answer = await visitor.post(LOGIN, phone=PHONE, code=wrong(code))
        assert refusal(answer, 400) == "invalid_sms_code"
    data(await visitor.post(LOGIN, phone=PHONE, code=code))

    code = await ask_code(OTHER_PHONE)
    for _ in range(5):
        await visitor.post(LOGIN, phone=OTHER_PHONE, code=wrong(code))
    answer = await visitor.post(LOGIN, phone=OTHER_PHONE, code=code)
    assert refusal(answer, 400) == "invalid_sms_code"


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


async def test_of_400_simultaneous_guesses_five_are_looked_at(
    ctx: Context, visitor: Visitor, ask_code: AskCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await ask_code()
    looked_at = Counter[bytes | None]()
    take_try = repository.take_try

    async def counted(*given: Any) -> bytes | None:
        found = await take_try(*given)
        looked_at[found] += 1
        return found

    monkeypatch.setattr(repository, "take_try", counted)
    answers = await asyncio.gather(
        *(visitor.post(LOGIN, phone=PHONE, code=wrong(code)) for _ in range(400))
    )

    assert {refusal(answer, 400) for answer in answers} == {"invalid_sms_code"}
    assert looked_at.pop(None) == 395
    assert list(looked_at.values()) == [5]
    assert await ctx.db.fetchval("SELECT tries_left FROM sms_codes") == 0


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


async def test_neither_the_number_nor_the_code_stands_in_the_database_or_the_log(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    with captured() as log:
        code = await ask_code()
        stored = [dict(row) for row in await ctx.db.fetch("SELECT * FROM sms_codes")]
        await visitor.post(LOGIN, phone=PHONE, code=wrong(code))
        data(await visitor.post(LOGIN, phone=PHONE, code=code))
        await visitor.post(LOGIN, phone=PHONE, code=code)

    [row] = stored
    assert {name: len(row[name]) for name in ("id", "digest")} == {"id": 32, "digest": 32}
    user = await ctx.db.fetchrow("SELECT * FROM users")
    assert user is not None
    for text in (log.getvalue(), str(stored), str(dict(user))):
        assert PHONE not in text
        assert code not in text
    assert user["phone_index"] == ctx.index.of("phone", f"+86{PHONE}")
    sealed = ctx.vault.open(user["phone_ciphertext"], f"users.phone:{user['id']}")
    assert sealed == f"+86{PHONE}"


async def test_expired_codes_are_deleted_by_the_schedule(
    ctx: Context, ask_code: AskCode, clock: FrozenClock
) -> None:
    await ask_code(PHONE)
    clock.advance(minutes=4)
    await ask_code(OTHER_PHONE)
    clock.advance(minutes=1)
    await delete_expired_codes(ctx)

    assert await ctx.db.fetchval("SELECT count(*) FROM sms_codes") == 1


async def test_a_number_that_no_key_opens_hides_nothing_else(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    answer = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))
    await ctx.db.execute("UPDATE users SET phone_ciphertext = 'v1.00000000.AAAA', version = 9")
    with captured() as log:
        profile = data(await Visitor(visitor.client, answer["token"]).get("/users/me"))

    assert profile["phone"] == "***********"
    assert "sealed_value_unreadable" in log.getvalue()
