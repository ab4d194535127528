"""Boards made anew from PostgreSQL, while everybody goes on reading and counting.

A part of the boards is read in one snapshot into successors; who was put in place meanwhile
(`boards.note_changed`) is put right there as well; then the successors take the boards' places, and
who was put in place during that moment is put in place once more. So no reader sees a board that
is partial, or older than the moment of the change takes.
"""

import asyncio
import time
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from structlog import get_logger

from zxo.context import Context
from zxo.kit import metrics
from zxo.kit.tasks import end
from zxo.modules.rankings import boards, repository, rules, upkeep
from zxo.modules.rankings.boards import Members
from zxo.modules.rankings.models import Standing
from zxo.modules.rankings.rules import (
    NATIONAL,
    TYPES,
    Board,
    Region,
    board_of,
    boards_of,
    region_of,
)

log = get_logger(__name__)

AT_ONCE = 3  # parts
MARGIN_SECONDS = 5
SETTLE_SECONDS = 2.0  # within which a change reaches the boards


class Part(NamedTuple):
    """What is rebuilt at once: a board, and with `inside` those of the regions inside it."""

    root: Board
    inside: bool = False

    def boards(self, *inside: str | None) -> tuple[Board, ...]:
        """Those of the part that people belong to in the region `inside` its root."""
        if not self.inside:
            return (self.root,)
        level = TYPES.index(self.root.type)
        region = Region(*(*region_of(self.root)[:level], *inside))
        return boards_of(region)[level:]

    def covers(self, board: Board) -> bool:
        if board == self.root:
            return True
        return self.inside and board_of(self.root.type, region_of(board)) == self.root


class BoardsLost(Exception):
    """Valkey lost what was being built: to be tried again."""


class Successors:
    """The boards of a part in the making."""

    def __init__(self, ctx: Context, part: Part) -> None:
        self._ctx = ctx
        self._part = part
        self._suffix = f":next:{uuid4().hex}"  # of this run alone: two must not mix
        self._sizes: dict[Board, int] = {}
        self._found: dict[Board, int] = {}
        self.suspects = array("q")  # there may be millions

    async def begin(self, some: Iterable[Board]) -> None:
        """Begin those that are not yet; before anything of theirs is read or written."""
        new = dict.fromkeys(set(some) - self._sizes.keys(), 0)
        if new:
            await boards.begin(self._ctx.valkey, new, self._suffix)
            self._sizes |= new

    async def add(self, rows: Iterable[Any]) -> None:
        """Put people, as the part's stream has them, onto the part's successors."""
        put: defaultdict[Board, Members] = defaultdict(dict)
        for number, score, *inside in rows:
            who = rules.member(number)
            for board in self._part.boards(*inside):
                put[board][who] = score
        await self.begin(put)
        filled = await boards.fill(self._ctx.valkey, put, self._suffix)
        self.suspects.extend(filled.differing)
        for board, members in put.items():
            self._sizes[board] += len(members)
        for board, count in filled.found.items():
            self._found[board] = self._found.get(board, 0) + count

    async def compare(self) -> None:
        """Look for people who are on a board in use, and should not be. Raises BoardsLost."""
        if not await boards.are_whole(self._ctx.valkey, self._sizes, self._suffix):
            raise BoardsLost
        async for ids in boards.surplus(self._ctx.valkey, self._found, self._suffix):
            self.suspects.extend(ids)

    async def put_right(self, people: Mapping[int, Collection[Board]]) -> None:
        """People as they are now, whatever the snapshot said of them."""
        for chunk, standings in await self._standings(people):
            put, drop = upkeep.writes(standings, chunk)
            put = {board: who for board, who in put.items() if self._part.covers(board)}
            await self.begin(put)
            drop = {board: who for board, who in drop.items() if board in self._sizes}
            await boards.place(self._ctx.valkey, put, drop, self._suffix)

    async def take_over(self) -> None:
        """Replace the boards in use."""
        await boards.replace(self._ctx.valkey, list(self._sizes), self._suffix)

    async def put_back(self, people: Mapping[int, Collection[Board]]) -> None:
        """Put people in place whose last change went to the boards that were replaced."""
        for chunk, standings in await self._standings(people):
            touched = dict(chunk)
            for standing in standings:
                everywhere = {*boards_of(standing.region), *chunk[standing.user_id]}
                if not any(map(self._part.covers, everywhere)):
                    del touched[standing.user_id]
            await upkeep.refresh(self._ctx, touched, tell=False)

    async def _standings(
        self, people: Mapping[int, Collection[Board]]
    ) -> list[tuple[Mapping[int, Collection[Board]], list[Standing]]]:
        """Some people at a time, with how they stand now."""
        found: list[tuple[Mapping[int, Collection[Board]], list[Standing]]] = []
        for ids in rules.in_chunks(list(people), upkeep.CHUNK):
            async with self._ctx.db.connection() as connection:
                standings = await repository.standings(connection, ids)
            found.append(({number: people[number] for number in ids}, standings))
        return found


async def rebuild(ctx: Context) -> int:
    """Make every board anew; how many of the entries in use differed from PostgreSQL's.

    Raises what redis-py raises where Valkey is away. May run twice at once.
    """
    began, since = time.monotonic(), await boards.now(ctx.valkey)
    parts = await _parts(ctx)
    suspects = await _build_all(ctx, parts)
    drift = await _settled(ctx, suspects, since)
    metrics.board_drift.labels("rebuild").inc(drift)
    seconds = round(time.monotonic() - began, 2)
    log.info("boards_rebuilt", parts=len(parts), drift=drift, seconds=seconds)
    return drift


async def _build_all(ctx: Context, parts: Sequence[Part]) -> "array[int]":
    """Several parts at once: one waits for PostgreSQL while another waits for Valkey."""
    suspects, waiting = array("q"), iter(parts)

    async def build_one_after_another() -> None:
        for part in waiting:
            suspects.extend(await build(ctx, part))

    building = [asyncio.create_task(build_one_after_another()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*building)
    finally:
        await end(building)  # if one has failed, the others stop too
    return suspects


async def _parts(ctx: Context) -> list[Part]:
    async with ctx.db.connection() as connection, repository.patient(connection):
        provinces = await repository.provinces(connection)
    return [
        Part(NATIONAL),
        *(Part(Board("province", province), inside=True) for province in provinces),
    ]


async def build(ctx: Context, part: Part) -> "array[int]":
    """Make one part anew; who stood elsewhere than they should, an id an entry.

    Among them are those who were only on their way. Raises BoardsLost, and what redis-py raises.
    """
    # Some seconds earlier: after a fail-over Valkey's clock may be behind. Twice does no harm.
    since = await boards.now(ctx.valkey) - MARGIN_SECONDS
    successors = Successors(ctx, part)
    await successors.begin([part.root])
    # The primary: a replica's snapshot might be older than `since`.
    async with ctx.db.connection() as connection, repository.patient(connection):
        async for rows in repository.stream(connection, part.root, inside=part.inside):
            await successors.add(rows)
    await successors.compare()
    await successors.put_right(await boards.changed_since(ctx.valkey, since))
    await successors.take_over()
    await successors.put_back(await boards.changed_since(ctx.valkey, since))
    return successors.suspects


async def _settled(ctx: Context, suspects: "array[int]", since: int) -> int:
    """How many of the suspects were not merely on their way to their places."""
    if not suspects:
        return 0
    await asyncio.sleep(SETTLE_SECONDS)
    # Whoever was put in place shortly before may have been so after we had asked for the time.
    moved = await boards.changed_since(ctx.valkey, since - MARGIN_SECONDS)
    if await upkeep.is_behind(ctx):
        log.warning("drift_not_counted", suspects=len(suspects))  # most are on their way
        return 0
    return sum(number not in moved for number in suspects)


async def look_after(ctx: Context) -> None:
    """Rebuild where the boards were lost."""
    if not await boards.is_complete(ctx.valkey, NATIONAL):
        await rebuild(ctx)
