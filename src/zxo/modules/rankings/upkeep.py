"""Keeping the boards in Valkey the same as what PostgreSQL says.

People are put in place by absolute writes, and afterwards looked at again: whoever has changed
meanwhile is put in place once more. So the last to write about a person has always seen the person
as they are, however many workers write at once; one that is killed in between leaves a job that
runs again.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.zones import date_in
from zxo.modules.rankings import boards, repository, rules
from zxo.modules.rankings.boards import Members, Ranks
from zxo.modules.rankings.events import RankChanged
from zxo.modules.rankings.models import Standing
from zxo.modules.rankings.rules import TYPES, Board, boards_of, member

CHUNK = 1_000
FORGET_STEP = 50_000


async def refresh(ctx: Context, people: Mapping[int, Collection[Board]]) -> None:
    """Put people (user ids) in place. The boards beside an id are those that the user has left.

    Raises what redis-py raises where Valkey is away: nothing is lost if it is called again.
    """
    for ids in rules.in_chunks(list(people), CHUNK):
        await _refresh(ctx, {number: people[number] for number in ids})


async def _refresh(ctx: Context, people: Mapping[int, Collection[Board]]) -> None:
    pending = dict(people)
    present = await ctx.presence.recently(pending)
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
    watched = {
        member(standing.user_id): _everywhere(standing, people[standing.user_id])
        for standing in found
        if standing.user_id in present
    }
    ranks = await boards.place_watched(ctx.valkey, put, drop, watched)
    now = ctx.clock.now()
    events = [event for who, moved in ranks.items() if (event := _rank_changed(who, now, *moved))]
    if events:
        async with ctx.db.transaction() as connection:
            await outbox.publish(connection, *events)


def _everywhere(standing: Standing, left: Iterable[Board]) -> list[Board]:
    return list({*boards_of(standing.region), *left})


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


async def forget_hidden(ctx: Context, ids: Collection[int]) -> None:
    """Drop the snapshots of those of `ids` who do not want to be on boards."""
    async with ctx.db.connection() as connection:
        await repository.forget_hidden(connection, ids)


async def take_snapshot(ctx: Context) -> None:
    """Write down how the day that has just ended in Shanghai left everybody; once or again."""
    now = ctx.clock.now()
    day = date_in(now, SCHEDULE_ZONE) - timedelta(days=1)
    for kind in TYPES:
        async with ctx.db.connection() as connection, repository.patient(connection):
            await repository.take_snapshot(connection, kind, day, now)


async def forget_snapshots(ctx: Context) -> None:
    """Delete snapshots older than 90 days."""
    before = rules.oldest_kept(date_in(ctx.clock.now(), SCHEDULE_ZONE))
    while True:
        async with ctx.db.connection() as connection, repository.patient(connection):
            if await repository.forget_snapshots(connection, before, FORGET_STEP) < FORGET_STEP:
                return
