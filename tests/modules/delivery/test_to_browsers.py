"""Notices to browsers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor
from tests.modules.delivery.conftest import Outward

Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def test_a_notice_reaches_every_browser_of_the_person_and_nobody_elses(
    outward: Outward, alice: Visitor, bob: Visitor
) -> None:
    phone, desk = await outward.open_browser(alice), await outward.open_browser(alice)
    await outward.open_browser(bob)
    number = await outward.tell(alice)

    assert {pushed.browser for pushed in outward.push.pushed} == {phone, desk}
    for pushed in outward.push.pushed:
        assert pushed.said == {
            "id": number,
            "type": "check_in_reminder",
            "title": "该打卡了",
            "body": "今天是第 8 天",
        }


async def test_a_reminder_is_soon_stale_and_replaces_one_that_waits(
    outward: Outward, alice: Visitor
) -> None:
    await outward.open_browser(alice)
    await outward.tell(alice)
    await outward.tell(alice, "milestone")

    reminder, milestone = (pushed.headers for pushed in outward.push.pushed)
    assert (reminder["ttl"], reminder["topic"]) == (str(6 * 3600), "reminder")
    assert milestone["ttl"] == str(3 * 86_400)
    assert "topic" not in milestone


async def test_a_notice_that_wechat_has_no_template_for_reaches_browsers_all_the_same(
    outward: Outward, alice: Visitor
) -> None:
    await outward.open_browser(alice)
    await outward.tell(alice, "report_ready")
    assert outward.push.pushed[0].said["type"] == "report_ready"


async def test_both_ways_are_used_where_the_person_agreed_to_both(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.agree(alice)
    await outward.open_browser(alice)
    await outward.tell(alice)

    assert len(outward.push.pushed) == len(outward.wechat.messages) == 1
    channels = [row["channel"] for row in await kept("notification_deliveries")]
    assert sorted(channels) == ["web_push", "wechat"]


async def test_however_long_the_text_is_it_fits(outward: Outward, alice: Visitor) -> None:
    await outward.open_browser(alice)
    await outward.tell(alice, title="😀" * 500, body='"\\' * 5000)

    said = outward.push.pushed[0].said
    assert said["title"] == "😀" * 79 + "…"
    assert len(said["body"]) == 300


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten_and_the_others_are_told(
    outward: Outward, alice: Visitor, kept: Rows, status: int
) -> None:
    gone, here = await outward.open_browser(alice), await outward.open_browser(alice)
    gone.status = status
    await outward.tell(alice)
    await outward.tell(alice)

    assert [pushed.browser for pushed in outward.push.pushed] == [here, here]
    assert [row["endpoint"] for row in await kept("push_subscriptions")] == [here.endpoint]
    assert len(outward.push.tries) == 3


@pytest.mark.parametrize("status", [403, 413, 429, 500])
async def test_a_browser_that_could_not_be_told_is_kept(
    outward: Outward, alice: Visitor, kept: Rows, status: int
) -> None:
    browser = await outward.open_browser(alice)
    browser.status = status
    await outward.tell(alice)
    assert len(await kept("push_subscriptions")) == 1

    browser.status = None
    await outward.tell(alice)
    assert len(outward.push.pushed) == 1


async def test_a_service_that_hangs_up_is_not_asked_again(outward: Outward, alice: Visitor) -> None:
    await outward.open_browser(alice)
    outward.push.cut = True
    number = await outward.tell(alice)
    outward.push.cut = False
    await outward.deliver(alice, number)
    assert len(outward.push.tries) == 1


async def test_one_persons_trouble_does_not_keep_the_others(
    outward: Outward, alice: Visitor, bob: Visitor
) -> None:
    broken, fine = await outward.open_browser(alice), await outward.open_browser(bob)
    broken.status = 500
    numbers = await outward.notify(alice), await outward.notify(bob)
    await outward.deliver(alice, *numbers)
    assert [pushed.browser for pushed in outward.push.pushed] == [fine]


async def test_who_has_no_browser_leaves_no_claim(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.tell(alice)
    assert await kept("notification_deliveries") == []


async def test_a_deleted_account_is_told_nothing(
    outward: Outward, alice: Visitor, clock: FrozenClock
) -> None:
    await outward.open_browser(alice)
    number = await outward.notify(alice)
    await outward.ctx.db.execute("UPDATE users SET deleted_at = $1", clock.now())
    await outward.deliver(alice, number)
    assert outward.push.tries == []


async def test_a_notice_that_was_erased_is_passed_over(outward: Outward, alice: Visitor) -> None:
    await outward.open_browser(alice)
    number = await outward.notify(alice)
    await outward.ctx.db.execute("DELETE FROM notifications")
    await outward.deliver(alice, number, number + 1)
    assert outward.push.tries == []
