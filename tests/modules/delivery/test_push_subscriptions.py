"""/notifications/push-subscriptions: browsers that want to be told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.push_service import Browser, b64
from tests.modules.delivery.conftest import Outward

PATH = "/notifications/push-subscriptions"
Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


def body(browser: Browser, **changes: object) -> dict[str, Any]:
    return {**browser.subscription(), **changes}


def keys(browser: Browser, **changes: object) -> dict[str, Any]:
    said = browser.subscription()
    return {**said, "keys": {**said["keys"], **changes}}


async def test_a_browser_is_listed_without_what_makes_it_reachable(
    outward: Outward, alice: Visitor
) -> None:
    browser = outward.push.browser()
    added = data(await alice.post(PATH, **body(browser)), 201)

    listed = data(await alice.get("/notifications/subscriptions"))["pushSubscriptions"]
    assert listed == [added]
    assert set(added) == {"id", "host", "createdAt"}
    assert (added["host"], added["createdAt"]) == ("127.0.0.1", "2025-12-01T01:00:00Z")


async def test_padding_and_an_expiry_are_accepted(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    browser = outward.push.browser()
    padded = keys(browser, p256dh=b64(browser.public) + "=", auth=b64(browser.auth) + "==")
    data(await alice.post(PATH, **{**padded, "expirationTime": 1_795_376_155_033}), 201)
    [row] = await kept("push_subscriptions")
    assert (row["p256dh"], row["auth"]) == (browser.public, browser.auth)


async def test_the_same_browser_again_stays_one_with_its_new_keys(
    outward: Outward, alice: Visitor
) -> None:
    browser = outward.push.browser()
    first = data(await alice.post(PATH, **body(browser)), 201)
    renewed = Browser(browser.endpoint)
    second = data(await alice.post(PATH, **body(renewed)), 201)
    assert first["id"] == second["id"]

    outward.push._browsers[browser.endpoint.removeprefix(outward.push.url)] = renewed
    await outward.tell(alice)
    assert outward.push.pushed[0].browser is renewed


async def test_a_browser_that_changed_hands_tells_only_who_holds_it_now(
    outward: Outward, alice: Visitor, bob: Visitor
) -> None:
    browser = outward.push.browser()
    data(await alice.post(PATH, **body(browser)), 201)
    data(await bob.post(PATH, **body(browser)), 201)

    await outward.tell(alice)
    assert outward.push.pushed == []
    await outward.tell(bob)
    assert len(outward.push.pushed) == 1
    assert data(await alice.get("/notifications/subscriptions"))["pushSubscriptions"] == []


async def test_the_oldest_of_eleven_goes(
    outward: Outward, alice: Visitor, clock: FrozenClock, kept: Rows
) -> None:
    browsers = [outward.push.browser() for _ in range(11)]
    for browser in browsers:
        data(await alice.post(PATH, **body(browser)), 201)
        clock.advance(seconds=1)
    data(await alice.post(PATH, **body(browsers[1])), 201)  # the oldest by id, the youngest by time
    data(await alice.post(PATH, **body(outward.push.browser())), 201)

    left = {row["endpoint"] for row in await kept("push_subscriptions")}
    assert len(left) == 10
    assert browsers[1].endpoint in left
    assert not left & {browsers[0].endpoint, browsers[2].endpoint}


async def test_thirty_browsers_at_once_are_ten(
    outward: Outward, alice: Visitor, bob: Visitor, kept: Rows
) -> None:
    await outward.open_browser(bob)
    bodies = [body(outward.push.browser()) for _ in range(30)]
    answers = await asyncio.gather(*(alice.post(PATH, **each) for each in bodies))
    assert {answer.status_code for answer in answers} == {201}
    owners = [row["user_id"] for row in await kept("push_subscriptions")]
    assert (owners.count(alice.user["id"]), owners.count(bob.user["id"])) == (10, 1)


async def test_two_people_who_claim_one_browser_at_once_leave_it_to_one(
    outward: Outward, alice: Visitor, bob: Visitor, kept: Rows
) -> None:
    browser = outward.push.browser()
    answers = await asyncio.gather(
        *(person.post(PATH, **body(browser)) for person in [alice, bob] * 5)
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await kept("push_subscriptions")) == 1


async def test_a_browser_is_told_no_longer_once_it_is_deleted(
    outward: Outward, alice: Visitor
) -> None:
    await outward.open_browser(alice)
    [added] = data(await alice.get("/notifications/subscriptions"))["pushSubscriptions"]
    assert data(await alice.delete(f"{PATH}/{added['id']}")) is None
    await outward.tell(alice)
    assert outward.push.tries == []
    answer = await alice.delete(f"{PATH}/{added['id']}")
    assert refusal(answer, 404) == "push_subscription_not_found"


async def test_somebody_elses_browser_cannot_be_deleted(
    outward: Outward, alice: Visitor, bob: Visitor, kept: Rows
) -> None:
    await outward.open_browser(alice)
    [row] = await kept("push_subscriptions")
    answer = await bob.delete(f"{PATH}/{row['id']}")
    assert refusal(answer, 404) == "push_subscription_not_found"
    assert len(await kept("push_subscriptions")) == 1


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63)])
async def test_what_can_be_no_id_is_malformed(
    outward: Outward, alice: Visitor, number: str
) -> None:
    assert refusal(await alice.delete(f"{PATH}/{number}"), 400) == "invalid_request"


ODD = Browser("")
POINT, AUTH = b64(ODD.public), b64(ODD.auth)


@pytest.mark.parametrize(
    "changes",
    [
        {"p256dh": POINT[:-1]},
        {"p256dh": POINT + "A"},
        {"p256dh": POINT[:-2] + "AA"},  # beside the curve
        {"p256dh": b64(b"\x04" + bytes(64))},
        {"p256dh": b64(b"\x02" + ODD.public[1:])},
        {"p256dh": POINT.replace("B", "+", 1)},
        {"p256dh": None},
        {"p256dh": 7},
        {"auth": AUTH[:-1]},
        {"auth": AUTH + "AA"},
        {"auth": ""},
        {"auth": None},
        {"secret": "x"},
    ],
)
async def test_keys_that_cannot_be_a_browsers_are_refused(
    outward: Outward, alice: Visitor, changes: dict[str, object], kept: Rows
) -> None:
    answer = await alice.post(PATH, **keys(outward.push.browser(), **changes))
    assert refusal(answer, 400) == "invalid_request"
    assert POINT[:40] not in answer.text
    assert await kept("push_subscriptions") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": ""},
        {"endpoint": None},
        {"endpoint": "https://fcm.googleapis.com/" + "x" * 2000},
        {"endpoint": "https://fcm.googleapis.com/a b"},
        {"endpoint": "https://fcm.googleapis.com/\r\nHost:"},
        {"endpoint": "https://fcm.googleapis.com/密"},
        {"keys": None},
        {"keys": {}},
        {"expirationTime": "soon"},
        {"options": {}},
    ],
)
async def test_what_is_no_subscription_is_refused(
    outward: Outward, alice: Visitor, changes: dict[str, object]
) -> None:
    answer = await alice.post(PATH, **body(outward.push.browser(), **changes))
    assert refusal(answer, 400) == "invalid_request"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com@evil.test/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com.evil.test/x",
        "file:///etc/passwd",
    ],
)
async def test_an_address_of_nobody_we_know_is_refused_and_never_asked(
    outward: Outward, alice: Visitor, endpoint: str, kept: Rows
) -> None:
    answer = await alice.post(PATH, **body(outward.push.browser(), endpoint=endpoint))
    assert refusal(answer, 400) == "push_service_not_allowed"
    assert "evil" not in answer.text
    assert await kept("push_subscriptions") == []


async def test_without_a_key_it_is_refused(visitor: Visitor) -> None:
    person = await visitor.log_in("alice")
    answer = await person.post(PATH, **body(Browser("https://fcm.googleapis.com/x")))
    assert refusal(answer, 503) == "web_push_not_configured"


async def test_an_erased_account_gets_no_messages(
    outward: Outward, alice: Visitor, kept: Rows
) -> None:
    await outward.ctx.db.execute("DELETE FROM users")
    answer = await alice.post(PATH, **body(outward.push.browser()))
    assert refusal(answer, 401) == "account_gone"
    assert await kept("push_subscriptions") == []
