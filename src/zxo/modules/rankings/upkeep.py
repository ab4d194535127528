"""Keeping the boards in Valkey the same as what PostgreSQL says.

People are put in place by absolute writes, and afterwards looked at again: whoever has changed
meanwhile is put in place once more. So the last to write about a person has always seen the person
as they are, however many workers write at once; one that is killed in between leaves a job that
runs again.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time, timedelta

from zxo.context import Context
from zxo.kit import jobs, outbox
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.zones import date_in, zone
from zxo.modules import users
from zxo.modules.rankings import boards, repository, rules
from zxo.modules.rankings.boards import Members, Ranks
from zxo.modules.rankings.events import RankChanged
from zxo.modules.rankings.models import Standing
from zxo.modules.rankings.rules import TYPES, Board, boards_of, member

CHUNK = 1_000
FORGET_STEP = 50_000


async def refresh(
    ctx: Context, people: Mapping[int, Collection[Board]], *, tell: bool = True
) -> None:
    """Put people (user ids) in place. The boards beside an id are those that the user has left.

    With `tell`, those who are about are told of new ranks.

    Raises what redis-py raises where Valkey is away: nothing is lost if it is called again.
    """
    for ids in rules.in_chunks(list(people), CHUNK):
        await _refresh(ctx, {number: people[number] for number in ids}, tell)


async def _refresh(ctx: Context, people: Mapping[int, Collection[Board]], tell: bool) -> None:
    pending = dict(people)
    present = await ctx.presence.recently(pending) if tell else set()
    while pending:
        async with ctx.db.connection() as connection:
            found = await repository.standings(connection, pending)
        await boards.note_changed(ctx.valkey, pending)  # before the writes: see rebuild.py
        await _place(ctx, found, pending, present)
        async with ctx.db.connection() as connection:
            now = await repository.versions(connection, pending)
        pending = _changed(pending, {standing.user_id: standing for standing in found}, now)


def _changed(
    asked: Mapping[int, Collection[Board]], found: Mapping[int, Standing], now: Mapping[int, int]
) -> dict[int, Collection[Board]]:
    """Those who are no longer as they were found, with the boards that they must be taken off."""
    again: dict[int, Collection[Board]] = {}
    for number, left in asked.items():
        standing = found.get(number)
        if now.get(number) != (standing and standing.version):
            again[number] = {*left, *(standing.boards if standing else ())}
    return again


async def _place(
    ctx: Context,
    found: Collection[Standing],
    people: Mapping[int, Collection[Board]],
    present: Collection[int],
) -> None:
    put, drop = writes(found, people)
    now = ctx.clock.now()
    watched = {
        member(standing.user_id): _open_boards(standing, people[standing.user_id], now)
        for standing in found
        if standing.user_id in present
    }
    ranks = await boards.place_watched(ctx.valkey, put, drop, watched)
    events = [event for who, moved in ranks.items() if (event := _rank_changed(who, now, *moved))]
    if events:
        async with ctx.db.transaction() as connection:
            await outbox.publish(connection, *events)


def _open_boards(standing: Standing, left: Iterable[Board], now: datetime) -> list[Board]:
    """Where somebody is or was, as far as they may look there."""
    tier = users.tier_in_force(standing.member_type, standing.member_expiry_at, now)
    everywhere = {*boards_of(standing.region), *left}
    return [board for board in everywhere if not rules.is_locked(board.type, tier)]


def writes(
    found: Iterable[Standing], people: Mapping[int, Collection[Board]]
) -> tuple[dict[Board, Members], dict[Board, set[bytes]]]:
    """Whom to put onto which board, and whom to take off: the boards beside an id, and those of the
    person's own region, as far as the person does not belong there."""
    put: dict[Board, Members] = {}
    drop: dict[Board, set[bytes]] = {}
    erased = dict(people)
    for standing in found:
        who, on = member(standing.user_id), standing.boards
        for board in on:
            put.setdefault(board, {})[who] = standing.score
        for board in {*boards_of(standing.region), *erased.pop(standing.user_id)} - set(on):
            drop.setdefault(board, set()).add(who)
    for number, left in erased.items():
        for board in {*left, rules.NATIONAL}:
            drop.setdefault(board, set()).add(member(number))
    return put, drop


def _rank_changed(who: bytes, as_of: datetime, before: Ranks, after: Ranks) -> RankChanged | None:
    """Every rank, where one of them is another one now."""
    was = {board.type: rank for board, rank in before.items()}
    now = {board.type: rank for board, rank in after.items()}
    if was == now:
        return None
    ranks: dict[str, int | None] = {kind: now.get(kind) for kind in TYPES if kind in was | now}
    return RankChanged(int(who), as_of, ranks)


async def is_behind(ctx: Context) -> bool:
    """Whether changes wait to be put in place."""
    async with ctx.db.connection() as connection:
        return await jobs.are_waiting(connection, "rankings.refresh")


async def forget_hidden(ctx: Context, ids: Collection[int]) -> None:
    """Drop the snapshots of those of `ids` who do not want to be on boards."""
    async with ctx.db.connection() as connection:
        await repository.forget_hidden(connection, ids)


async def take_snapshot(ctx: Context) -> None:
    """Write down how the day that has just ended in Shanghai left everybody; once or again.

    What was counted since midnight is left out; regions are those of now.
    """
    now = ctx.clock.now()
    today = date_in(now, SCHEDULE_ZONE)
    midnight = datetime.combine(today, time.min, zone(SCHEDULE_ZONE))
    day = today - timedelta(days=1)
    for kind in TYPES:
        async with ctx.db.connection() as connection:
            async with repository.patient(connection):
                await repository.take_snapshot(connection, kind, day, midnight, now)
            # Whoever hid while it was written was not in it yet when their past was deleted.
            await repository.forget_hidden_on(connection, day)


async def forget_snapshots(ctx: Context) -> None:
    """Delete snapshots older than 90 days."""
    before = rules.oldest_kept(date_in(ctx.clock.now(), SCHEDULE_ZONE))
    while True:
        async with ctx.db.connection() as connection, repository.patient(connection):
            if await repository.forget_snapshots(connection, before, FORGET_STEP) < FORGET_STEP:
                return
