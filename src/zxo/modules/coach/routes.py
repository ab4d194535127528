"""/ai."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from zxo.context import Context
from zxo.http import Ctx, CurrentUser, router
from zxo.kit import events
from zxo.kit.errors import Unauthorized
from zxo.kit.events import BEGUN, EventStream, event
from zxo.kit.failures import InvalidFields, in_answer
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules import membership, users
from zxo.modules.coach import errors, service
from zxo.modules.coach.models import Index, ListPosition
from zxo.modules.coach.schemas import (
    ChatBody,
    ChatReply,
    ConversationId,
    ConversationList,
    ConversationReply,
    DeltaReply,
    DoneReply,
    MessageList,
    QuotaReply,
    parsed,
    shown,
)
from zxo.modules.coach.turns import Turn

api = router("AI 助手")

REFUSALS = (
    Unauthorized,
    InvalidFields,
    errors.CoachOff,
    membership.AiNotOpen,
    membership.AiTrialEnded,
    membership.AiExpired,
    errors.NoSuchConversation,
    errors.AnswerUnderway,
    errors.MessagesUsedUp,
    errors.TokensUsedUp,
    users.UserGone,
)


@api.post("/ai/chat", summary="发送消息", **answers(ChatReply, *REFUSALS))
async def chat(ctx: Ctx, caller: CurrentUser, body: ChatBody) -> Response:
    where = _known(body.conversation_id)
    said = await service.chat(ctx, caller.user_id, body.message, where)
    return ok(ctx.clock, ChatReply.of(said))


@api.post(
    "/ai/chat/stream",
    summary="发送消息，边生成边返回",
    **answers(None, *REFUSALS, content=events.documented("delta", "done", "error")),
)
async def stream(request: Request, ctx: Ctx, caller: CurrentUser, body: ChatBody) -> Response:
    where = _known(body.conversation_id)
    turn = await service.begin(ctx, caller.user_id, body.message, where)
    return await EventStream.of(_events(request, ctx, turn))


async def _events(request: Request, ctx: Context, turn: Turn) -> AsyncGenerator[bytes, None]:
    """Pieces of the answer; then how it ended, once it is kept."""
    try:
        async with service.settled(ctx, turn), aclosing(service.pieces(ctx, turn)) as pieces:
            yield BEGUN
            async for piece in pieces:
                yield event("delta", DeltaReply(piece, shown(turn.conversation_id)))
    except Exception as error:  # the answer has begun: whatever it is can be told as an event only
        yield event("error", in_answer(request, error, ctx.clock))
    else:
        yield event("done", DoneReply.of(turn.said))


@api.get(
    "/ai/conversations",
    summary="获取对话列表，或一个对话的历史",
    **answers(
        ConversationList | MessageList,
        Unauthorized,
        InvalidFields,
        InvalidCursor,
        errors.NoSuchConversation,
        users.UserGone,
    ),
)
async def conversations(
    ctx: Ctx,
    caller: CurrentUser,
    conversation_id: Annotated[ConversationId | None, Query(alias="conversationId")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    if conversation_id is not None:
        return await _history(ctx, caller.user_id, conversation_id, limit, cursor)
    after = decode_cursor(cursor, ListPosition)
    found = await service.conversations(ctx, caller.user_id, after, limit + 1)
    page, following = cut(found, limit, lambda one: ListPosition(one.last_message_at, one.id))
    return ok(ctx.clock, ConversationList([ConversationReply.of(one) for one in page], following))


async def _history(
    ctx: Context, user_id: int, text: str, limit: int, cursor: str | None
) -> Response:
    conversation_id = _existing(text)
    before = decode_cursor(cursor, Index)
    found = await service.exchanges(ctx, user_id, conversation_id, before, limit + 1)
    page, following = cut(found, limit, lambda one: one.index)
    return ok(ctx.clock, MessageList.of(conversation_id, page, following))


@api.delete(
    "/ai/conversations/{conversation_id}",
    summary="删除对话",
    **answers(None, Unauthorized, InvalidFields, errors.NoSuchConversation, users.UserGone),
)
async def delete(
    ctx: Ctx, caller: CurrentUser, conversation_id: Annotated[ConversationId, Path()]
) -> Response:
    await service.delete(ctx, caller.user_id, _existing(conversation_id))
    return ok(ctx.clock)


@api.get(
    "/ai/quota",
    summary="今天的 AI 额度",
    **answers(QuotaReply, Unauthorized, users.UserGone),
)
async def quota(ctx: Ctx, caller: CurrentUser) -> Response:
    return ok(ctx.clock, QuotaReply.of(await service.quota(ctx, caller.user_id)))


def _known(text: str | None) -> UUID | None:
    return None if text is None else _existing(text)


def _existing(text: str) -> UUID:
    """Raises NoSuchConversation for what is no id of ours."""
    conversation_id = parsed(text)
    if conversation_id is None:
        raise errors.NoSuchConversation
    return conversation_id
