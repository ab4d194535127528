"""Answers as server-sent events."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.factories import Visitor, data, refusal
from tests.fakes.chat_completions import (
    HANG,
    START,
    USAGE,
    FakeChat,
    Reply,
    breaks_off,
    piece,
    says,
)
from tests.modules.coach.conftest import (
    ASK_A_MODEL,
    COMMON,
    ask,
    events_of,
    told,
    used,
)
from zxo import api
from zxo.context import Context
from zxo.modules.coach import handlers, rules


async def stream(person: Visitor, message: str = ASK_A_MODEL, **body: object) -> httpx.Response:
    return await person.post("/ai/chat/stream", message=message, **body)


async def test_pieces_come_as_deltas_and_the_end_as_done(asker: Visitor) -> None:
    answer = await stream(asker)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    *deltas, (last, done) = events_of(answer.text)
    assert [(name, delta["text"]) for name, delta in deltas] == [
        ("delta", "深呼吸，"),
        ("delta", "喝一杯水。"),
    ]
    assert last == "done"
    assert {delta["conversationId"] for _, delta in deltas} == {done["conversationId"]}
    assert (done["messageIndex"], done["source"], done["label"]) == (1, "model", "AI 生成")
    assert await used(asker) == (1, sum(USAGE))
    assert await told(asker, done["conversationId"]) == [
        ("user", ASK_A_MODEL),
        ("assistant", "深呼吸，喝一杯水。"),
    ]


async def test_common_questions_are_streamed_too(asker: Visitor, provider: FakeChat) -> None:
    (_, delta), (_, done) = events_of((await stream(asker, COMMON)).text)
    assert "20 分钟" in delta["text"]
    assert done["source"] == "builtin"
    assert provider.asked == []


async def test_what_is_refused_is_refused_before_the_stream(asker: Visitor, alice: Visitor) -> None:
    assert refusal(await stream(alice), 403) == "ai_not_open"
    assert refusal(await stream(asker, ""), 400) == "invalid_request"
    nowhere = {"conversationId": "conv_1"}
    assert refusal(await stream(asker, **nowhere), 404) == "conversation_not_found"


async def test_an_answer_that_breaks_off_ends_in_an_error_and_its_part_is_kept(
    asker: Visitor, provider: FakeChat
) -> None:
    provider.otherwise = breaks_off("先别急，", "我们来")
    *deltas, (last, error) = events_of((await stream(asker)).text)
    assert "".join(delta["text"] for _, delta in deltas) == "先别急，我们来"
    assert last == "error"
    assert (error["code"], error["errorCode"]) == (503, "answer_broke_off")
    assert error["requestId"]
    where = deltas[0][1]["conversationId"]
    history = data(await asker.get("/ai/conversations", conversationId=where))["messages"]
    assert [(one["content"], one["isComplete"]) for one in history] == [
        (ASK_A_MODEL, True),
        ("先别急，我们来", False),
    ]
    assert (await used(asker))[1] > 0
    await ask(asker, conversationId=where)  # and the conversation is free again


@pytest_asyncio.fixture
async def server(modelled: FastAPI) -> AsyncIterator[api.ASGIApp]:
    yield api.wrap(modelled, modelled.state.context.settings)


class Phone:
    """A client of the ASGI application itself: hears each piece, and can go away.

    It does by itself once it has heard `enough`.
    """

    def __init__(self, app: api.ASGIApp, person: Visitor, enough: bytes = b"\0") -> None:
        self._app, self._token, self._enough = app, person.token, enough
        self.heard = b""
        self.gone = asyncio.Event()
        self._asked = False

    async def ask(self, message: str, *headers: tuple[bytes, bytes]) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": "POST",
            "path": "/v1/ai/chat/stream",
            "raw_path": b"/v1/ai/chat/stream",
            "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {self._token}".encode()),
                (b"content-type", b"application/json"),
                *headers,
            ],
            "client": ("127.0.0.1", 1),
        }
        self._body = httpx.Request("POST", "http://x", json={"message": message}).content
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, object]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, object]) -> None:
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        self.heard += body
        if self._enough in body:
            self.gone.set()


async def _until(question: object, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not question():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_whoever_hangs_up_ends_the_answer_and_what_was_said_is_kept(
    asker: Visitor, provider: FakeChat, server: api.ASGIApp, ctx: Context
) -> None:
    provider.otherwise = Reply([START, piece("先别急，"), HANG])
    phone = Phone(server, asker)
    listening = asyncio.create_task(phone.ask(ASK_A_MODEL))
    await _until(lambda: "先别急".encode() in phone.heard)
    assert "done" not in phone.heard.decode()
    phone.gone.set()
    async with asyncio.timeout(5):
        await listening
    await _until(lambda: provider.gone)  # nobody pays for what nobody hears
    row = await ctx.db.fetchrow("SELECT * FROM ai_conversations")
    assert row is not None
    assert (row["user_message"], row["ai_response"]) == (ASK_A_MODEL, "先别急，")
    assert row["is_complete"] is False
    messages, tokens = await used(asker)
    assert messages == 1
    assert 0 < tokens < 1_000  # settled: what was reserved for the whole answer was given back
    assert row["tokens_used"] == tokens
    assert not await ctx.db.fetchval("SELECT count(*) FROM conversations WHERE lease IS NOT NULL")


async def test_whoever_hangs_up_before_the_first_piece_leaves_nothing_but_a_message_counted(
    asker: Visitor, provider: FakeChat, server: api.ASGIApp, ctx: Context
) -> None:
    provider.otherwise = Reply([START, HANG])
    phone = Phone(server, asker)
    listening = asyncio.create_task(phone.ask(ASK_A_MODEL))
    await _until(lambda: provider.asked)
    phone.gone.set()
    async with asyncio.timeout(5):
        await listening
    await _until(lambda: provider.gone)
    assert await used(asker) == (1, 0)
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 0
    assert await ctx.db.fetchval("SELECT count(*) FROM ai_conversations") == 0


async def test_a_long_answer_is_settled_before_the_process_stops(
    asker: Visitor,
    provider: FakeChat,
    server: api.ASGIApp,
    modelled: FastAPI,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "STOP_SECONDS", 0.1)
    provider.otherwise = Reply([START, piece("先别急，"), HANG])
    phone = Phone(server, asker)
    listening = asyncio.create_task(phone.ask(ASK_A_MODEL))
    async with handlers.prepared(modelled.state.context):
        await _until(lambda: "先别急".encode() in phone.heard)
    async with asyncio.timeout(5):
        await listening
    (_, delta), (last, error) = events_of(phone.heard.decode())
    assert (delta["text"], last, error["errorCode"]) == ("先别急，", "error", "answer_broke_off")
    row = await ctx.db.fetchrow("SELECT * FROM ai_conversations")
    assert row is not None
    assert (row["ai_response"], row["is_complete"]) == ("先别急，", False)
    assert await used(asker) == (1, row["tokens_used"])


async def test_a_key_replays_the_whole_stream(asker: Visitor, provider: FakeChat) -> None:
    headers = {"Idempotency-Key": "stream-1"}
    body = {"message": ASK_A_MODEL}
    first = await asker.request("POST", "/ai/chat/stream", json=body, headers=headers)
    second = await asker.request("POST", "/ai/chat/stream", json=body, headers=headers)
    assert events_of(second.text) == events_of(first.text)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert len(provider.asked) == 1


async def test_a_key_is_not_held_by_whoever_hangs_up_at_the_last_word(
    asker: Visitor, provider: FakeChat, server: api.ASGIApp, ctx: Context
) -> None:
    key = (b"idempotency-key", b"stream-1")
    phone = Phone(server, asker, enough=b"event: done")
    async with asyncio.timeout(5):
        await phone.ask(ASK_A_MODEL, key)
    assert b"event: done" in phone.heard
    again = Phone(server, asker)
    async with asyncio.timeout(5):
        await again.ask(ASK_A_MODEL, key)
    assert b"event: done" in again.heard  # not 409 for the next two minutes


@pytest.mark.parametrize("people", [25])
async def test_no_connection_is_held_while_a_model_is_asked(
    asker: Visitor, provider: FakeChat, modelled: FastAPI, people: int
) -> None:
    provider.otherwise = says("好。", after=2)
    pool = modelled.state.context.db.primary
    asking = [asyncio.create_task(ask(asker)) for _ in range(people)]
    await _until(lambda: len(provider.asked) == people, 20)
    # Not at each moment: which sessions have ended is looked up four times a second.
    await _until(lambda: pool.get_size() == pool.get_idle_size(), 1)
    assert provider.open_now == people
    async with asyncio.timeout(30):
        await asyncio.gather(*asking)
