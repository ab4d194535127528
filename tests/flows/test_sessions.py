"""A session that was ended is refused everywhere within a second, whatever happens to Valkey."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from tests.conftest import client_of, running
from tests.factories import FrozenClock, Visitor, data, refusal
from zxo.context import Context
from zxo.settings import Settings

SESSIONS = "/users/me/sessions"
WITHIN = 1.0
SLACK = 1.0  # a noisy machine

OtherProcess = Callable[[Visitor], Visitor]


async def refused(person: Visitor) -> tuple[httpx.Response, float]:
    """The first refusal, and the seconds until it came."""
    began = time.monotonic()
    while (answer := await person.get("/users/me")).status_code == 200:
        assert time.monotonic() - began < 10, "still let in"
        await asyncio.sleep(0.02)
    return answer, time.monotonic() - began


async def test_logging_out_is_seen_by_another_process_within_a_second(
    alice: Visitor, other_process: OtherProcess
) -> None:
    elsewhere = other_process(alice)
    data(await elsewhere.get("/users/me"))

    data(await alice.post("/auth/logout"))

    assert refusal(await alice.get("/users/me"), 401) == "session_ended"
    answer, seconds = await refused(elsewhere)
    assert refusal(answer, 401) == "session_ended"
    assert seconds < WITHIN + SLACK


async def test_a_lost_phone_is_locked_out_from_another_device(
    visitor: Visitor, other_process: OtherProcess
) -> None:
    lost = await visitor.log_in("alice")
    laptop = other_process(await visitor.log_in("alice"))
    sessions = data(await laptop.get(SESSIONS))["sessions"]
    session = next(item["id"] for item in sessions if not item["current"])

    data(await laptop.delete(f"{SESSIONS}/{session}"))

    answer, seconds = await refused(lost)
    assert refusal(answer, 401) == "session_ended"
    assert seconds < WITHIN + SLACK
    assert refusal(await lost.post("/auth/refresh"), 401) == "session_ended"
    data(await laptop.get("/users/me"))


async def test_an_ended_session_stays_ended_after_valkey_was_emptied(
    visitor: Visitor, ctx: Context, other_process: OtherProcess
) -> None:
    alice, witness = await visitor.log_in("alice"), await visitor.log_in("alice")
    data(await alice.post("/auth/logout"))
    await refused(other_process(alice))

    await ctx.valkey.flushall()

    assert refusal(await alice.get("/users/me"), 401) == "session_ended"
    assert refusal(await other_process(alice).get("/users/me"), 401) == "session_ended"
    data(await other_process(witness).get("/users/me"))


async def test_an_ended_session_stays_ended_in_a_process_that_started_later(
    alice: Visitor, ctx: Context, settings: Settings, clock: FrozenClock
) -> None:
    data(await alice.post("/auth/logout"))
    await ctx.valkey.flushall()

    clock.advance(days=3)  # the calendar of the people, not of the server, is what moved
    async with running(settings, clock) as later, client_of(later) as client:
        answer = await Visitor(client, alice.token).get("/users/me")
        assert refusal(answer, 401) == "session_ended"


@pytest.mark.parametrize("travel", [{"days": 5}, {"days": -300}])
async def test_ending_is_seen_in_time_whatever_the_clock_of_the_business_says(
    visitor: Visitor, other_process: OtherProcess, clock: FrozenClock, travel: dict[str, float]
) -> None:
    clock.advance(**travel)
    alice = await visitor.log_in("alice")
    elsewhere = other_process(alice)
    data(await elsewhere.get("/users/me"))

    data(await alice.post("/auth/logout"))

    _, seconds = await refused(elsewhere)
    assert seconds < WITHIN + SLACK


async def test_of_two_devices_that_end_one_session_at_once_one_is_told_so(
    visitor: Visitor, other_process: OtherProcess
) -> None:
    lost, phone, laptop = [await visitor.log_in("alice") for _ in range(3)]
    sessions = data(await lost.get(SESSIONS))["sessions"]
    session = next(item["id"] for item in sessions if item["current"])
    path = f"{SESSIONS}/{session}"

    answers = await asyncio.gather(phone.delete(path), other_process(laptop).delete(path))

    assert sorted(answer.status_code for answer in answers) == [200, 404]


async def test_a_token_that_is_exchanged_while_its_session_is_ended_does_not_outlive_it(
    visitor: Visitor, other_process: OtherProcess
) -> None:
    for _ in range(5):
        lost, phone = await visitor.log_in("alice"), await visitor.log_in("alice")
        sessions = data(await lost.get(SESSIONS))["sessions"]
        session = next(item["id"] for item in sessions if item["current"])

        exchanged, ended = await asyncio.gather(
            other_process(lost).post("/auth/refresh"), phone.delete(f"{SESSIONS}/{session}")
        )

        data(ended)
        if exchanged.status_code == 200:
            fresh = Visitor(lost.client, data(exchanged)["token"])
            assert refusal(await fresh.get("/users/me"), 401) == "session_ended"
        else:
            assert refusal(exchanged, 401) == "session_ended"
