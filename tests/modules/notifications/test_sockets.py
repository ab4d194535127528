"""/v1/ws: who may listen, what may be said, and how it is refused."""

import json
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import FrozenClock, Visitor, refusal
from tests.modules.notifications.socket_client import Client, connected, tell
from zxo.context import Context
from zxo.kit import sockets, wire

MALFORMED = [
    "",
    "\x00",
    "{",
    "null",
    "[]",
    "1",
    "[" * 4000,
    '"auth"',
    '{"after": 1}',
    '{"type": "subscribe"}',
    '{"type": 1}',
    '{"type": "resume"}',
    '{"type": "resume", "after": null}',
    '{"type": "resume", "after": -1}',
    '{"type": "resume", "after": 9223372036854775808}',
    '{"type": "resume", "after": 1.5}',
    '{"type": "resume", "after": true}',
    '{"type": "resume", "after": "1"}',
    '{"type": "resume", "after": "1\\u0000"}',
    '{"type": "resume", "after": 1, "until": 2}',
]


async def refused(app: FastAPI, **first: object) -> tuple[int, str]:
    """How a socket ends whose first message this is."""
    async with connected(app) as client:
        client.say(**first)
        return await client.end()


async def test_who_listens_is_told_what_happens(
    app: FastAPI, ctx: Context, alice: Visitor, bob: Visitor
) -> None:
    async with connected(app, alice) as hers, connected(app, bob) as his:
        await tell(ctx, alice, "first", kind="rank_up")
        event = await hers.event()
        assert event["type"] == "rank_up"
        assert event["data"] == {"text": "first"}
        assert event["at"] == "2025-12-01T01:00:00Z"
        assert isinstance(event["id"], int)
        assert await his.quiet()


async def test_ready_says_where_it_goes_on_from(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    await tell(ctx, alice, "before")
    latest = await ctx.db.fetchval("SELECT max(id) FROM notifications")
    async with connected(app) as client:
        ready = await client.authenticate(alice.token)
        assert ready["data"] == {"lastId": latest, "heartbeatSeconds": 25}
        assert await client.quiet(0.8)  # what was before is history unless it is asked for


async def test_whoever_says_nothing_is_closed(
    app: FastAPI, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "AUTH_SECONDS", 0.2)
    async with connected(app) as client:
        assert await client.end(within=2) == (4408, "auth_timeout")


async def test_a_token_must_be_ours(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    assert alice.token
    changed = alice.token[:-4] + ("AAAA" if alice.token[-4:] != "AAAA" else "BBBB")
    for token in ("", "x", "a.b.c", "\x00", changed, "秘密"):
        assert await refused(app, type="auth", token=token) == (4401, "token_invalid")


async def test_an_expired_token_is_refused(
    app: FastAPI, ctx: Context, alice: Visitor, clock: FrozenClock
) -> None:
    clock.advance(days=7, seconds=1)
    assert await refused(app, type="auth", token=alice.token) == (4401, "token_expired")


async def test_the_token_of_an_ended_session_is_refused(
    app: FastAPI, ctx: Context, alice: Visitor
) -> None:
    await alice.post("/auth/logout")
    assert await refused(app, type="auth", token=alice.token) == (4401, "session_ended")


async def test_the_token_of_a_deleted_account_is_refused(
    app: FastAPI, ctx: Context, alice: Visitor, clock: FrozenClock
) -> None:
    await ctx.db.execute("UPDATE users SET deleted_at = $1", clock.now())
    for cache in ctx.caches._by_topic.values():
        cache.clear()
    assert await refused(app, type="auth", token=alice.token) == (4401, "account_gone")


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_the_first_message_must_be_the_token(app: FastAPI, ctx: Context, kind: str) -> None:
    assert await refused(app, type=kind) == (4401, "unauthorized")
    assert await refused(app, type="resume", after=0) == (4401, "unauthorized")


async def test_a_token_without_text_is_malformed(app: FastAPI, ctx: Context) -> None:
    assert await refused(app, type="auth") == (1008, "invalid_message")
    assert await refused(app, type="auth", token=None) == (1008, "invalid_message")
    assert await refused(app, type="auth", token="x", role="a") == (1008, "invalid_message")


async def test_a_socket_is_authenticated_once(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    async with connected(app, alice) as client:
        client.say(type="auth", token=alice.token)
        assert await client.end() == (1008, "invalid_message")


@pytest.mark.parametrize("text", MALFORMED)
async def test_what_is_malformed_ends_the_socket(
    app: FastAPI, ctx: Context, alice: Visitor, text: str
) -> None:
    async with connected(app, alice) as client:
        client.say_text(text)
        assert await client.end() == (1008, "invalid_message")


async def test_what_is_refused_is_not_repeated(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    secret = uuid4().hex
    for text in (f'{{"type": "{secret}"}}', f'{{"type": "resume", "{secret}": 1, "after": 0}}'):
        async with connected(app, alice) as client:
            client.say_text(text)
            last = await client.next()
            assert secret not in json.dumps(last)


async def test_messages_are_text(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    async with connected(app, alice) as client:
        client.say_bytes(json.dumps({"type": "ping"}).encode())
        assert await client.end() == (1003, "binary_message")


async def test_a_message_has_4096_bytes_at_most(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    ping = '{"type": "ping"}'
    async with connected(app, alice) as client:
        client.say_text(ping + " " * (4096 - len(ping)))
        assert (await client.next())["type"] == "pong"
        client.say_text(ping + " " * (4097 - len(ping)))
        assert await client.end() == (1009, "message_too_large")
    assert await refused(app, type="auth", token="é" * 2048) == (1009, "message_too_large")


async def test_whoever_talks_too_much_is_closed(app: FastAPI, ctx: Context, alice: Visitor) -> None:
    async with connected(app, alice) as client:
        for _ in range(19):  # the token was the first
            client.say(type="ping")
        for _ in range(19):
            assert (await client.next())["type"] == "pong"
        client.say(type="pong")
        assert await client.end() == (1008, "too_many_messages")


async def test_after_a_pause_more_may_be_said(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "WINDOW_SECONDS", 0.0)
    async with connected(app, alice) as client:
        for _ in range(50):
            client.say(type="ping")
            assert (await client.next())["type"] == "pong"


async def test_a_token_in_the_address_is_ignored(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "AUTH_SECONDS", 0.2)
    query = f"token={alice.token}".encode()
    monkeypatch.setattr(Client, "QUERY", query)
    async with connected(app) as client:
        assert await client.end() == (4408, "auth_timeout")


async def test_plain_http_is_told_what_the_address_speaks(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/ws")
    assert refusal(answer, 426) == "upgrade_required"
    assert answer.headers["upgrade"] == "websocket"


async def test_other_addresses_speak_no_websocket(app: FastAPI, ctx: Context) -> None:
    client = Client(app, path="/v1/users/me")
    code, _ = await client.closed
    await client.task
    assert code == 1000  # before it was accepted: the server answers 403
    assert client.accepted is False


async def test_while_the_database_is_away_the_client_is_asked_to_come_back(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> int:
        raise ConnectionRefusedError

    hub = app.state.beside["realtime"]
    source = hub._source
    monkeypatch.setattr(hub, "_source", type(source)(**{**vars(source), "latest": away}))
    assert await refused(app, type="auth", token=alice.token) == (1013, "unavailable")


async def test_a_defect_of_ours_ends_the_socket_and_nothing_else(
    app: FastAPI, ctx: Context, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> int:
        raise ZeroDivisionError

    hub = app.state.beside["realtime"]
    source = hub._source
    with monkeypatch.context() as patch:
        patch.setattr(hub, "_source", type(source)(**{**vars(source), "latest": broken}))
        assert await refused(app, type="auth", token=alice.token) == (1011, "internal_error")
    async with connected(app, alice) as client:
        await tell(ctx, alice, "still here")
        assert (await client.event())["data"] == {"text": "still here"}
