"""Many requests at the same moment, and processes that die in the middle."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.chat_completions import HANG, START, USAGE, FakeChat, Reply, says
from tests.modules.coach.conftest import ASK_A_MODEL, COMMON, ask, opened, told, used
from zxo.context import Context
from zxo.kit.db import open_pool
from zxo.modules.coach import handlers, service
from zxo.modules.coach.schemas import shown


async def test_of_fifty_requests_with_one_message_left_one_reaches_the_provider(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    provider.otherwise = says("好的。", after=0.2)
    await ask(asker)
    await ctx.db.execute("UPDATE ai_usage SET requests = 99")
    answers = await asyncio.gather(
        *(asker.post("/ai/chat", message=ASK_A_MODEL) for _ in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 429: 49}
    assert len(provider.asked) == 2
    assert (await used(asker))[0] == 100
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refusal(refused, 429) == "ai_messages_used_up"
    assert refused.json()["data"] == {"resetsAt": "2025-12-01T16:00:00Z"}
    assert refused.headers["retry-after"] == str(15 * 3600)


async def test_with_one_token_left_there_is_one_answer_more(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    provider.otherwise = says("好的。", after=0.2, usage=(300, 400))
    await ask(asker)
    await ctx.db.execute("UPDATE ai_usage SET tokens = 49999")
    answers = await asyncio.gather(
        *(asker.post("/ai/chat", message=ASK_A_MODEL) for _ in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 429: 49}
    assert len(provider.asked) == 2
    assert await used(asker) == (2, 49_999 + 700)
    assert refusal(await asker.post("/ai/chat", message=ASK_A_MODEL), 429) == "ai_tokens_used_up"
    assert (await ask(asker, COMMON))["source"] == "builtin"  # which costs none


async def test_vip_has_ten_thousand_tokens_and_the_next_day_has_new_ones(
    asker: Visitor, visitor: Visitor, ctx: Context, clock: FrozenClock, modelled: FastAPI
) -> None:
    trying = Visitor(asker.client, (await visitor.log_in("trying")).token)
    await opened(trying, "VIP")
    await ask(trying)
    assert data(await trying.get("/ai/quota"))["tokens"] == {
        "limit": 10_000,
        "used": sum(USAGE),
        "remaining": 10_000 - sum(USAGE),
    }
    await ctx.db.execute("UPDATE ai_usage SET tokens = 10000")
    assert refusal(await trying.post("/ai/chat", message=ASK_A_MODEL), 429) == "ai_tokens_used_up"
    clock.set("2025-12-02T00:00:01+08:00")
    await ask(trying)
    assert await used(trying) == (1, sum(USAGE))


async def test_one_answer_at_a_time_in_a_conversation(asker: Visitor, provider: FakeChat) -> None:
    where = (await ask(asker))["conversationId"]
    provider.otherwise = says("好的。", after=0.2)
    answers = await asyncio.gather(
        *(asker.post("/ai/chat", message=ASK_A_MODEL, conversationId=where) for _ in range(10))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refusal(refused, 409) == "answer_underway"
    assert len(provider.asked) == 2
    assert (await used(asker))[0] == 2
    assert len(await told(asker, where)) == 4


async def test_whoever_is_in_danger_does_not_wait_for_an_answer_that_is_underway(
    asker: Visitor, provider: FakeChat
) -> None:
    where = (await ask(asker))["conversationId"]
    provider.otherwise = says("好的。", after=0.3)
    underway = asyncio.create_task(ask(asker, conversationId=where))
    while len(provider.asked) < 2:
        await asyncio.sleep(0.005)
    answer = await ask(asker, "我不想活了", conversationId=where)
    assert "12356" in answer["response"]
    assert not underway.done()
    indexes = {answer["messageIndex"], (await underway)["messageIndex"]}
    assert indexes == {2, 3}
    assert len(await told(asker, where)) == 6


async def test_a_conversation_that_is_deleted_while_it_is_answered_is_not_kept(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    where = (await ask(asker))["conversationId"]
    provider.otherwise = says("好的。", after=0.3)
    underway = asyncio.create_task(ask(asker, conversationId=where))
    while len(provider.asked) < 2:
        await asyncio.sleep(0.005)
    data(await asker.delete(f"/ai/conversations/{where}"))
    answer = await underway
    assert answer["messageIndex"] is None
    assert await ctx.db.fetchval("SELECT count(*) FROM ai_conversations") == 0
    assert await used(asker) == (2, 2 * sum(USAGE))  # which was spent all the same


async def test_a_conversation_can_be_deleted_while_it_gets_its_first_answer(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    provider.otherwise = says("好的。", after=0.3)
    underway = asyncio.create_task(ask(asker))
    while not provider.asked:
        await asyncio.sleep(0.005)
    conversation_id = await ctx.db.fetchval("SELECT id FROM conversations")
    data(await asker.delete(f"/ai/conversations/{shown(conversation_id)}"))
    gone = await asker.get("/ai/conversations", conversationId=shown(conversation_id))
    assert refusal(gone, 404) == "conversation_not_found"
    assert (await underway)["messageIndex"] is None
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 0
    assert await ctx.db.fetchval("SELECT count(*) FROM ai_conversations") == 0
    assert await used(asker) == (1, sum(USAGE))


async def test_nobody_goes_on_with_a_conversation_that_is_deleted_while_it_is_answered(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    where = (await ask(asker))["conversationId"]
    provider.otherwise = says("好的。", after=0.3)
    underway = asyncio.create_task(ask(asker, conversationId=where))
    while len(provider.asked) < 2:
        await asyncio.sleep(0.005)
    data(await asker.delete(f"/ai/conversations/{where}"))
    assert data(await asker.get("/ai/conversations"))["conversations"] == []
    for path in ("/ai/chat", "/ai/chat/stream"):
        more = await asker.post(path, message=ASK_A_MODEL, conversationId=where)
        assert refusal(more, 404) == "conversation_not_found"
    again = await asker.delete(f"/ai/conversations/{where}")
    assert refusal(again, 404) == "conversation_not_found"
    assert (await ask(asker, "我不想活了", conversationId=where))["conversationId"] != where
    await underway
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 1


async def abandon(ctx: Context, person: Visitor, where: str | None = None) -> None:
    """Begin an answer, and die."""
    conversation_id = None
    if where is not None:
        conversation_id = await ctx.db.fetchval("SELECT id FROM conversations")
    await service.begin(ctx, person.user["id"], ASK_A_MODEL, conversation_id)


async def test_what_a_killed_process_had_reserved_is_given_back(
    asker: Visitor, modelled: FastAPI, clock: FrozenClock, ctx: Context
) -> None:
    dying: Context = modelled.state.context
    await abandon(dying, asker)
    assert (await used(asker))[1] > 500
    clock.advance(seconds=89)
    await handlers.give_up(ctx)
    assert (await used(asker))[1] > 500  # it may still be answering
    clock.advance(seconds=2)
    await handlers.give_up(ctx)
    assert await used(asker) == (1, 0)
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 0
    await handlers.give_up(ctx)
    assert await used(asker) == (1, 0)


async def test_a_conversation_can_be_gone_on_with_once_its_answer_was_given_up(
    asker: Visitor, modelled: FastAPI, clock: FrozenClock
) -> None:
    where = (await ask(asker))["conversationId"]
    await abandon(modelled.state.context, asker, where)
    refused = await asker.post("/ai/chat", message=ASK_A_MODEL, conversationId=where)
    assert refusal(refused, 409) == "answer_underway"
    clock.advance(seconds=91)
    assert (await ask(asker, conversationId=where))["messageIndex"] == 2
    assert await used(asker) == (3, 2 * sum(USAGE))


async def test_an_answer_that_comes_after_it_was_given_up_is_charged_and_not_kept(
    asker: Visitor, modelled: FastAPI, provider: FakeChat, clock: FrozenClock, ctx: Context
) -> None:
    where = (await ask(asker))["conversationId"]
    late: Context = modelled.state.context
    conversation_id = await ctx.db.fetchval("SELECT id FROM conversations")
    turn = await service.begin(late, asker.user["id"], ASK_A_MODEL, conversation_id)
    clock.advance(seconds=91)
    await handlers.give_up(ctx)
    async with service.settled(late, turn):
        async for _ in service.pieces(late, turn):
            pass
    assert turn.index is None
    assert await used(asker) == (2, 2 * sum(USAGE))
    assert len(await told(asker, where)) == 2


async def test_what_a_killed_process_had_reserved_is_given_back_though_the_talk_was_deleted(
    asker: Visitor, modelled: FastAPI, clock: FrozenClock, ctx: Context
) -> None:
    where = (await ask(asker))["conversationId"]
    await abandon(modelled.state.context, asker, where)
    data(await asker.delete(f"/ai/conversations/{where}"))
    clock.advance(seconds=91)
    await handlers.give_up(ctx)
    assert await used(asker) == (2, sum(USAGE))
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 0


async def test_what_was_given_up_is_not_given_back_again_by_the_answer_that_comes_after_all(
    asker: Visitor, modelled: FastAPI, clock: FrozenClock, ctx: Context
) -> None:
    await ask(asker)
    late: Context = modelled.state.context
    turn = await service.begin(late, asker.user["id"], ASK_A_MODEL, None)
    clock.advance(seconds=91)
    await handlers.give_up(ctx)
    async with service.settled(late, turn):
        async for _ in service.pieces(late, turn):
            pass
    assert turn.index is None
    assert await used(asker) == (2, 2 * sum(USAGE))


async def test_a_cancelled_request_is_settled(
    asker: Visitor, provider: FakeChat, modelled: FastAPI, ctx: Context
) -> None:
    provider.otherwise = Reply([START, HANG])
    own: Context = modelled.state.context
    asking = asyncio.create_task(service.chat(own, asker.user["id"], ASK_A_MODEL, None))
    while not provider.asked:
        await asyncio.sleep(0.005)
    asking.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([asking])
    assert asking.cancelled()
    assert await used(asker) == (1, 0)
    assert await ctx.db.fetchval("SELECT count(*) FROM conversations") == 0


@asynccontextmanager
async def database_away(own: Context) -> AsyncIterator[None]:
    """Nobody answers at the address of the database."""
    there = own.db.primary
    own.db.primary = await open_pool("postgresql://zxo@127.0.0.1:1/zxo")
    try:
        yield
    finally:
        await own.db.primary.close()
        own.db.primary = there


@pytest.mark.parametrize("path", ["/ai/chat", "/ai/chat/stream"])
async def test_an_answer_is_told_also_where_the_database_has_gone_away_meanwhile(
    asker: Visitor, provider: FakeChat, modelled: FastAPI, clock: FrozenClock, path: str
) -> None:
    provider.otherwise = says("好的。", after=0.3)
    own: Context = modelled.state.context
    underway = asyncio.create_task(asker.post(path, message=ASK_A_MODEL))
    while not provider.asked:
        await asyncio.sleep(0.005)
    async with database_away(own):
        answer = await underway
    assert answer.status_code == 200
    assert "好的。" in answer.text
    assert '"messageIndex":null' in answer.text
    assert "error" not in answer.text
    clock.advance(seconds=91)
    await handlers.give_up(own)
    assert await used(asker) == (1, 0)
