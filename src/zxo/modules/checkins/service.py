"""The main job: counting a day.

A check-in takes at most two round trips and holds no lock in between: the user's progress (usually
in memory), then one conditional statement. Whoever loses a race reads again and finds the day done.
"""

from datetime import date, timedelta

from asyncpg import UniqueViolationError

from zxo.context import Context
from zxo.kit.db import Connection
from zxo.modules import users
from zxo.modules.checkins import repository, rules
from zxo.modules.checkins.errors import (
    AlreadyCheckedIn,
    DateAlreadyCounted,
    NoMakeupCard,
    NotInThePast,
    TooLongAgo,
    TooManyMakeups,
)
from zxo.modules.checkins.models import NOWHERE, Counted, Place, Record, Summary, Today
from zxo.modules.checkins.rules import Progress, Step
from zxo.modules.users import User

TRIES_WITHOUT_LOCK = 2


async def check_in(ctx: Context, user_id: int, place: Place = NOWHERE) -> Counted:
    """Count today, the user's calendar date. Raises AlreadyCheckedIn, UserGone."""
    async with ctx.db.connection() as connection:
        counted = await _check_in_unlocked(ctx, connection, user_id, place)
    return counted or await _check_in_locked(ctx, user_id, place)


async def _check_in_unlocked(
    ctx: Context, connection: Connection, user_id: int, place: Place
) -> Counted | None:
    """None where only a look under lock can tell. Raises AlreadyCheckedIn, UserGone."""
    user = await users.get(ctx, user_id, connection)
    for _ in range(TRIES_WITHOUT_LOCK):
        today = user.today(ctx.clock.now())
        if user.last_check_in_date is not None and user.last_check_in_date >= today:
            break
        step = rules.advance(_progress(user), today)
        after = await _count_if_unchanged(ctx, connection, user, today, step, place)
        if after is not None:
            return _counted(ctx, after, today, step)
        user = await users.reload(ctx, user_id, connection)
    if user.last_check_in_date == today:
        raise AlreadyCheckedIn
    return None


async def _count_if_unchanged(
    ctx: Context, connection: Connection, user: User, today: date, step: Step, place: Place
) -> User | None:
    """The user afterwards, None where somebody was faster. Raises AlreadyCheckedIn."""
    try:
        return await repository.count_day(
            connection, user, today, step, ctx.clock.now(), is_makeup=False, place=place
        )
    except UniqueViolationError:
        raise AlreadyCheckedIn from None


async def _check_in_locked(ctx: Context, user_id: int, place: Place) -> Counted:
    """The rare case: many changes at once, or somebody who travelled west of their last date."""
    async with ctx.db.transaction() as connection:
        user = await users.lock(connection, user_id)
        today = user.today(ctx.clock.now())
        dates = await repository.all_dates(connection, user_id)
        if today in dates:
            raise AlreadyCheckedIn
        progress = _progress(user)
        if progress.last_date is not None and progress.last_date > today:
            step = rules.count_late(progress, today, dates, makeup=False)
        else:
            step = rules.advance(progress, today)
        after = await _count_locked(
            ctx, connection, user, today, step, is_makeup=False, place=place
        )
    return _counted(ctx, after, today, step)


async def make_up(ctx: Context, user_id: int, day: date) -> Counted:
    """Count a missed day for a card.

    Raises, in this order, NoMakeupCard, NotInThePast, DateAlreadyCounted, TooManyMakeups,
    TooLongAgo; UserGone.
    """
    async with ctx.db.transaction() as connection:
        user = await users.lock(connection, user_id)
        today = user.today(ctx.clock.now())
        dates = await repository.all_dates(connection, user_id)
        made = await repository.makeups_made_on(connection, user_id, today)
        _refuse_makeup(user, day, today, dates, made)
        step = rules.count_late(_progress(user), day, dates, makeup=True)
        after = await _count_locked(ctx, connection, user, day, step, is_makeup=True)
    return _counted(ctx, after, day, step)


def _refuse_makeup(user: User, day: date, today: date, dates: set[date], made: int) -> None:
    if user.makeup_cards < 1:
        raise NoMakeupCard
    if day >= today:
        raise NotInThePast
    if day in dates:
        raise DateAlreadyCounted
    if made >= rules.MAKEUPS_A_DAY:
        raise TooManyMakeups
    if day < today - rules.MAKEUP_REACH:
        raise TooLongAgo


async def _count_locked(
    ctx: Context,
    connection: Connection,
    user: User,
    day: date,
    step: Step,
    *,
    is_makeup: bool,
    place: Place = NOWHERE,
) -> User:
    """To be called while holding the user's row lock."""
    after = await repository.count_day(
        connection, user, day, step, ctx.clock.now(), is_makeup=is_makeup, place=place
    )
    assert after is not None, "the row is locked"
    return after


def _counted(ctx: Context, user: User, day: date, step: Step) -> Counted:
    """To be called after the commit."""
    users.keep(ctx, user)
    return Counted(
        date=day,
        user=user,
        consecutive_days=user.run(user.today(ctx.clock.now())),
        rank=step.rank,
        is_rank_up=step.is_rank_up,
    )


def _progress(user: User) -> Progress:
    return Progress(user.total_days, user.consecutive_days, user.last_check_in_date)


async def today(ctx: Context, user_id: int) -> Today:
    """Whether today has been counted. Raises UserGone."""
    user = await users.get(ctx, user_id)
    day, last = user.today(ctx.clock.now()), user.last_check_in_date
    if last is None or last < day:
        return Today(day, False, False)
    if last == day:
        return Today(day, True, user.last_check_in_is_makeup)
    async with ctx.db.connection() as connection:  # the person travelled west of their last date
        record = await repository.get(connection, user_id, day)
    return Today(day, record is not None, record is not None and record.is_makeup)


async def records(ctx: Context, user_id: int, year: int, month: int) -> list[Record]:
    """The records of a month, newest first. Raises UserGone."""
    await users.get(ctx, user_id)
    first = date(year, month, 1)
    end = date(year + month // 12, month % 12 + 1, 1)
    async with ctx.db.connection() as connection:
        return await repository.month(connection, user_id, first, end)


async def summary(ctx: Context, user_id: int) -> Summary:
    """What the person has to show for it, as of today. Raises UserGone."""
    user = await users.get(ctx, user_id)
    settings = await users.get_settings(ctx, user_id)
    week = [user.today(ctx.clock.now()) - timedelta(days=ago) for ago in range(6, -1, -1)]
    async with ctx.db.connection() as connection:
        counted = await repository.dates_between(connection, user_id, week[0], week[-1])
    avoided = rules.cigarettes_avoided(user.total_days, settings.daily_amount)
    money = rules.money_saved(avoided, settings.cigarettes_per_pack, settings.price_per_pack)
    item, count = rules.equivalent_item(money)
    return Summary(
        total_days=user.total_days,
        consecutive_days=user.run(week[-1]),
        cigarettes_avoided=avoided,
        money_saved=money,
        item=item,
        item_count=count,
        extra_life_minutes=rules.extra_life_minutes(avoided),
        rank=rules.rank_of(user.total_days),
        last_7_days=[day in counted for day in week],
    )
