"""GET /redeem-codes/history, and the codes that everybody knows."""

import pytest

from tests.conftest import client_of, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.membership.conftest import Make, redeem, refused, stored
from zxo.context import Context
from zxo.settings import Settings

NOT_FOUND = ("redeem_code_not_found", "兑换码不存在")
DOWNGRADE = ("membership_downgrade", "您的 AI 权限尚未到期，不能兑换 VIP")


async def test_the_history_is_masked_and_in_pages_newest_first(
    alice: Visitor, bob: Visitor, make: Make, clock: FrozenClock
) -> None:
    texts = [await make(duration_days=1), await make(code_type="makeup_card", makeup_card_count=1)]
    texts.append(await make(text="WINTER-25"))
    for text in texts:
        await redeem(alice, text)
        clock.advance(hours=1)
    await redeem(bob, await make())
    page = data(await alice.get("/redeem-codes/history", limit=2))
    assert page["usages"] == [
        {"code": "WI****", "codeType": "vip", "usedAt": "2025-12-01T03:00:00Z"},
        {
            "code": f"{texts[1][:4]}****",
            "codeType": "makeup_card",
            "usedAt": "2025-12-01T02:00:00Z",
        },
    ]
    last = data(await alice.get("/redeem-codes/history", limit=2, cursor=page["nextCursor"]))
    assert last == {
        "usages": [
            {"code": f"{texts[0][:4]}****", "codeType": "vip", "usedAt": "2025-12-01T01:00:00Z"}
        ],
        "nextCursor": None,
    }


@pytest.mark.parametrize("cursor", ["x", "MA", "LTE", "Ilwi", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_cursor_is_one_that_was_given_out(alice: Visitor, cursor: str) -> None:
    answer = await alice.get("/redeem-codes/history", cursor=cursor)
    assert refusal(answer, 400) == "invalid_cursor"


async def test_built_in_codes_work_any_number_of_times(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    assert (await redeem(alice, "vip"))["expiryAfter"] == "2025-12-05T01:00:00Z"
    assert (await redeem(alice, "VIP"))["expiryAfter"] == "2025-12-09T01:00:00Z"
    assert await redeem(alice, "S-VIP") == {
        "codeType": "ai",
        "memberTypeBefore": "vip",
        "memberTypeAfter": "ai",
        "expiryBefore": "2025-12-09T01:00:00Z",
        "expiryAfter": "2026-03-01T01:00:00Z",
        "durationDays": 90,
    }
    assert await refused(alice, "VIP", 409) == DOWNGRADE
    assert await redeem(alice, "zxo") == {
        "codeType": "free",
        "memberTypeBefore": "ai",
        "memberTypeAfter": "free",
        "expiryBefore": "2026-03-01T01:00:00Z",
        "expiryAfter": None,
        "durationDays": None,
    }
    assert (await redeem(alice, "ZXO"))["memberTypeAfter"] == "free"
    assert (await stored(ctx, alice))["member_expiry_at"] is None
    assert (await redeem(alice, "VIP"))["memberTypeAfter"] == "vip"
    history = data(await alice.get("/redeem-codes/history"))["usages"]
    assert [usage["code"] for usage in history] == ["VIP", "ZXO", "ZXO", "SVIP", "VIP", "VIP"]


async def test_without_the_setting_built_in_codes_are_codes_like_any_other(
    alice: Visitor, settings: Settings, clock: FrozenClock
) -> None:
    without = settings.model_copy(update={"built_in": False})
    async with running(without, clock) as app, client_of(app) as client:
        person = Visitor(client, alice.token)
        for text in ("ZXO", "VIP", "SVIP"):
            assert await refused(person, text, 404) == NOT_FOUND
