"""How many sockets there may be, and which are closed by the server."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI

from tests.conftest import make_settings, running
from tests.factories import FrozenClock, Visitor
from tests.kit.processes import until
from tests.modules.notifications.socket_client import Client, connected, tell
from zxo import embedded
from zxo.context import Context
from zxo.kit import sockets
from zxo.kit.seats import Seats
from zxo.settings import Settings


async def many(stack: AsyncExitStack, app: FastAPI, person: Visitor, count: int) -> list[Client]:
    return [await stack.enter_async_context(connected(app, person)) for _ in range(count)]


async def seats_of(ctx: Context, person: Visitor) -> int:
    return int(await ctx.valkey.zcard(f"zxo:sockets:{person.user['id']}"))


async def test_the_sixth_socket_of_a_person_closes_the_first(
    app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor
) -> None:
    async with AsyncExitStack() as stack:
        his = (await many(stack, app, bob, 1))[0]
        hers = await many(stack, app, alice, 6)
        assert await hers[0].end(within=1) == (4409, "too_many_sockets")
        await tell(ctx, alice, "a")
        for client in hers[1:]:
            assert (await client.event())["data"] == {"text": "a"}
        assert not his.closed.done()


async def test_five_sockets_are_five_over_all_processes(
    app: FastAPI, second_app: FastAPI, ctx: Context, alice: Visitor, clock: FrozenClock
) -> None:
    async with AsyncExitStack() as stack:
        first = await many(stack, app, alice, 3)

        async def seated() -> bool:
            return await seats_of(ctx, alice) == 3

        await until(seated)
        clock.advance(seconds=1)
        second = await many(stack, second_app, alice, 3)
        assert await first[0].end(within=2) == (4409, "too_many_sockets")
        await asyncio.sleep(0.6)
        assert not any(client.closed.done() for client in (*first[1:], *second))
        assert await seats_of(ctx, alice) == 5


async def test_a_socket_that_must_yield_and_was_not_told_does_so_at_its_next_heartbeat(
    app: FastAPI,
    second_app: FastAPI,
    ctx: Context,
    alice: Visitor,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 1)
    second = second_app.state.context
    monkeypatch.setattr(second.bus, "announce", lambda *_: None)
    async with AsyncExitStack() as stack:
        first = await many(stack, app, alice, 3)
        clock.advance(seconds=1)
        later = await many(stack, second_app, alice, 3)
        assert await first[0].end(within=4) == (4409, "too_many_sockets")
        assert not any(client.closed.done() for client in (*first[1:], *later))


async def test_a_seat_is_free_again_when_its_socket_has_closed(
    app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    async def seats(count: int) -> None:
        async def there() -> bool:
            return await seats_of(ctx, alice) == count

        await until(there)

    async with AsyncExitStack() as stack:
        await many(stack, app, alice, 4)
        await seats(4)
        assert 0 < await ctx.valkey.ttl(f"zxo:sockets:{alice.user['id']}") <= 75
    await seats(0)


async def test_seats_of_a_killed_process_count_no_more_after_a_while(ctx: Context) -> None:
    seats = Seats(ctx.valkey, "zxo:sockets", 2, lifetime=1)
    assert await seats.hold([(1, "a"), (1, "b")]) == set()
    for _ in range(2):
        await asyncio.sleep(1.1)
        assert await seats.hold([(1, "b")]) == set()  # "a" is held by nobody
    assert await seats.hold([(1, "c"), (2, "x")]) == set()
    assert await seats.hold([(1, "d"), (2, "y")]) == {"b"}


async def test_whoever_listens_counts_as_present(
    app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor
) -> None:
    both = [alice.user["id"], bob.user["id"]]
    async with connected(app, alice):

        async def noted() -> bool:
            return await ctx.presence.recently(both) == {alice.user["id"]}

        await until(noted)


async def test_a_full_process_sends_clients_elsewhere(
    services: embedded.Endpoints,
    settings: Settings,
    ctx: Context,
    clock: FrozenClock,
    alice: Visitor,
) -> None:
    small = make_settings(services, tokens=settings.tokens, max_sockets=3)
    async with running(small, clock) as app, AsyncExitStack() as stack:
        await many(stack, app, alice, 3)
        async with connected(app) as one_too_many:
            assert await one_too_many.end() == (1013, "server_full")
        assert "server_full" in str((await alice.client.get("/metrics")).text)


async def test_an_ended_session_closes_its_sockets_within_a_second(
    app: FastAPI, second_app: FastAPI, ctx: Context, visitor: Visitor
) -> None:
    phone, tablet = await visitor.log_in("carol"), await visitor.log_in("carol")
    async with AsyncExitStack() as stack:
        gone = [(await many(stack, each, phone, 1))[0] for each in (app, second_app)]
        stays = (await many(stack, app, tablet, 1))[0]
        await phone.post("/auth/logout")
        began = time.monotonic()
        for client in gone:
            assert await client.end(within=3) == (4401, "session_ended")
        assert time.monotonic() - began < 1.0
        await tell(ctx, tablet, "a")
        assert (await stays.event())["data"] == {"text": "a"}


async def test_a_token_that_expires_closes_its_socket(
    app: FastAPI, ctx: Context, alice: Visitor, clock: FrozenClock
) -> None:
    async with connected(app, alice) as client:
        clock.advance(days=7, seconds=-1)
        await asyncio.sleep(0.6)
        assert not client.closed.done()
        clock.advance(seconds=1)
        assert await client.end(within=2) == (4401, "token_expired")


async def test_whoever_does_not_read_is_closed_and_nobody_else_waits(
    app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.5)
    async with connected(app, alice) as slow, connected(app, alice) as quick:
        await slow.resume(0)
        await quick.resume(0)
        slow.reading.clear()
        await tell(ctx, alice, *"abc")
        for text in "abc":
            assert (await quick.event(within=2))["data"] == {"text": text}
        await asyncio.wait_for(asyncio.shield(slow.task), 8)  # it is dropped: nothing gets through
        assert not slow.closed.done()
        assert not quick.closed.done()
    assert 'reason="slow_reader"' in (await alice.client.get("/metrics")).text


@pytest.mark.slow
async def test_a_client_is_pinged_and_closed_when_it_never_answers(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(sockets, "SILENCE_SECONDS", 2.5)
    async with connected(app, alice) as mute, connected(app, alice) as awake:
        until_then = time.monotonic() + 4
        pings = 0
        while time.monotonic() < until_then:
            message = await awake.next(within=3)
            assert message["type"] == "ping"
            awake.say(type="pong")
            pings += 1
        assert pings >= 2
        assert not awake.closed.done()
        assert await mute.end(within=1) == (4408, "heartbeat_missed")


async def test_a_process_that_stops_says_so(
    settings: Settings, ctx: Context, clock: FrozenClock, alice: Visitor, bob: Visitor
) -> None:
    async with AsyncExitStack() as stack:
        async with running(settings, clock) as app:
            waiting = await stack.enter_async_context(connected(app))
            reading, deaf = [(await many(stack, app, one, 1))[0] for one in (alice, bob)]
            await deaf.resume(0)
            deaf.reading.clear()
            began = time.monotonic()
            await app.state.beside["realtime"].close()
            late = await stack.enter_async_context(connected(app))
            for client in (waiting, reading, late):
                assert await client.end() == (1001, "going_away")
        assert time.monotonic() - began < 4
        assert deaf.task.done()


async def test_open_sockets_and_events_are_counted(
    app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    async def metric(name: str) -> float:
        text = (await alice.client.get("/metrics")).text
        return next((float(li.split()[-1]) for li in text.splitlines() if li.startswith(name)), 0)

    before = await metric('websockets{state="open"}')
    sent = await metric('websocket_events_total{type="milestone"}')
    async with connected(app, alice) as client:
        assert await metric('websockets{state="open"}') == before + 1
        await tell(ctx, alice, "a", kind="milestone")
        await client.event()
        assert await metric('websocket_events_total{type="milestone"}') == sent + 1
    assert await metric('websockets{state="open"}') == before
