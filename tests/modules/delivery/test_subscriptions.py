"""/notifications/subscriptions: consents for WeChat messages, and what clients need to ask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.factories import Visitor, data, refusal
from tests.modules.delivery.conftest import KEY, Outward
from zxo.clients.web_push_crypto import encode, private_key, public_bytes

PATH = "/notifications/subscriptions"
Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def test_a_newcomer_sees_what_can_be_asked_for(outward: Outward, alice: Visitor) -> None:
    assert data(await alice.get(PATH)) == {
        "wechat": [
            {"template": "reminder", "templateId": "T-reminder", "credits": 0},
            {"template": "milestone", "templateId": "T-milestone", "credits": 0},
            {"template": "membership", "templateId": "T-member", "credits": 0},
        ],
        "webPushKey": encode(public_bytes(private_key(KEY))),
        "pushSubscriptions": [],
    }


async def test_consents_are_counted_by_template(outward: Outward, alice: Visitor) -> None:
    data(await alice.post(PATH, template="reminder", accepted=1), 201)
    data(await alice.post(PATH, template="milestone", accepted=10), 201)
    answer = data(await alice.post(PATH, template="reminder", accepted=2), 201)

    assert {t["template"]: t["credits"] for t in answer["wechat"]} == {
        "reminder": 3,
        "milestone": 10,
        "membership": 0,
    }
    assert answer == data(await alice.get(PATH))


async def test_everybody_has_credits_of_their_own(
    outward: Outward, alice: Visitor, bob: Visitor
) -> None:
    await outward.agree(alice, times=4)
    assert (await outward.credits(alice), await outward.credits(bob)) == (4, 0)


async def test_nobody_gets_more_than_a_hundred(outward: Outward, alice: Visitor) -> None:
    await asyncio.gather(*(alice.post(PATH, template="reminder", accepted=10) for _ in range(13)))
    assert await outward.credits(alice) == 100


async def test_the_same_request_sent_twice_counts_once(outward: Outward, alice: Visitor) -> None:
    for _ in range(2):
        answer = await alice.request(
            "POST",
            PATH,
            json={"template": "reminder", "accepted": 2},
            headers={"Idempotency-Key": "tap-1"},
        )
        data(answer, 201)
    assert await outward.credits(alice) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"template": "reminder"},
        {"accepted": 1},
        {"template": "reminder", "accepted": 0},
        {"template": "reminder", "accepted": -1},
        {"template": "reminder", "accepted": 11},
        {"template": "reminder", "accepted": 1.5},
        {"template": "reminder", "accepted": True},
        {"template": "reminder", "accepted": "1"},
        {"template": "Reminder", "accepted": 1},
        {"template": "T-reminder", "accepted": 1},
        {"template": None, "accepted": 1},
        {"template": "reminder", "accepted": 1, "userId": 1},
    ],
)
async def test_a_malformed_consent_is_refused(
    outward: Outward, alice: Visitor, body: dict[str, object], kept: Rows
) -> None:
    assert refusal(await alice.post(PATH, **body), 400) == "invalid_request"
    assert await kept("wechat_credits") == []


async def test_both_need_a_token(outward: Outward) -> None:
    stranger = Visitor(outward.client)
    assert refusal(await stranger.get(PATH), 401) == "unauthorized"
    answer = await stranger.post(PATH, template="reminder", accepted=1)
    assert refusal(answer, 401) == "unauthorized"


async def test_an_erased_account_can_agree_to_nothing(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.ctx.db.execute("DELETE FROM users")
    answer = await alice.post(PATH, template="reminder", accepted=1)
    assert refusal(answer, 401) == "account_gone"
    assert await kept("wechat_credits") == []


async def test_where_nothing_is_set_up_nothing_is_offered(
    visitor: Visitor,
) -> None:
    """The application of the other tests has neither WeChat nor a key."""
    person = await visitor.log_in("alice")
    found = data(await person.get(PATH))
    assert [t["templateId"] for t in found["wechat"]] == [None, None, None]
    assert found["webPushKey"] is None

    answer = await person.post(PATH, template="reminder", accepted=1)
    assert refusal(answer, 503) == "wechat_template_not_configured"
