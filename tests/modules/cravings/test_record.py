"""POST /cravings and DELETE /cravings/{id}."""

from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from zxo.context import Context


async def test_a_craving_answers_as_specified(alice: Visitor, clock: FrozenClock) -> None:
    clock.set("2025-12-01T10:30:00Z")
    said = {"intensity": 3, "triggerType": "stress", "triggerNote": "工作压力大"}
    recorded = data(await alice.post("/cravings", **said))
    assert recorded.pop("id") >= 1
    assert recorded == {
        "recordedAt": "2025-12-01T10:30:00Z",
        "recordedDate": "2025-12-01",
        "recordedHour": 18,  # in Shanghai, where she lives
        **said,
    }


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"intensity": null}'])
async def test_one_tap_is_enough(alice: Visitor, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await alice.request("POST", "/cravings", content=content, headers=headers)
    recorded = data(answer)
    assert recorded["recordedHour"] == 9
    assert [recorded[name] for name in ("intensity", "triggerType", "triggerNote")] == [None] * 3


@pytest.mark.parametrize(
    "said",
    [
        {"intensity": 1},
        {"intensity": 5},
        *({"triggerType": kind} for kind in ("stress", "social", "habit", "other")),
        {"triggerNote": ""},
        {"triggerNote": "𠮷" * 500},  # outside the basic plane: 500 code points, 2000 bytes
        {"triggerNote": "<script>alert(1)</script>\n'; DROP TABLE users;--"},
    ],
)
async def test_what_is_said_comes_back_as_it_was_said(alice: Visitor, said: dict[str, Any]) -> None:
    data(await alice.post("/cravings", **said))
    [record] = data(await alice.get("/cravings"))["records"]
    assert said.items() <= record.items()


async def test_a_note_is_counted_in_its_normal_form(alice: Visitor) -> None:
    note = "e\u0301" * 500  # a thousand code points, 500 once composed
    assert data(await alice.post("/cravings", triggerNote=note))["triggerNote"] == "é" * 500


@pytest.mark.parametrize(
    "body",
    [
        {"intensity": 0},
        {"intensity": 6},
        {"intensity": -1},
        {"intensity": 10**30},
        {"intensity": 2.5},
        {"intensity": 3.0},
        {"intensity": "3"},
        {"intensity": True},
        {"triggerType": "boredom"},
        {"triggerType": "Stress"},
        {"triggerType": ""},
        {"triggerType": 1},
        {"triggerNote": "𠮷" * 501},
        {"triggerNote": 5},
        {"triggerNote": "a\u0000b"},
        {"recordedAt": "2025-11-01T00:00:00Z"},
        {"trigger_type": "stress"},
    ],
)
async def test_anything_else_is_refused_and_nothing_is_kept(
    alice: Visitor, body: dict[str, Any]
) -> None:
    assert refusal(await alice.post("/cravings", **body), 400) == "invalid_request"
    assert data(await alice.get("/cravings"))["records"] == []


@pytest.mark.parametrize(
    ("zone", "instant", "day", "hour"),
    [
        ("Asia/Shanghai", "2025-12-01T15:59:59.999Z", "2025-12-01", 23),
        ("Asia/Shanghai", "2025-12-01T16:00:00Z", "2025-12-02", 0),
        ("America/New_York", "2025-12-01T04:59:59Z", "2025-11-30", 23),
        ("America/New_York", "2025-12-01T05:00:00Z", "2025-12-01", 0),
        # On 9 March 2025 the hour from 2 to 3 is missing, on 2 November there are two from 1 to 2.
        ("America/New_York", "2025-03-09T06:59:59Z", "2025-03-09", 1),
        ("America/New_York", "2025-03-09T07:00:00Z", "2025-03-09", 3),
        ("America/New_York", "2025-11-02T05:30:00Z", "2025-11-02", 1),
        ("America/New_York", "2025-11-02T06:30:00Z", "2025-11-02", 1),
        ("Asia/Kolkata", "2025-12-01T18:29:59Z", "2025-12-01", 23),
        ("Asia/Kolkata", "2025-12-01T18:30:00Z", "2025-12-02", 0),
        ("Pacific/Kiritimati", "2025-12-01T10:00:00Z", "2025-12-02", 0),
    ],
)
async def test_date_and_hour_are_those_where_the_person_lives(
    visitor: Visitor, clock: FrozenClock, zone: str, instant: str, day: str, hour: int
) -> None:
    clock.set(instant)
    alice = await visitor.log_in("alice")
    data(await alice.put("/users/me/settings", timezone=zone))
    recorded = data(await alice.post("/cravings"))
    assert (recorded["recordedDate"], recorded["recordedHour"]) == (day, hour)


async def test_an_idempotency_key_keeps_a_double_tap_from_counting_twice(alice: Visitor) -> None:
    headers = {"Idempotency-Key": "tap"}
    first = await alice.request("POST", "/cravings", headers=headers)
    again = await alice.request("POST", "/cravings", headers=headers)
    assert data(first)["id"] == data(again)["id"]
    assert data(await alice.get("/cravings"))["summary"]["totalCount"] == 1


async def test_one_of_ones_own_is_deleted_once(alice: Visitor) -> None:
    kept, gone = [data(await alice.post("/cravings"))["id"] for _ in range(2)]
    assert data(await alice.delete(f"/cravings/{gone}")) is None
    assert refusal(await alice.delete(f"/cravings/{gone}"), 404) == "craving_not_found"
    left = data(await alice.get("/cravings"))
    assert [record["id"] for record in left["records"]] == [kept]
    assert left["summary"]["totalCount"] == 1


async def test_somebody_elses_is_not_there(alice: Visitor, bob: Visitor) -> None:
    bobs = data(await bob.post("/cravings"))["id"]
    assert refusal(await alice.delete(f"/cravings/{bobs}"), 404) == "craving_not_found"
    assert data(await bob.get("/cravings"))["summary"]["totalCount"] == 1


async def test_an_old_one_is_found_by_its_id_alone(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    craving = data(await alice.post("/cravings"))["id"]
    clock.advance(days=500)
    alice = await alice.log_in("alice")
    assert data(await alice.delete(f"/cravings/{craving}")) is None
    assert await ctx.db.fetchval("SELECT count(*) FROM craving_records") == 0


@pytest.mark.parametrize(
    "craving", ["0", "-1", "abc", "1.5", "1e3", str(2**63), "9" * 60, "%F0%9F%9A%AC"]
)
async def test_what_cannot_be_an_id_is_refused(alice: Visitor, craving: str) -> None:
    assert refusal(await alice.delete(f"/cravings/{craving}"), 400) == "invalid_request"


async def test_the_largest_id_is_merely_not_there(alice: Visitor) -> None:
    answer = await alice.delete(f"/cravings/{2**63 - 1}")
    assert refusal(answer, 404) == "craving_not_found"
