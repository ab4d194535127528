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
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from prometheus_client import Counter
from structlog import get_logger

from zxo.context import Context
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
SETTLE_SECONDS = 2.0  # within which a change reaches the boards

drifted = Counter("ranking_drift", "Board entries that a rebuild found to differ from PostgreSQL's")


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


class Successors:
    """The boards of a part in the making."""

    def __init__(self, ctx: Context, part: Part) -> None:
        self._ctx = ctx
        self._part = part
        self._suffix = f":next:{uuid4().hex}"  # of this run alone: two must not mix
        self._boards = {part.root}
        self._found: dict[Board, int] = {}
        self.suspects = array("q")  # there may be millions

    async def add(self, rows: Iterable[Any]) -> None:
        """Put people, as the part's stream has them, onto the part's successors."""
        put: defaultdict[Board, Members] = defaultdict(dict)
        for number, score, *inside in rows:
            who = rules.member(number)
            for board in self._part.boards(*inside):
                put[board][who] = score
        filled = await boards.fill(self._ctx.valkey, put, self._suffix)
        self._boards |= put.keys()
        self.suspects.extend(filled.differing)
        for board, count in filled.found.items():
            self._found[board] = self._found.get(board, 0) + count

    async def compare(self) -> None:
        """Look for people who are on a board in use, and should not be."""
        async for ids in boards.surplus(self._ctx.valkey, self._found, self._suffix):
            self.suspects.extend(ids)

    async def put_right(self, ids: Collection[int]) -> None:
        """People as they are now, whatever the snapshot said of them."""
        for chunk in rules.in_chunks(list(ids), upkeep.CHUNK):
            async with self._ctx.db.connection() as connection:
                standings = await repository.standings(connection, chunk)
            people = dict.fromkeys(
                await self.concerned(chunk, standings, self._suffix), self._boards
            )
            put, drop = upkeep.writes((s for s in standings if s.user_id in people), people)
            put = {board: who for board, who in put.items() if self._part.covers(board)}
            drop = {board: who for board, who in drop.items() if board in self._boards}
            await boards.place(self._ctx.valkey, put, drop, self._suffix)
            self._boards |= put.keys()

    async def concerned(
        self, ids: Sequence[int], standings: Iterable[Standing], suffix: str = ""
    ) -> set[int]:
        """Those of `ids` who are on the part's boards, or belong there."""
        found = await boards.present(self._ctx.valkey, self._part.root, ids, suffix)
        return found | {s.user_id for s in standings if any(map(self._part.covers, s.boards))}

    async def take_over(self) -> None:
        """Replace the boards in use."""
        await boards.replace(self._ctx.valkey, list(self._boards), self._suffix)

    async def put_back(self, ids: Sequence[int]) -> None:
        """Put people in place whose last change went to the boards that were replaced."""
        async with self._ctx.db.connection() as connection:
            standings = await repository.standings(connection, ids)
        people = await self.concerned(ids, standings)
        await upkeep.refresh(self._ctx, dict.fromkeys(people, self._boards))


async def rebuild(ctx: Context) -> int:
    """Make every board anew; how many of the entries in use differed from PostgreSQL's.

    Raises what redis-py raises where Valkey is away. May run twice at once.
    """
    began, since = time.monotonic(), await boards.now(ctx.valkey)
    parts = await _parts(ctx)
    suspects = await _build_all(ctx, parts)
    drift = await _settled(ctx, suspects, since)
    drifted.inc(drift)
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

    Among them are those who were only on their way.
    """
    since = await boards.now(ctx.valkey)
    successors = Successors(ctx, part)
    # The primary: a replica's snapshot might be older than `since`.
    async with ctx.db.connection() as connection, repository.patient(connection):
        async for rows in repository.stream(connection, part.root, inside=part.inside):
            await successors.add(rows)
    await successors.compare()
    await successors.put_right(await boards.changed_since(ctx.valkey, since))
    await successors.take_over()
    for chunk in rules.in_chunks(await boards.changed_since(ctx.valkey, since), upkeep.CHUNK):
        await successors.put_back(chunk)
    return successors.suspects


async def _settled(ctx: Context, suspects: "array[int]", since: int) -> int:
    """How many of the suspects were not merely on their way to their places."""
    if not suspects:
        return 0
    await asyncio.sleep(SETTLE_SECONDS)
    # Whoever was put in place shortly before may have been so after we had asked for the time.
    moved = set(await boards.changed_since(ctx.valkey, since - 1))
    return sum(number not in moved for number in suspects)


async def look_after(ctx: Context) -> None:
    """Rebuild where the boards were lost."""
    if not await boards.is_complete(ctx.valkey, NATIONAL):
        await rebuild(ctx)
