"""Bodies of /ai."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from zxo.kit.web import Body, Reply
from zxo.modules import evidence
from zxo.modules.coach.models import Conversation, Exchange, Quota, Said
from zxo.modules.coach.rules import LABEL, LONGEST_MESSAGE, Source

PREFIX = "conv_"

# Looser than ours are: what is no id of ours is that of no conversation.
ConversationId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,100}$", description="对话 ID")]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_MESSAGE)
]


def shown(conversation_id: UUID) -> str:
    """The id of a conversation as it is told outside."""
    return PREFIX + conversation_id.hex


def parsed(text: str) -> UUID | None:
    """The id that `text` tells; None where it is none of ours."""
    try:
        conversation_id = UUID(text.removeprefix(PREFIX))
    except ValueError:
        return None
    return conversation_id if text == shown(conversation_id) else None


class ChatBody(Body):
    """Without a conversation, a new one begins."""

    message: Text
    conversation_id: ConversationId | None = None


class SourceReply(Reply, frozen=True):
    """Who says what the built-in coach says."""

    authority: str
    title: str
    year: int
    url: str | None


class ChatReply(Reply, frozen=True):
    """`message_index` is null where the answer was not kept.

    The conversation was deleted while it was given, or the database had gone away.
    `sources`: on what the built-in coach rests; a model names none.
    """

    response: str
    conversation_id: str
    message_index: int | None
    source: Source
    sources: list[SourceReply]
    label: str

    @classmethod
    def of(cls, said: Said) -> Self:
        return cls(said.text, *_beside_the_text(said))


class DeltaReply(Reply, frozen=True):
    """A piece of the answer."""

    text: str
    conversation_id: str


class DoneReply(Reply, frozen=True):
    """The end of the answer, with what ChatReply says beside it."""

    conversation_id: str
    message_index: int | None
    source: Source
    sources: list[SourceReply]
    label: str

    @classmethod
    def of(cls, said: Said) -> Self:
        return cls(*_beside_the_text(said))


def _beside_the_text(said: Said) -> tuple[str, int | None, Source, list[SourceReply], str]:
    found = [evidence.SOURCES[one] for one in said.sources]
    sources = [SourceReply(one.authority, one.title, one.year, one.url) for one in found]
    return shown(said.conversation_id), said.index, said.source, sources, LABEL


class MessageReply(Reply, frozen=True):
    """What somebody said. What the coach says has a source and a label, the person's has none.

    `is_complete` is false of an answer that broke off.
    """

    role: Literal["user", "assistant"]
    content: str
    timestamp: datetime.datetime
    message_index: int
    source: Source | None = None
    label: str | None = None
    is_complete: bool = True


class MessageList(Reply, frozen=True):
    """A conversation in the order of time. The cursor leads to what was said before."""

    conversation_id: str
    messages: list[MessageReply]
    next_cursor: str | None

    @classmethod
    def of(
        cls, conversation_id: UUID, newest_first: Sequence[Exchange], next_cursor: str | None
    ) -> Self:
        messages = [
            message for exchange in reversed(newest_first) for message in _messages_of(exchange)
        ]
        return cls(shown(conversation_id), messages, next_cursor)


def _messages_of(exchange: Exchange) -> tuple[MessageReply, MessageReply]:
    answered_at = exchange.asked_at + datetime.timedelta(milliseconds=exchange.took_ms or 0)
    return (
        MessageReply("user", exchange.question, exchange.asked_at, exchange.index),
        MessageReply(
            "assistant",
            exchange.answer,
            answered_at,
            exchange.index,
            exchange.source,
            LABEL,
            exchange.is_complete,
        ),
    )


class ConversationReply(Reply, frozen=True):
    """`message_count`: how many questions were answered."""

    conversation_id: str
    title: str
    message_count: int
    started_at: datetime.datetime
    last_message_at: datetime.datetime

    @classmethod
    def of(cls, one: Conversation) -> Self:
        return cls(shown(one.id), one.title, one.messages, one.started_at, one.last_message_at)


class ConversationList(Reply, frozen=True):
    """Newest first."""

    conversations: list[ConversationReply]
    next_cursor: str | None


class AmountReply(Reply, frozen=True):
    limit: int
    used: int
    remaining: int

    @classmethod
    def of(cls, limit: int, used: int) -> Self:
        return cls(limit, used, max(0, limit - used))


class QuotaReply(Reply, frozen=True):
    """What today holds. `is_open`: whether the coach answers this person at all."""

    is_open: bool
    messages: AmountReply
    tokens: AmountReply
    resets_at: datetime.datetime

    @classmethod
    def of(cls, quota: Quota) -> Self:
        used = quota.used
        messages = AmountReply.of(quota.messages, used.requests)
        tokens = AmountReply.of(quota.tokens, used.tokens)
        return cls(quota.is_open, messages, tokens, quota.resets_at)
