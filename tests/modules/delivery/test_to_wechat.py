"""Notices as WeChat messages: one consent, one message."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data
from tests.modules.delivery.conftest import Outward

Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def test_a_reminder_reaches_the_phone_and_uses_up_one_consent(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.agree(alice, times=2)
    number = await outward.tell(alice)

    [message] = outward.wechat.messages
    assert message["touser"] == "oAlice"
    assert message["template_id"] == "T-reminder"
    assert message["page"] == "pages/index/index"
    assert message["data"] == {
        "thing4": {"value": "该打卡了"},
        "thing2": {"value": "今天是第 8 天"},
        "time3": {"value": "2025年12月1日 09:00"},
    }
    assert await outward.credits(alice) == 1
    assert await kept("notification_deliveries") == [
        {
            "user_id": alice.user["id"],
            "notification_id": number,
            "channel": "wechat",
            "created_at": datetime(2025, 12, 1, 1, tzinfo=UTC),
        }
    ]


async def test_times_are_those_where_the_person_lives(outward: Outward, alice: Visitor) -> None:
    data(await alice.put("/users/me/settings", timezone="America/New_York"))
    await outward.agree(alice)
    await outward.tell(alice)
    assert outward.wechat.messages[0]["data"]["time3"]["value"] == "2025年11月30日 20:00"


@pytest.mark.parametrize(
    ("kind", "template"),
    [
        ("check_in_reminder", "reminder"),
        ("milestone", "milestone"),
        ("rank_up", "milestone"),
        ("membership_expiring", "membership"),
        ("membership_expired", "membership"),
    ],
)
async def test_every_kind_of_notice_has_its_template(
    outward: Outward, alice: Visitor, kind: str, template: str
) -> None:
    for name in ("reminder", "milestone", "membership"):
        await outward.agree(alice, name)
    await outward.tell(alice, kind)

    assert len(outward.wechat.messages) == 1
    left = {name: await outward.credits(alice, name) for name in ("reminder", "milestone")}
    left["membership"] = await outward.credits(alice, "membership")
    assert left == {"reminder": 1, "milestone": 1, "membership": 1, template: 0}


@pytest.mark.parametrize("kind", ["rank_changed", "membership", "report_ready"])
async def test_wechat_is_not_told_of_anything_else(
    outward: Outward, alice: Visitor, kind: str
) -> None:
    for name in ("reminder", "milestone", "membership"):
        await outward.agree(alice, name)
    await outward.tell(alice, kind)
    assert outward.wechat.sends == []


async def test_a_long_text_is_cut_to_what_wechat_takes(outward: Outward, alice: Visitor) -> None:
    await outward.agree(alice)
    await outward.tell(alice, title="二" * 21, body="行\n" * 30)
    said = outward.wechat.messages[0]["data"]
    assert said["thing4"]["value"] == "二" * 19 + "…"
    assert len(said["thing2"]["value"]) == 20


async def test_a_notice_without_a_title_is_not_sent(outward: Outward, alice: Visitor) -> None:
    await outward.agree(alice)
    await outward.tell(alice, title="")
    assert outward.wechat.sends == []
    assert await outward.credits(alice) == 1


async def test_without_a_consent_wechat_is_not_asked(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.agree(alice, "milestone")
    await outward.tell(alice)
    assert outward.wechat.sends == []
    assert await kept("notification_deliveries") == []


async def test_a_consent_that_wechat_does_not_know_takes_all_credits_away(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice, times=5)
    outward.wechat.consents.clear()
    for _ in range(3):
        await outward.tell(alice)

    assert len(outward.wechat.sends) == 1
    assert await outward.credits(alice) == 0


@pytest.mark.parametrize("errcode", [40003, 40037, 47003, 41030, 45009, 45011, 1])
async def test_a_message_that_was_refused_leaves_the_credit(
    outward: Outward, alice: Visitor, errcode: int
) -> None:
    await outward.agree(alice)
    outward.wechat.send_failures = [errcode]
    await outward.tell(alice)

    assert (len(outward.wechat.sends), await outward.credits(alice)) == (1, 1)
    await outward.tell(alice)
    assert (len(outward.wechat.messages), await outward.credits(alice)) == (1, 0)


async def test_a_wechat_that_stays_busy_leaves_the_credit(outward: Outward, alice: Visitor) -> None:
    await outward.agree(alice)
    outward.wechat.send_failures = [-1] * 3
    await outward.tell(alice)
    assert (len(outward.wechat.sends), await outward.credits(alice)) == (3, 1)


async def test_no_access_token_leaves_the_credit(outward: Outward, alice: Visitor) -> None:
    await outward.agree(alice)
    outward.wechat.token_failures = [40164]
    await outward.tell(alice)
    assert (outward.wechat.sends, await outward.credits(alice)) == ([], 1)


async def test_a_lost_answer_uses_up_the_credit_and_nothing_is_sent_again(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice, times=3)
    await outward.tell(alice)
    outward.wechat.cut = True
    number = await outward.tell(alice)
    outward.wechat.cut = False
    await outward.deliver(alice, number)

    assert (len(outward.wechat.messages), await outward.credits(alice)) == (2, 1)


async def test_a_refused_message_is_not_tried_again_by_another_run_of_the_job(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice)
    outward.wechat.send_failures = [45009]
    number = await outward.tell(alice)
    await outward.deliver(alice, number)
    assert len(outward.wechat.sends) == 1


async def test_what_was_read_in_the_meantime_is_not_sent(
    outward: Outward, alice: Visitor, clock: FrozenClock
) -> None:
    await outward.agree(alice)
    number = await outward.notify(alice)
    await outward.ctx.db.execute("UPDATE notifications SET read_at = $1", clock.now())
    await outward.deliver(alice, number)
    assert outward.wechat.sends == []


async def test_what_is_half_a_day_old_is_not_sent(
    outward: Outward, alice: Visitor, clock: FrozenClock
) -> None:
    await outward.agree(alice, times=2)
    old = await outward.notify(alice)
    clock.advance(minutes=1)
    young = await outward.notify(alice)
    clock.advance(hours=11, minutes=59)
    await outward.deliver(alice, old, young)
    assert len(outward.wechat.messages) == 1


async def test_a_deleted_account_is_told_nothing(
    outward: Outward, alice: Visitor, clock: FrozenClock, kept: Rows
) -> None:
    await outward.agree(alice)
    number = await outward.notify(alice)
    await outward.ctx.db.execute("UPDATE users SET deleted_at = $1", clock.now())
    await outward.deliver(alice, number)
    assert outward.wechat.sends == []
    assert (await kept("wechat_credits"))[0]["credits"] == 1


async def test_an_erased_account_is_told_nothing_and_leaves_nothing(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.agree(alice, times=2)
    await outward.open_browser(alice)
    await outward.tell(alice)
    number = await outward.notify(alice)
    await outward.ctx.db.execute("DELETE FROM users")
    await outward.deliver(alice, number)

    assert len(outward.wechat.messages) == len(outward.push.pushed) == 1
    for table in ("wechat_credits", "push_subscriptions", "notification_deliveries"):
        assert await kept(table) == []
