"""Answers that nobody gives any more: their process died, or the database was away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.fakes.chat_completions import USAGE, FakeChat, says
from tests.modules.coach.conftest import ASK_A_MODEL, COMMON, ask, told, used
from zxo.context import Context
from zxo.kit.db import open_pool
from zxo.modules.coach import handlers, service, upkeep


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


LEFT_BEHIND = """
INSERT INTO conversations (id, user_id, title, started_at, last_message_at, lease, leased_at,
                           reserved_on, reserved_tokens)
SELECT gen_random_uuid(), user_id, '题', $2, $2, gen_random_uuid(),
       $2::timestamptz + n * interval '1 ms', $3, 9
FROM unnest($1::bigint[]) WITH ORDINALITY AS of_user (user_id, n)
"""


async def test_two_processes_that_give_up_answers_of_the_same_people_do_not_lock_each_other_out(
    asker: Visitor,
    member: Visitor,
    clock: FrozenClock,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for person in (asker, member):
        await ask(person, COMMON)
    await ctx.db.execute("UPDATE ai_usage SET tokens = 1000")
    monkeypatch.setattr(upkeep, "AT_ONCE", 4)
    here, there, now = asker.user["id"], member.user["id"], clock.now()
    order = [here, here, there, there, there, there, here, here]
    for _ in range(5):
        await ctx.db.execute(LEFT_BEHIND, order, now, now.date())
        clock.advance(seconds=91)
        await asyncio.gather(*(handlers.give_up(ctx) for _ in range(2)))
        now = clock.now()
    await handlers.give_up(ctx)
    assert [await used(person) for person in (asker, member)] == [(1, 1000 - 5 * 4 * 9)] * 2


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
