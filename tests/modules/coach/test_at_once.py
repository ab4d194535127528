"""Many requests at the same moment."""

import asyncio
from collections import Counter
from typing import Any

from fastapi import FastAPI

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.chat_completions import HANG, START, USAGE, FakeChat, Reply, says
from tests.modules.coach.conftest import ASK_A_MODEL, COMMON, ask, opened, told, used
from zxo.context import Context
from zxo.modules.coach import service
from zxo.modules.coach.prompt import count_tokens
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


async def test_a_day_goes_beyond_its_tokens_by_one_answer_also_where_a_provider_counts_more(
    asker: Visitor, provider: FakeChat, modelled: FastAPI, ctx: Context
) -> None:
    provider.otherwise = says("好的。", usage=None)
    await ask(asker)
    most = modelled.state.context.settings.models.max_tokens
    prompt = (await used(asker))[1] - count_tokens("好的。")
    cost = prompt + prompt // 3, most
    provider.otherwise = says("好的。", after=0.5, usage=cost)
    await ctx.db.execute("UPDATE ai_usage SET tokens = $1", 50_000 - 12 * (prompt + most))
    await asyncio.gather(*(asker.post("/ai/chat", message=ASK_A_MODEL) for _ in range(30)))
    assert 50_000 <= (await used(asker))[1] <= 50_000 + sum(cost)


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


async def answering(asker: Visitor, provider: FakeChat) -> tuple[str, asyncio.Task[Any]]:
    """A conversation whose second message has reached the provider, and its answer."""
    where = (await ask(asker))["conversationId"]
    provider.otherwise = says("好的。", after=0.3)
    underway = asyncio.create_task(ask(asker, conversationId=where))
    while len(provider.asked) < 2:
        await asyncio.sleep(0.005)
    return where, underway


async def test_whoever_is_in_danger_does_not_wait_for_an_answer_that_is_underway(
    asker: Visitor, provider: FakeChat
) -> None:
    where, underway = await answering(asker, provider)
    answer = await ask(asker, "我不想活了", conversationId=where)
    assert "12356" in answer["response"]
    assert not underway.done()
    indexes = {answer["messageIndex"], (await underway)["messageIndex"]}
    assert indexes == {2, 3}
    assert len(await told(asker, where)) == 6


async def test_a_conversation_that_is_deleted_while_it_is_answered_is_not_kept(
    asker: Visitor, provider: FakeChat, ctx: Context
) -> None:
    where, underway = await answering(asker, provider)
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
    where, underway = await answering(asker, provider)
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
