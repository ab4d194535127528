"""A turn of a conversation: begun under limits, answered outside of any transaction, settled.

Whatever happens in between, the day's tokens come out right: they are reserved before, and what
was not used is given back afterwards, or by `upkeep` where whoever was answering is gone.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
from asyncpg import ForeignKeyViolationError
from structlog import get_logger

from zxo.clients.models import Message
from zxo.context import Context
from zxo.kit import metrics
from zxo.kit.db import Connection, is_away
from zxo.kit.tasks import see_through
from zxo.kit.zones import zone
from zxo.modules import checkins, cravings, membership, users
from zxo.modules.coach import builtin, prompt, repository, rules, safety
from zxo.modules.coach.errors import (
    AnswerUnderway,
    CoachOff,
    MessagesUsedUp,
    NoSuchConversation,
    TokensUsedUp,
)
from zxo.modules.coach.models import Allowance, Exchange, Held, Lease, Person, Said
from zxo.modules.users import User

log = get_logger(__name__)


class Turn(msgspec.Struct):
    """`ready`: what is answered without a model, and kept already; otherwise `messages` are what a
    model gets, and `lease` what is reserved for its answer.

    The rest fills while the answer is given. `tokens`: what it has cost. `index` stays None where
    it is not kept.
    """

    user_id: int
    question: str
    conversation_id: UUID
    is_new: bool
    asked_at: datetime
    began: float
    ready: str | None = None
    lease: Lease | None = None
    fallback: str = ""
    sources: tuple[str, ...] = ()  # of what is ready, or falls back: ids of the evidence file
    messages: list[Message] = []
    prompt_tokens: int = 0
    pieces: list[str] = []
    source: rules.Source = rules.BUILT_IN
    provider: str = ""  # who was asked; nobody: empty
    tokens: int = 0
    is_complete: bool = False
    index: int | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def said(self) -> Said:
        sources = self.sources if self.source == rules.BUILT_IN else ()
        return Said(self.text, self.conversation_id, self.index, self.source, sources)

    def exchange(self, answer: str) -> Exchange:
        """The question with `answer`, given just now."""
        took = round((time.perf_counter() - self.began) * 1000)
        how = self.source, self.is_complete
        return Exchange(0, self.question, answer, *how, self.asked_at, took)

    def leased(self, day: date, tokens: int) -> Lease:
        return Lease(uuid4(), self.user_id, self.conversation_id, day, tokens)


async def begin(ctx: Context, user_id: int, question: str, conversation_id: UUID | None) -> Turn:
    """Decide how `question` is answered, and reserve what that costs.

    Whoever may be in danger is answered whatever their membership, the day's use and the state of
    the conversation. Raises CoachOff, UserGone, AiNotOpen, AiTrialEnded, AiExpired,
    NoSuchConversation, AnswerUnderway, MessagesUsedUp, TokensUsedUp.
    """
    if not ctx.settings.models.enabled:
        raise CoachOff
    fixed = builtin.fixed(question)
    where, is_new = conversation_id or uuid4(), conversation_id is None
    turn = Turn(user_id, question, where, is_new, ctx.clock.now(), time.perf_counter())
    if fixed:
        turn.ready, turn.sources = fixed.text, fixed.sources
    if fixed and fixed.entry == safety.CRISIS:
        await _keep_uncounted(ctx, turn)
        return turn
    user = await users.get(ctx, user_id)
    membership.check_ai(user, turn.asked_at)
    if is_new:
        async with ctx.db.connection() as connection:
            await _reserve(ctx, connection, turn, user)
    else:
        async with ctx.db.transaction() as connection:
            await _free(ctx, connection, turn)
            await _reserve(ctx, connection, turn, user)
    return turn


async def _reserve(ctx: Context, connection: Connection, turn: Turn, user: User) -> None:
    """Keep an answer that is ready, or take the lease for one that is not."""
    if turn.ready is None:
        await _prepare(ctx, connection, turn, user)
    most = rules.most_tokens(turn.prompt_tokens, ctx.settings.models.max_tokens)
    cost = 0 if turn.ready else most
    lease = turn.leased(user.today(turn.asked_at), cost)
    day = Allowance(rules.MESSAGES_A_DAY, rules.TOKENS_A_DAY[user.tier(turn.asked_at)])
    title = rules.title_of(turn.question)
    if turn.ready:
        answered = turn.exchange(turn.ready)
        turn.index = await repository.add_answered(
            connection, lease, day, answered, title, is_new=turn.is_new
        )
        done = turn.index is not None
    elif turn.is_new:
        done = await repository.begin(connection, lease, day, title, turn.asked_at)
    else:
        done = await repository.take(connection, lease, day, turn.asked_at)
    if not done:
        raise await _used_up(connection, lease, user, turn.asked_at)
    turn.lease = None if turn.ready else lease


async def _free(ctx: Context, connection: Connection, turn: Turn) -> None:
    """Lock the conversation, in which nothing is being answered any more.

    Raises NoSuchConversation, AnswerUnderway.
    """
    held = await repository.lock(connection, turn.conversation_id, turn.user_id)
    if held is None:
        raise NoSuchConversation
    if held.lease is None:
        return
    assert held.leased_at is not None, "a lease has its time"
    if held.leased_at > turn.asked_at - lease_time(ctx):
        raise AnswerUnderway
    await give_back(connection, held)


async def give_back(connection: Connection, held: Held) -> None:
    """What an answer that nobody gives any more has reserved."""
    assert held.reserved_on is not None, "a lease has its day"
    await repository.charge(connection, held.user_id, held.reserved_on, -held.reserved_tokens)


def lease_time(ctx: Context) -> timedelta:
    """How long an answer may take, whatever happens on the way."""
    return ctx.settings.models.total_timeout + rules.LEASE_MARGIN


async def _prepare(ctx: Context, connection: Connection, turn: Turn, user: User) -> None:
    """Find the answer that needs no model, or what a model is to be told."""
    person = await person_of(ctx, connection, user, turn.asked_at)
    known = builtin.matched(turn.question, person)
    turn.fallback, turn.sources = known.text, known.sources
    if known.confident or not ctx.models.configured:
        turn.ready = known.text
        return
    history = []
    if not turn.is_new:
        where = turn.conversation_id, turn.user_id
        history = await repository.exchanges(connection, *where, None, rules.MOST_HISTORY)
    budget = ctx.settings.models.context_tokens
    turn.messages, turn.prompt_tokens = prompt.fitted(person, history, turn.question, budget)


async def person_of(ctx: Context, connection: Connection, user: User, now: datetime) -> Person:
    """What the coach knows of the user. Raises UserGone."""
    settings = await users.get_settings(ctx, user.id, connection)
    pattern = await cravings.pattern(connection, user, now, rules.PATTERN_DAYS)
    rank = checkins.rank_of(user.total_days)
    return Person(
        total_days=user.total_days,
        consecutive_days=user.run(user.today(now)),
        tier=rank.rank,
        stars=rank.stars,
        quit_days=rules.quit_days(settings.quit_at, now),
        smoking_years=settings.smoking_years,
        daily_amount=settings.daily_amount,
        cravings=pattern.total,
        peak_hours=pattern.peak_hours,
        triggers=pattern.triggers,
        hour=now.astimezone(zone(user.timezone)).hour,
    )


async def _used_up(
    connection: Connection, lease: Lease, user: User, now: datetime
) -> MessagesUsedUp | TokensUsedUp:
    used = await repository.usage(connection, lease.user_id, lease.day)
    ends = rules.day_ends(lease.day, user.timezone)
    kind = MessagesUsedUp if used.requests >= rules.MESSAGES_A_DAY else TokensUsedUp
    wait = {"Retry-After": str(rules.seconds_until(ends, now))}
    return kind(data={"resetsAt": ends}, headers=wait)


@asynccontextmanager
async def settled(ctx: Context, turn: Turn) -> AsyncIterator[None]:
    """Around the answer: keep what was said of it, and settle what it cost, however it ends.

    Where the database has gone away meanwhile, the lease is given up in the end.
    """
    try:
        yield
    finally:
        outcome = "whole" if turn.is_complete else "part" if turn.pieces else "nothing"
        metrics.coach_answers.labels(turn.source, outcome).inc()
        metrics.coach_tokens.labels(turn.provider).inc(turn.tokens)
        if turn.lease is not None:
            await see_through(_settle(ctx, turn, turn.lease))


async def _settle(ctx: Context, turn: Turn, lease: Lease) -> None:
    exchange = turn.exchange(turn.text)
    with _said_all_the_same():
        async with ctx.db.connection() as connection:
            turn.index = await repository.settle(
                connection, lease, exchange, turn.tokens, ctx.clock.now()
            )
            if turn.index is None:
                await repository.drop_empty(connection, lease.conversation_id)


@contextmanager
def _said_all_the_same() -> Iterator[None]:
    """An answer that cannot be kept is logged, and not lost for that."""
    try:
        yield
    except Exception as error:
        # The account may have been erased since.
        if not (is_away(error) or isinstance(error, ForeignKeyViolationError)):
            raise
        log.warning("answer_not_kept", reason=type(error).__name__)


async def _keep_uncounted(ctx: Context, turn: Turn) -> None:
    with _said_all_the_same():
        async with ctx.db.connection() as connection:
            turn.index = await _add_uncounted(connection, turn)
            if turn.index is None:  # there is none of this id, or it is somebody else's
                turn.conversation_id, turn.is_new = uuid4(), True
                turn.index = await _add_uncounted(connection, turn)


async def _add_uncounted(connection: Connection, turn: Turn) -> int | None:
    assert turn.ready is not None, "only what is ready is not counted"
    lease = turn.leased(turn.asked_at.date(), 0)
    title = rules.title_of(turn.question)
    answered = turn.exchange(turn.ready)
    return await repository.add_answered(
        connection, lease, None, answered, title, is_new=turn.is_new
    )
