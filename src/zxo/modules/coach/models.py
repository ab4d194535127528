"""What the coach knows and says."""

from datetime import date, datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from zxo.modules.coach.rules import Source


class Person(msgspec.Struct, frozen=True):
    """What the coach knows of the person: numbers and words of ours, nothing that was typed.

    `quit_days`: whole days since the last cigarette; None: unknown. `smoking_years` (a choice of
    the settings), `daily_amount` (cigarettes): None: not told. `cravings`, `peak_hours` (0 to 23,
    up to three, in the order of the day) and `triggers` (stress, social, habit, other: how often)
    are of the last seven days. `hour`: of the clock where the person lives.
    """

    total_days: int
    consecutive_days: int
    tier: str
    stars: int
    quit_days: int | None = None
    smoking_years: str | None = None
    daily_amount: int | None = None
    cravings: int = 0
    peak_hours: tuple[int, ...] = ()
    triggers: tuple[tuple[str, int], ...] = ()
    hour: int = 12


class Exchange(msgspec.Struct, frozen=True):
    """A question and its answer, in the order of EXCHANGE. `took_ms` is of the answer.

    `index` is 0 of what is not kept yet.
    """

    index: int
    question: str
    answer: str
    source: Source
    is_complete: bool
    asked_at: datetime
    took_ms: int | None


EXCHANGE = (
    "message_index, user_message, ai_response, source, is_complete, created_at, response_time_ms"
)


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as it is listed, in the order of CONVERSATION."""

    id: UUID
    title: str
    messages: int
    started_at: datetime
    last_message_at: datetime


CONVERSATION = ", ".join(Conversation.__struct_fields__)


class ListPosition(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of conversations ended: its last row."""

    last_message_at: datetime
    id: UUID


# Where a page of a conversation ended: the index of its oldest exchange.
Index = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Usage(msgspec.Struct, frozen=True):
    """What was used: messages, and tokens with those that are reserved."""

    requests: int
    tokens: int


class Allowance(NamedTuple):
    """What a day holds."""

    requests: int
    tokens: int


class Lease(msgspec.Struct, frozen=True):
    """An answer that is being given: whose, where, and what is reserved for it on which day."""

    id: UUID
    user_id: int
    conversation_id: UUID
    day: date
    tokens: int


class Held(msgspec.Struct, frozen=True):
    """A conversation under lock, in the order of the query's columns."""

    id: UUID
    user_id: int
    lease: UUID | None
    leased_at: datetime | None
    reserved_on: date | None
    reserved_tokens: int


class Said(msgspec.Struct, frozen=True):
    """What was answered. `index` is None where it was not kept: the conversation is gone.

    `sources`: on what it rests, as ids of the evidence file; none of a model's answer.
    """

    text: str
    conversation_id: UUID
    index: int | None
    source: Source
    sources: tuple[str, ...] = ()


class Quota(msgspec.Struct, frozen=True):
    """What a day holds (0 of both for whom the coach is not open), and what was used of it."""

    is_open: bool
    messages: int
    tokens: int
    used: Usage
    resets_at: datetime
