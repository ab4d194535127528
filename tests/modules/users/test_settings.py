"""GET and PUT /users/me/settings: every field, every bound, every type."""

from typing import Any

import pytest

from tests.factories import Visitor, data, refusal
from zxo.context import Context

SETTINGS = "/users/me/settings"
DEFAULTS = {
    "smokingYears": None,
    "dailyAmount": 20,
    "pricePerPack": 20.0,
    "cigarettesPerPack": 20,
    "enableCheckInReminder": True,
    "checkInReminderTime": "09:00",
    "enableMilestoneNotification": True,
    "showInRanking": True,
    "allowFriendView": True,
    "timezone": "Asia/Shanghai",
    "quitAt": None,
}
SWITCHES = (
    "enableCheckInReminder",
    "enableMilestoneNotification",
    "showInRanking",
    "allowFriendView",
)

ANOTHER_CHANGE = {"allowFriendView": False}  # good in itself

GOOD: dict[str, list[Any]] = {
    "smokingYears": ["1年以下", "1-3年", "3-5年", "5-10年", "10年以上", None],
    "dailyAmount": [1, 200],
    "pricePerPack": [0.01, 20, 25.5, 9999, 100.1],
    "cigarettesPerPack": [1, 100],
    **{switch: [False, True] for switch in SWITCHES},
    "checkInReminderTime": ["00:00", "09:05", "19:59", "23:59"],
    "timezone": ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Asia/Urumqi"],
    "quitAt": ["2025-11-30T08:00:00Z", "2025-12-01T01:00:00Z", "1900-01-01T00:00:00Z", None],
}

BAD: dict[str, list[Any]] = {
    "smokingYears": ["", "2年", "1-3", "1年以下 ", 3, True, [], {}, ["1-3年"]],
    "dailyAmount": [0, 201, -1, 10**30, 20.0, 20.5, "20", True, None, [20], {}],
    "pricePerPack": [0, -1, 0.001, 25.555, 9999.01, 1e300, 1e-9, "20", "", True, None, [20], {}],
    "cigarettesPerPack": [0, 101, -5, 20.0, "20", False, None, [], {}],
    **{switch: [0, 1, "true", "", None, [], {}] for switch in SWITCHES},
    "checkInReminderTime": [
        *("", "9:00", "24:00", "12:60", "09:00:00", "09:00Z", " 09:00", "09:00\n", "٠٩:٠٠"),
        *(540, None, True, [], {}),
    ],
    "timezone": [
        *("", "Mars/Olympus", "asia/shanghai", "+08:00", "localtime", "Factory", "posixrules"),
        *("../../etc/passwd", "Asia/Shanghai\x00", "/etc/localtime", " UTC"),
        *(8, None, True, [], {}),
    ],
    "quitAt": [
        *(
            "",
            "yesterday",
            "2025-11-30",
            "2025-11-30T08:00:00",
            "1764550800",
            "2025-13-01T00:00:00Z",
        ),
        *("1899-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2025-11-30T08:00:00+99:00", "2025-02-29T00:00:00Z", "2025-11-30T25:00:00Z"),
        *(1764550800, 1764550800.5, True, [], {}),
    ],
}


async def test_a_newcomer_has_the_usual_settings(alice: Visitor) -> None:
    answer = await alice.get(SETTINGS)

    assert data(answer) == DEFAULTS
    assert '"pricePerPack":20.00,' in answer.text


def test_every_setting_is_tried() -> None:
    assert GOOD.keys() == BAD.keys() == DEFAULTS.keys()


@pytest.mark.parametrize("field", GOOD)
async def test_a_setting_takes_what_it_should_and_leaves_the_others(
    alice: Visitor, field: str
) -> None:
    for value in GOOD[field]:
        expected = {**DEFAULTS, field: value}

        assert data(await alice.put(SETTINGS, **{field: value})) == expected
        assert data(await alice.get(SETTINGS)) == expected


@pytest.mark.parametrize("field", BAD)
async def test_a_setting_refuses_what_it_should_and_nothing_changes(
    alice: Visitor, field: str
) -> None:
    for value in BAD[field]:
        answer = await alice.put(SETTINGS, **{**ANOTHER_CHANGE, field: value})

        assert answer.status_code == 400, value
        assert refusal(answer, 400) == "invalid_request"
        assert field in answer.json()["error"] or "control" in answer.json()["error"]
    assert data(await alice.get(SETTINGS)) == DEFAULTS


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
async def test_a_price_is_a_number_that_json_has(alice: Visitor, number: str) -> None:
    answer = await alice.request(
        "PUT",
        SETTINGS,
        content=f'{{"pricePerPack": {number}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )

    refusal(answer, 400)
    assert data(await alice.get(SETTINGS)) == DEFAULTS


async def test_a_price_is_shown_as_a_number_with_two_decimals(alice: Visitor) -> None:
    answer = await alice.put(SETTINGS, pricePerPack=25.5)

    assert '"pricePerPack":25.50,' in answer.text


async def test_several_settings_change_at_once(alice: Visitor) -> None:
    change = {
        "smokingYears": "5-10年",
        "dailyAmount": 25,
        "pricePerPack": 25.0,
        "cigarettesPerPack": 20,
    }

    assert data(await alice.put(SETTINGS, **change)) == {**DEFAULTS, **change}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2025-11-30T08:00:00+08:00", "2025-11-30T00:00:00Z"),
        ("2025-11-30T00:00:00.123456-05:00", "2025-11-30T05:00:00.123456Z"),
        ("2025-12-01T09:00:00+08:00", "2025-12-01T01:00:00Z"),
    ],
)
async def test_the_last_cigarette_is_kept_in_utc(alice: Visitor, given: str, kept: str) -> None:
    assert data(await alice.put(SETTINGS, quitAt=given))["quitAt"] == kept
    assert data(await alice.get(SETTINGS))["quitAt"] == kept


@pytest.mark.parametrize(
    "instant", ["2025-12-01T01:00:00.001Z", "2025-12-01T09:00:01+08:00", "2999-01-01T00:00:00Z"]
)
async def test_the_last_cigarette_does_not_lie_in_the_future(alice: Visitor, instant: str) -> None:
    answer = await alice.put(SETTINGS, quitAt=instant, dailyAmount=5)

    assert refusal(answer, 400) == "quit_at_in_future"
    assert data(await alice.get(SETTINGS)) == DEFAULTS


@pytest.mark.parametrize("field", ["smokingYears", "quitAt"])
async def test_null_clears_what_may_be_unknown(alice: Visitor, field: str) -> None:
    data(await alice.put(SETTINGS, smokingYears="3-5年", quitAt="2025-11-30T08:00:00Z"))

    assert data(await alice.put(SETTINGS, **{field: None}))[field] is None


@pytest.mark.parametrize("field", ["daily_amount", "userId", "version", "updatedAt", ""])
async def test_a_field_that_there_is_not_is_refused(alice: Visitor, field: str) -> None:
    answer = await alice.put(SETTINGS, **{field: 5})

    assert refusal(answer, 400) == "invalid_request"
    assert "unknown field" in answer.json()["error"]


async def test_what_is_already_so_is_no_change(alice: Visitor, ctx: Context) -> None:
    change = {"dailyAmount": 5, "pricePerPack": 9.9, "timezone": "UTC", "quitAt": None}
    first = data(await alice.put(SETTINGS, **change))
    version = await ctx.db.fetchval("SELECT version FROM users")
    events = await ctx.db.fetchval("SELECT count(*) FROM outbox")

    assert data(await alice.put(SETTINGS)) == first
    assert data(await alice.put(SETTINGS, **change)) == first
    assert await ctx.db.fetchval("SELECT version FROM users") == version
    assert await ctx.db.fetchval("SELECT count(*) FROM outbox") == events


async def test_the_zone_decides_at_once_which_day_it_is(alice: Visitor) -> None:
    data(await alice.put(SETTINGS, timezone="America/Los_Angeles"))

    assert data(await alice.get("/users/me"))["timezone"] == "America/Los_Angeles"
    assert data(await alice.post("/check-in"))["checkInDate"] == "2025-11-30"
