"""Use cases of the coach. Days and hours are those where the person lives."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import date, datetime
from uuid import UUID

from zxo.clients.models import AnswerCut, NoModelAnswers
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.kit.errors import Forbidden
from zxo.modules import membership, users
from zxo.modules.coach import prompt, repository, rules, safety
from zxo.modules.coach.errors import AnswerBrokeOff, NoSuchConversation
from zxo.modules.coach.models import Conversation, Exchange, ListPosition, Quota, Said, Usage
from zxo.modules.coach.turns import Turn, begin, settled
from zxo.modules.users import User

__all__ = [
    "begin",
    "chat",
    "conversations",
    "delete",
    "exchanges",
    "pieces",
    "quota",
    "settled",
    "usage_since",
]

SEE_A_DOCTOR = "\n\n（具体用法用量请以医生或药师的意见和说明书为准。）"


async def chat(ctx: Context, user_id: int, question: str, conversation_id: UUID | None) -> Said:
    """The whole answer. Where a model's breaks off, the built-in coach answers in its place.

    Raises what `begin` raises.
    """
    turn = await begin(ctx, user_id, question, conversation_id)
    async with settled(ctx, turn):
        try:
            async for _ in pieces(ctx, turn):
                pass
        except AnswerBrokeOff:
            turn.pieces, turn.source = [turn.fallback], rules.BUILT_IN
            turn.is_complete = True
    return turn.said


async def pieces(ctx: Context, turn: Turn) -> AsyncGenerator[str, None]:
    """The answer as it comes. Should be asked for within `settled`. Raises AnswerBrokeOff."""
    async with aclosing(_answer(ctx, turn)) as answer:
        try:
            async for piece in answer:
                turn.pieces.append(piece)
                yield piece
        except AnswerCut:
            raise AnswerBrokeOff from None
    turn.is_complete = True


async def _answer(ctx: Context, turn: Turn) -> AsyncGenerator[str, None]:
    """Raises AnswerCut."""
    if turn.ready is not None:
        yield turn.ready
        return
    try:
        async with aclosing(_ask_model(ctx, turn)) as answer:
            async for piece in answer:
                yield piece
    except NoModelAnswers:
        yield turn.fallback


async def _ask_model(ctx: Context, turn: Turn) -> AsyncGenerator[str, None]:
    """Raises NoModelAnswers before the first piece, AnswerCut after it."""
    most = ctx.settings.models.max_tokens
    async with ctx.models.answer(turn.messages, most) as answer:
        turn.source, turn.provider = rules.MODEL, answer.provider
        try:
            async for piece in answer:
                yield piece
        finally:  # also for what nobody hears to its end
            used = answer.usage
            turn.tokens = (
                used.prompt_tokens + used.completion_tokens
                if used
                else turn.prompt_tokens + prompt.count_tokens(turn.text)
            )
    if safety.mentions_dose(turn.text):
        yield SEE_A_DOCTOR


async def conversations(
    ctx: Context, user_id: int, after: ListPosition | None, limit: int
) -> Sequence[Conversation]:
    """A page of the user's conversations, newest first. Raises UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        return await repository.page(connection, user_id, after, limit)


async def exchanges(
    ctx: Context, user_id: int, conversation_id: UUID, before: int | None, limit: int
) -> list[Exchange]:
    """The last ones before index `before`, newest first. Raises NoSuchConversation, UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        if not await repository.owned(connection, conversation_id, user_id):
            raise NoSuchConversation
        return await repository.exchanges(connection, conversation_id, user_id, before, limit)


async def delete(ctx: Context, user_id: int, conversation_id: UUID) -> None:
    """With all that was said; an answer that is being given is not kept. The day's use stays.

    Raises NoSuchConversation, UserGone.
    """
    await users.get(ctx, user_id)
    async with ctx.db.transaction() as connection:
        if not await repository.delete(connection, conversation_id, user_id):
            raise NoSuchConversation


async def quota(ctx: Context, user_id: int) -> Quota:
    """What the user may ask today, and has asked. Raises UserGone."""
    user, now = await users.get(ctx, user_id), ctx.clock.now()
    day = user.today(now)
    async with ctx.db.connection() as connection:
        used = await repository.usage(connection, user_id, day)
    is_open = ctx.settings.models.enabled and _may_ask(user, now)
    tokens = rules.TOKENS_A_DAY[user.tier(now)] if is_open else 0
    messages = rules.MESSAGES_A_DAY if is_open else 0
    return Quota(is_open, messages, tokens, used, rules.day_ends(day, user.timezone))


def _may_ask(user: User, now: datetime) -> bool:
    try:
        membership.check_ai(user, now)
    except Forbidden:
        return False
    return True


async def usage_since(connection: Connection, user_id: int, first: date) -> Usage:
    """What somebody has used from the date `first` on."""
    return await repository.usage_since(connection, user_id, first)
