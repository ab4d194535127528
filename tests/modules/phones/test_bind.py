"""POST and DELETE /users/me/phone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal, somebody_waits_for_a_lock
from tests.fakes.wechat import FakeWechat
from tests.kit.captured import captured, lines
from tests.modules.phones.conftest import OTHER_PHONE, PHONE, AskCode, Inbox
from zxo.context import Context
from zxo.kit.live import Bus

CODE, LOGIN, MINE = "/auth/sms/code", "/auth/sms/login", "/users/me/phone"


async def shown(person: Visitor) -> str | None:
    phone: str | None = data(await person.get("/users/me"))["phone"]
    return phone


async def test_a_bound_number_is_shown_masked_and_logs_in_to_the_same_account(
    visitor: Visitor, alice: Visitor, ask_code: AskCode
) -> None:
    assert await shown(alice) is None
    code = await ask_code(by=alice)

    assert data(await alice.post(MINE, phone=PHONE, code=code)) == {"phone": "138****8000"}
    assert await shown(alice) == "138****8000"
    login = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))
    assert login["user"] == alice.user


async def test_every_process_shows_the_number_at_once(
    ctx: Context,
    alice: Visitor,
    ask_code: AskCode,
    other_process: Callable[[Visitor], Visitor],
    drain: Callable[[], Awaitable[None]],
) -> None:
    there = other_process(alice)
    assert await shown(there) is None
    data(await alice.post(MINE, phone=PHONE, code=await ask_code(by=alice)))
    async with asyncio.timeout(5):
        while await shown(there) is None:
            await asyncio.sleep(0.01)
    await drain()

    assert await ctx.db.fetchval("SELECT count(*) FROM outbox") == 0


async def test_the_other_processes_are_told_by_the_outbox_should_this_one_die(
    ctx: Context,
    alice: Visitor,
    ask_code: AskCode,
    drain: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, str, int]] = []
    announce = Bus.announce

    def heard(bus: Bus, topic: str, key: str, version: int) -> None:
        said.append((topic, key, version))
        announce(bus, topic, key, version)

    data(await alice.post(MINE, phone=PHONE, code=await ask_code(by=alice)))
    monkeypatch.setattr(Bus, "announce", heard)
    await drain()

    assert ("users", str(alice.user["id"]), 2) in said


async def test_a_code_to_bind_is_for_one_who_is_signed_in(visitor: Visitor, inbox: Inbox) -> None:
    assert refusal(await visitor.post(CODE, phone=PHONE, purpose="bind"), 401) == "unauthorized"
    assert refusal(await visitor.post(MINE, phone=PHONE, code="123456"), 401) == "unauthorized"
    assert refusal(await visitor.delete(MINE), 401) == "unauthorized"
    assert inbox.sent == []


async def test_a_code_serves_its_purpose_its_account_and_its_number_alone(
    visitor: Visitor, alice: Visitor, bob: Visitor, ask_code: AskCode
) -> None:
    to_bind = await ask_code(by=alice)
    to_log_in = await ask_code()
    for answer in (
        await visitor.post(LOGIN, phone=PHONE, code=to_bind),
        await bob.post(MINE, phone=PHONE, code=to_bind),
        await alice.post(MINE, phone=OTHER_PHONE, code=to_bind),
        await bob.post(MINE, phone=PHONE, code=to_log_in),
    ):
        assert refusal(answer, 400) == "invalid_sms_code"

    data(await alice.post(MINE, phone=PHONE, code=to_bind))
    data(await visitor.post(LOGIN, phone=PHONE, code=to_log_in))


async def test_another_number_takes_the_place_of_the_one_before(
    ctx: Context, alice: Visitor, bob: Visitor, ask_code: AskCode
) -> None:
    data(await alice.post(MINE, phone=PHONE, code=await ask_code(by=alice)))
    code = await ask_code(OTHER_PHONE, by=alice)

    assert data(await alice.post(MINE, phone=OTHER_PHONE, code=code)) == {"phone": "139****9000"}
    assert data(await bob.post(MINE, phone=PHONE, code=await ask_code(by=bob)))
    assert await ctx.db.fetchval("SELECT count(phone_index) FROM users") == 2


async def test_a_number_of_another_account_is_refused_and_the_code_is_still_good(
    alice: Visitor, bob: Visitor, ask_code: AskCode
) -> None:
    data(await alice.post(MINE, phone=PHONE, code=await ask_code(by=alice)))
    code = await ask_code(by=bob)
    for _ in range(2):
        answer = await bob.post(MINE, phone=PHONE, code=code)
        assert refusal(answer, 409) == "phone_taken"
    assert await shown(bob) is None

    data(await alice.delete(MINE))
    data(await bob.post(MINE, phone=PHONE, code=code))


async def test_of_ten_accounts_that_bind_one_number_at_once_one_gets_it(
    ctx: Context, visitor: Visitor, ask_code: AskCode
) -> None:
    people = [await visitor.log_in(f"person-{number}") for number in range(10)]
    codes = [await ask_code(by=person) for person in people]
    answers = await asyncio.gather(
        *(
            person.post(MINE, phone=PHONE, code=code)
            for person, code in zip(people, codes, strict=True)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert await ctx.db.fetchval("SELECT count(phone_index) FROM users") == 1


async def test_binding_waits_for_whoever_is_about_to_take_the_number(
    ctx: Context, alice: Visitor, bob: Visitor, ask_code: AskCode
) -> None:
    code = await ask_code(by=alice)
    async with ctx.db.transaction() as other:
        await other.execute(
            "UPDATE users SET phone_index = $1, phone_ciphertext = 'x' WHERE id = $2",
            ctx.index.of("phone", f"+86{PHONE}"),
            bob.user["id"],
        )
        mine = asyncio.create_task(alice.post(MINE, phone=PHONE, code=code))
        await somebody_waits_for_a_lock(ctx)

    assert refusal(await mine, 409) == "phone_taken"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phone": PHONE},
        {"code": "123456"},
        {"phone": PHONE, "code": "123456", "wechatCode": "x"},
        {"phone": PHONE, "wechatCode": "x"},
        {"code": "123456", "wechatCode": "x"},
        {"wechatCode": ""},
        {"wechatCode": "x" * 257},
        {"wechat_code": "x"},
    ],
)
async def test_neither_both_ways_nor_half_of_one(alice: Visitor, body: dict[str, str]) -> None:
    assert refusal(await alice.post(MINE, **body), 400) == "invalid_request"


async def test_unbinding_frees_the_number(
    ctx: Context, alice: Visitor, bob: Visitor, ask_code: AskCode
) -> None:
    data(await alice.post(MINE, phone=PHONE, code=await ask_code(by=alice)))

    assert data(await alice.delete(MINE)) == {"phone": None}
    assert await shown(alice) is None
    assert await ctx.db.fetchval("SELECT count(phone_ciphertext) FROM users") == 0
    assert data(await alice.delete(MINE)) == {"phone": None}
    data(await bob.post(MINE, phone=PHONE, code=await ask_code(by=bob)))


async def test_the_only_way_to_log_in_cannot_be_taken_away(
    visitor: Visitor, ask_code: AskCode
) -> None:
    answer = data(await visitor.post(LOGIN, phone=PHONE, code=await ask_code()))
    person = Visitor(visitor.client, answer["token"])

    assert refusal(await person.delete(MINE), 409) == "phone_is_only_login"
    assert await shown(person) == "138****8000"


async def test_whoever_is_gone_is_sent_no_code(
    ctx: Context, alice: Visitor, inbox: Inbox, clock: FrozenClock
) -> None:
    await ctx.db.execute("UPDATE users SET deleted_at = $1, version = 9", clock.now())

    assert refusal(await alice.post(CODE, phone=PHONE, purpose="bind"), 401) == "account_gone"
    assert inbox.sent == []


async def test_the_number_that_wechat_vouches_for_is_bound(
    carol: Visitor, fake_wechat: FakeWechat
) -> None:
    code = fake_wechat.share_phone(PHONE)

    assert data(await carol.post(MINE, wechatCode=code)) == {"phone": "138****8000"}
    assert fake_wechat.phone_requests == [{"code": code}]
    answer = await carol.post(MINE, wechatCode=code)
    assert refusal(answer, 400) == "invalid_wechat_phone_code"


async def test_a_number_from_abroad_comes_from_wechat_too(
    carol: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.phone_info = {"countryCode": "852"}
    code = fake_wechat.share_phone("91234567")

    assert data(await carol.post(MINE, wechatCode=code)) == {"phone": "+85****67"}


async def test_a_number_that_wechat_gives_to_another_app_is_not_taken(
    carol: Visitor, fake_wechat: FakeWechat
) -> None:
    fake_wechat.phone_info = {"watermark": {"timestamp": 1, "appid": "wx-another"}}
    with captured() as log:
        answer = await carol.post(MINE, wechatCode=fake_wechat.share_phone(PHONE))

    assert refusal(answer, 503) == "wechat_unavailable"
    assert "wechat_number_of_another_app" in {line["event"] for line in lines(log)}
    assert PHONE not in log.getvalue() + answer.text
    assert await shown(carol) is None


@pytest.mark.parametrize(
    ("errcodes", "status", "error", "logged"),
    [
        ([40029], 400, "invalid_wechat_phone_code", False),
        ([40163], 400, "invalid_wechat_phone_code", False),
        ([45011], 429, "wechat_rate_limited", False),
        ([47001], 503, "wechat_unavailable", True),
        ([48001], 503, "wechat_unavailable", True),
        ([-1, -1, -1], 503, "wechat_unavailable", False),
    ],
)
async def test_what_wechat_refuses(
    carol: Visitor,
    fake_wechat: FakeWechat,
    errcodes: list[int],
    status: int,
    error: str,
    logged: bool,
) -> None:
    fake_wechat.phone_failures = errcodes
    with captured() as log:
        answer = await carol.post(MINE, wechatCode=fake_wechat.share_phone(PHONE))

    assert refusal(answer, status) == error
    assert ("wechat_number_failed" in {line["event"] for line in lines(log)}) == logged
    assert PHONE not in log.getvalue()


@pytest.mark.parametrize("number", ["", "02112345678", "x"])
async def test_what_wechat_calls_a_number_is_looked_at(
    carol: Visitor, fake_wechat: FakeWechat, number: str
) -> None:
    answer = await carol.post(MINE, wechatCode=fake_wechat.share_phone(number))

    assert answer.status_code == (400 if number else 503)
    assert await shown(carol) is None


async def test_without_wechat_there_is_no_such_way(alice: Visitor) -> None:
    answer = await alice.post(MINE, wechatCode="code")

    assert refusal(answer, 503) == "wechat_not_configured"
