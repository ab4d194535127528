"""GET /cravings: the span, the pages, and the summary of the whole span."""

import base64
import json
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal


async def feel(person: Visitor, clock: FrozenClock, local: str, **said: Any) -> int:
    """A craving at a time in Shanghai; its id. Within the seven days of a token."""
    clock.set(f"{local}+08:00")
    return int(data(await person.post("/cravings", **said))["id"])


async def ids(person: Visitor, **query: Any) -> list[int]:
    return [record["id"] for record in data(await person.get("/cravings", **query))["records"]]


def forged(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


async def test_the_list_answers_as_specified(alice: Visitor, clock: FrozenClock) -> None:
    craving = await feel(alice, clock, "2025-12-01T18:30:00", intensity=3)
    assert data(await alice.get("/cravings", startDate="2025-11-25", endDate="2025-12-01")) == {
        "records": [
            {
                "id": craving,
                "recordedAt": "2025-12-01T10:30:00Z",
                "recordedDate": "2025-12-01",
                "recordedHour": 18,
                "intensity": 3,
                "triggerType": None,
                "triggerNote": None,
            }
        ],
        "summary": {"totalCount": 1, "avgIntensity": 3.0, "peakHours": [18]},
        "nextCursor": None,
    }


async def test_without_cravings_the_summary_is_empty(alice: Visitor) -> None:
    assert data(await alice.get("/cravings")) == {
        "records": [],
        "summary": {"totalCount": 0, "avgIntensity": None, "peakHours": []},
        "nextCursor": None,
    }


async def test_only_ones_own_are_listed_newest_first(
    alice: Visitor, bob: Visitor, clock: FrozenClock
) -> None:
    await feel(bob, clock, "2025-12-01T09:00:00")
    mine = [await feel(alice, clock, f"2025-12-0{day}T09:00:00") for day in (1, 2, 2, 3)]
    assert await ids(alice) == mine[::-1]


async def test_both_ends_of_a_span_are_dates_where_the_person_lives(
    alice: Visitor, clock: FrozenClock
) -> None:
    await feel(alice, clock, "2025-12-01T23:59:59")
    first = await feel(alice, clock, "2025-12-02T00:00:00")
    last = await feel(alice, clock, "2025-12-03T23:59:59")
    await feel(alice, clock, "2025-12-04T00:00:00")
    assert await ids(alice, startDate="2025-12-02", endDate="2025-12-03") == [last, first]
    assert await ids(alice, startDate="2025-12-02", endDate="2025-12-02") == [first]


async def test_where_nothing_is_asked_the_last_seven_days_are_meant(
    visitor: Visitor, clock: FrozenClock
) -> None:
    clock.set("2025-11-24T12:00:00+08:00")
    alice = await visitor.log_in("alice")
    await feel(alice, clock, "2025-11-24T23:59:59")
    within = await feel(alice, clock, "2025-11-25T00:00:00")
    clock.set("2025-12-01T09:00:00+08:00")
    alice = await visitor.log_in("alice")
    assert await ids(alice) == [within]
    assert len(await ids(alice, startDate="2025-11-24")) == 2  # until today
    assert len(await ids(alice, endDate="2025-11-30")) == 2  # the seven days that end then
    assert await ids(alice, endDate="0001-01-01") == []


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2025-12-02", "2025-12-01"),
        ("2025-12-02", None),  # after today
        ("2024-12-01", "2025-12-02"),  # 367 days
        ("0001-01-01", "9999-12-31"),
        ("2024-11-30", None),
    ],
)
async def test_a_span_backwards_or_over_a_year_is_refused(
    alice: Visitor, first: str, last: str | None
) -> None:
    query = {"startDate": first, **({"endDate": last} if last else {})}
    assert refusal(await alice.get("/cravings", **query), 400) == "invalid_date_span"


async def test_a_span_of_366_days_is_answered(alice: Visitor) -> None:
    assert await ids(alice, startDate="2024-12-01", endDate="2025-12-01") == []
    assert await ids(alice, startDate="2024-02-29", endDate="2025-02-28") == []


@pytest.mark.parametrize(
    "query",
    [
        {"startDate": "2025-11-31"},
        {"startDate": "1764460800"},
        {"startDate": "2025-12-01T00:00:00Z"},
        {"endDate": "20251201"},
        {"endDate": ""},
        {"endDate": "tomorrow"},
        {"limit": 0},
        {"limit": 101},
        {"limit": -1},
        {"limit": "all"},
        {"cursor": "x" * 201},
    ],
)
async def test_a_malformed_query_is_refused(alice: Visitor, query: dict[str, Any]) -> None:
    assert refusal(await alice.get("/cravings", **query), 400) == "invalid_request"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "游标",
        forged({}),
        forged(["2025-12-01"]),
        forged(["2025-12-01", "1"]),
        forged(["2025-13-01", 1]),
        forged(["2025-12-01", 0]),
        forged(["2025-12-01", 2**63]),
        forged(["2025-12-01", 10**40]),
        forged(["2025-12-01", 1.5]),
    ],
)
async def test_a_cursor_that_was_never_given_out_is_refused(alice: Visitor, cursor: str) -> None:
    assert refusal(await alice.get("/cravings", cursor=cursor), 400) == "invalid_cursor"


async def test_pages_neither_lose_nor_repeat_while_new_ones_come_in(
    alice: Visitor, clock: FrozenClock
) -> None:
    known = [
        await feel(alice, clock, f"2025-12-0{day}T{hour:02}:00:00")
        for day in (1, 2, 3)
        for hour in (8, 8, 20)
    ]
    span = {"startDate": "2025-12-01", "endDate": "2025-12-07"}
    seen: list[int] = []
    query: dict[str, Any] = {**span, "limit": 2}
    while True:
        page = data(await alice.get("/cravings", **query))
        seen += [record["id"] for record in page["records"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
        await feel(alice, clock, "2025-12-04T08:00:00")
    assert seen == known[::-1]
    assert page["summary"]["totalCount"] == len(known) + 4  # of the span, whatever the page


async def test_a_full_last_page_has_no_cursor(alice: Visitor, clock: FrozenClock) -> None:
    for hour in range(4):
        await feel(alice, clock, f"2025-12-01T1{hour}:00:00")
    assert data(await alice.get("/cravings", limit=4))["nextCursor"] is None
    page = data(await alice.get("/cravings", limit=2))
    assert page["nextCursor"] is not None
    rest = data(await alice.get("/cravings", limit=2, cursor=page["nextCursor"]))
    assert (len(rest["records"]), rest["nextCursor"]) == (2, None)


async def test_fifty_come_where_no_limit_is_asked(alice: Visitor) -> None:
    for _ in range(51):
        data(await alice.post("/cravings"))
    page = data(await alice.get("/cravings"))
    assert len(page["records"]) == 50
    assert len(await ids(alice, cursor=page["nextCursor"])) == 1
    assert len(await ids(alice, limit=100)) == 51


async def test_the_summary_is_of_the_whole_span(alice: Visitor, clock: FrozenClock) -> None:
    busy = {7: 1, 10: 3, 14: 2, 20: 2, 22: 2}
    for hour, count in busy.items():
        for _ in range(count):
            await feel(alice, clock, f"2025-12-01T{hour:02}:00:00")
    page = data(await alice.get("/cravings", limit=1))
    assert page["summary"] == {
        "totalCount": 10,
        "avgIntensity": None,
        "peakHours": [10, 14, 20],  # 22 is as busy as 20, and later
    }


@pytest.mark.parametrize(
    ("intensities", "average"),
    [([1, None, 2], 1.5), ([2, 2, 2, 3, None], 2.3), ([1, 1, 2], 1.3), ([5, None, None], 5.0)],
)
async def test_the_average_ignores_what_states_no_intensity(
    alice: Visitor, intensities: list[int | None], average: float
) -> None:
    for intensity in intensities:
        data(await alice.post("/cravings", intensity=intensity))
    assert data(await alice.get("/cravings"))["summary"]["avgIntensity"] == average
    day = data(await alice.get("/cravings/stats"))["dailyStats"][0]
    assert (day["count"], day["avgIntensity"]) == (len(intensities), average)
