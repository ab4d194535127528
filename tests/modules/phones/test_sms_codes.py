"""POST /auth/sms/code, and how long and how often a code is good."""

import asyncio
import dataclasses
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.aliyun_sms import KEY_ID, KEY_SECRET, SIGN_NAME, TEMPLATE, FakeAliyun
from tests.kit.captured import captured
from tests.modules.phones.conftest import OTHER_PHONE, PHONE, AskCode, Inbox
from zxo import embedded
from zxo.context import Context
from zxo.modules.phones import repository
from zxo.modules.phones.handlers import delete_expired_codes
from zxo.settings import SmsSettings

CODE, LOGIN = "/auth/sms/code", "/auth/sms/login"


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


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


async def test_production_without_an_account_says_so(
    ctx: Context, visitor: Visitor, app: FastAPI
) -> None:
    app.state.context = dataclasses.replace(ctx, sms=None)
    try:
        answer = await visitor.post(CODE, phone=PHONE)
    finally:
        app.state.context = ctx

    assert refusal(answer, 503) == "sms_not_configured"
    assert await ctx.db.fetchval("SELECT count(*) FROM sms_codes") == 0


async def test_a_code_goes_through_the_sms_service_to_the_phone_and_logs_in(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    with FakeAliyun() as aliyun:
        sms = SmsSettings(
            key_id=KEY_ID,
            key_secret=KEY_SECRET,
            sign_name=SIGN_NAME,
            template=TEMPLATE,
            base_url=aliyun.url,
        )
        async with (
            running(make_settings(services, sms=sms), clock) as app,
            client_of(app) as client,
        ):
            somebody = Visitor(client)
            data(await somebody.post(CODE, phone=PHONE))
            data(await somebody.post(LOGIN, phone=PHONE, code=aliyun.last(PHONE)))

            aliyun.failures = [(200, "isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5")]
            clock.advance(minutes=2)
            limited = await somebody.post(CODE, phone=PHONE)
            aliyun.failures = [(200, "isv.AMOUNT_NOT_ENOUGH", "账户余额不足")]
            clock.advance(minutes=2)
            failed = await somebody.post(CODE, phone=PHONE)
            aliyun.failures = [(200, "isv.MOBILE_NUMBER_ILLEGAL", f"{PHONE}invalid")]
            clock.advance(minutes=2)
            refused = await somebody.post(CODE, phone=PHONE)

    assert refusal(limited, 429) == "sms_rate_limited"
    assert limited.headers["retry-after"] == "3600"
    assert refusal(failed, 503) == "sms_unavailable"
    assert refusal(refused, 400) == "sms_number_refused"
