"""The boards in Valkey: sorted sets that PostgreSQL can always rebuild.

A board is complete if it holds the sentinel, with which a rebuild begins it: a key that was lost,
and that changes of single people (or the rest of a rebuild) have begun anew, does not hold it. The
sentinel has the lowest score and stands behind everybody.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from zxo.modules.rankings.models import Mine, Place
from zxo.modules.rankings.rules import Board, days_of, member

SENTINEL, SENTINEL_SCORE = "-", -1
KEPT_SECONDS = 2 * 3600  # every hourly rebuild begins this anew
HALF_SECONDS = 600  # a rebuild that was cut off leaves nothing behind for longer

# For rebuilds: user ids by when they were last put in place; and which boards somebody has left,
# as "id type:path", by when.
CHANGED, LEFT = "zxo:boards:changed", "zxo:boards:left"
CHANGED_SECONDS = 600

SCANNED = 500  # of a board, or of boards, at a time

Members = dict[bytes, int]  # score by member
Ranks = dict[Board, int]


class Page(NamedTuple):
    """Places from the top of a board down, and how many there are in all."""

    places: list[Place]
    total: int | None  # None: not counted


def key(board: Board, suffix: str = "") -> str:
    """The braces keep a board and its successor in one slot of a cluster, so that RENAME works."""
    return f"zxo:board:{{{board.type}:{board.code}}}{suffix}"


async def page(valkey: Redis, board: Board, first: int, size: int) -> Page | None:
    """`size` places from rank `first` on; None where the board is not complete."""
    async with valkey.pipeline(transaction=False) as pipe:
        name = key(board)
        pipe.zrange(name, first - 1, first + size - 2, desc=True, withscores=True)
        pipe.zcard(name)
        pipe.zscore(name, SENTINEL)  # last: what was complete then, was so before
        found, count, complete = await pipe.execute()
    if complete is None:
        return None
    places = [Place(int(who), days_of(score)) for who, score in found if score >= 0]
    return Page(places, count - 1)


async def mine(valkey: Redis, user_id: int, boards: Sequence[Board]) -> dict[Board, Mine | None]:
    """Where the user stands on the boards that are complete; None: not on it."""
    name = member(user_id)
    async with valkey.pipeline(transaction=False) as pipe:
        for board in boards:
            pipe.zrevrank(key(board), name, withscore=True)
            pipe.zcard(key(board))
            pipe.zscore(key(board), SENTINEL)
        answers = await pipe.execute()
    found: dict[Board, Mine | None] = {}
    for board, (place, count, complete) in zip(boards, _by(3, answers), strict=True):
        if complete is not None:
            total = max(count - 1, place[0] + 1) if place else 0  # somebody may just have left
            found[board] = Mine(place[0] + 1, total, days_of(place[1])) if place else None
    return found


class Spot(NamedTuple):
    rank: int
    days: int


async def spots(valkey: Redis, asked: Iterable[tuple[Board, int]]) -> list[Spot | None]:
    """Where users stand on boards that were complete a moment ago; None: not on it."""
    async with valkey.pipeline(transaction=False) as pipe:
        for board, user_id in asked:
            pipe.zrevrank(key(board), member(user_id), withscore=True)
        answers = await pipe.execute()
    return [Spot(found[0] + 1, days_of(found[1])) if found else None for found in answers]


def _by(size: int, answers: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (answers[start : start + size] for start in range(0, len(answers), size))


async def now(valkey: Redis) -> int:
    """Valkey's own time, in seconds: one clock for all workers."""
    seconds: int = (await valkey.time())[0]
    return seconds


async def place(
    valkey: Redis,
    put: Mapping[Board, Members],
    drop: Mapping[Board, Collection[bytes]],
    suffix: str = "",
) -> None:
    """Put members onto boards and take others off."""
    async with valkey.pipeline(transaction=False) as pipe:
        _place(pipe, put, drop, suffix)
        await pipe.execute()


def _place(
    pipe: Pipeline,
    put: Mapping[Board, Members],
    drop: Mapping[Board, Collection[bytes]],
    suffix: str = "",
) -> None:
    for board, members in put.items():
        name = key(board, suffix)
        pipe.zadd(name, members)
        pipe.expire(name, KEPT_SECONDS, nx=True)
    for board, leaving in drop.items():
        pipe.zrem(key(board, suffix), *leaving)


async def place_watched(
    valkey: Redis,
    put: Mapping[Board, Members],
    drop: Mapping[Board, Collection[bytes]],
    watched: Mapping[bytes, Collection[Board]],
) -> dict[bytes, tuple[Ranks, Ranks]]:
    """`place`, and the ranks (1 is the best) of the members `watched` before and after it.

    A board that is not complete has no ranks to tell.
    """
    asked = [(who, board) for who, boards in watched.items() for board in boards]
    async with valkey.pipeline(transaction=False) as pipe:
        _ask(pipe, asked)
        _place(pipe, put, drop)
        _ask(pipe, asked)
        answers = await pipe.execute()
    length = 2 * len(asked)
    before, after = answers[:length], answers[len(answers) - length :]
    ranks: dict[bytes, tuple[Ranks, Ranks]] = {who: ({}, {}) for who in watched}
    for moment, found in ((0, before), (1, after)):
        for (who, board), (rank, complete) in zip(asked, _by(2, found), strict=True):
            if rank is not None and complete is not None:
                ranks[who][moment][board] = rank + 1
    return ranks


def _ask(pipe: Pipeline, asked: Iterable[tuple[bytes, Board]]) -> None:
    for who, board in asked:
        pipe.zrevrank(key(board), who)
        pipe.zscore(key(board), SENTINEL)


async def note_changed(valkey: Redis, people: Mapping[int, Collection[Board]]) -> None:
    """Let a rebuild that is under way know whom to put in place again, and off which boards."""
    moment = await now(valkey)
    left = [
        f"{number} {board.type}:{board.code}" for number, some in people.items() for board in some
    ]
    async with valkey.pipeline(transaction=False) as pipe:
        for name, members in ((CHANGED, list(map(str, people))), (LEFT, left)):
            if members:
                pipe.zadd(name, dict.fromkeys(members, moment))
            pipe.zremrangebyscore(name, "-inf", moment - CHANGED_SECONDS)
            pipe.expire(name, CHANGED_SECONDS)
        await pipe.execute()


async def changed_since(valkey: Redis, moment: int) -> dict[int, set[Board]]:
    """Who was put in place at `moment` (of `now`) or later, and the boards that they have left."""
    found: Any = await valkey.zrange(CHANGED, moment, "+inf", byscore=True)
    left: Any = await valkey.zrange(LEFT, moment, "+inf", byscore=True)
    people: dict[int, set[Board]] = {int(who): set() for who in found}
    for note in left:
        number, _, name = note.decode().partition(" ")
        kind, _, code = name.partition(":")
        people.setdefault(int(number), set()).add(Board(kind, code))
    return people


class Filled(NamedTuple):
    """What filling a successor has shown of the board that is still in use."""

    differing: list[int]  # ids whose score there is another one, or missing
    found: dict[Board, int]  # how many of the members are there, by board


async def begin(valkey: Redis, some: Iterable[Board], suffix: str) -> None:
    """Begin the successors of boards. One that is lost later is not complete any more."""
    async with valkey.pipeline(transaction=False) as pipe:
        for board in some:
            name = key(board, suffix)
            pipe.zadd(name, {SENTINEL: SENTINEL_SCORE})
            pipe.expire(name, HALF_SECONDS)
        await pipe.execute()


async def fill(valkey: Redis, put: Mapping[Board, Members], suffix: str) -> Filled:
    """Add members to the successors of boards, and compare them with what is in use now.

    Only complete boards are compared.
    """
    async with valkey.pipeline(transaction=False) as pipe:
        for board, members in put.items():
            pipe.zscore(key(board), SENTINEL)
            pipe.execute_command("ZMSCORE", key(board), *members)
            name = key(board, suffix)
            pipe.execute_command("ZADD", name, *_flat(members))
            pipe.expire(name, HALF_SECONDS, nx=True)
        answers = await pipe.execute()
    differing: list[int] = []
    found: dict[Board, int] = {}
    for (board, members), (complete, scores, *_) in zip(put.items(), _by(4, answers), strict=True):
        if complete is not None:
            pairs = zip(members.items(), scores, strict=True)
            differing += [int(who) for (who, wanted), has in pairs if has != wanted]
            found[board] = sum(has is not None for has in scores)
    return Filled(differing, found)


def _flat(members: Members) -> Iterable[bytes]:
    """Bytes, which the client takes as they are: there are millions of them."""
    for who, score in members.items():
        yield b"%d" % score
        yield who


async def surplus(
    valkey: Redis, found: Mapping[Board, int], suffix: str
) -> AsyncIterator[list[int]]:
    """Ids on complete boards whose successors do not have them. `found`: how many there have."""
    names = list(found)
    async with valkey.pipeline(transaction=False) as pipe:
        for board in names:
            pipe.zcard(key(board))
        counts = await pipe.execute()
    for board, count in zip(names, counts, strict=True):
        if count - 1 > found[board]:
            async for ids in _not_in_successor(valkey, board, suffix):
                yield ids


async def _not_in_successor(valkey: Redis, board: Board, suffix: str) -> AsyncIterator[list[int]]:
    position = 0
    while True:
        scanned: Any = await valkey.zscan(key(board), position, count=SCANNED)
        position, pairs = scanned
        members = [who for who, score in pairs if score >= 0]
        if members:
            scores = await valkey.zmscore(key(board, suffix), members)
            yield [int(w) for w, score in zip(members, scores, strict=True) if score is None]
        if not position:
            return


async def are_whole(valkey: Redis, sizes: Mapping[Board, int], suffix: str) -> bool:
    """Whether the successors are complete, and hold so many people each."""
    async with valkey.pipeline(transaction=False) as pipe:
        for board in sizes:
            pipe.zcard(key(board, suffix))
            pipe.zscore(key(board, suffix), SENTINEL)
        answers = await pipe.execute()
    return all(
        complete is not None and count - 1 == size
        for size, (count, complete) in zip(sizes.values(), _by(2, answers), strict=True)
    )


async def replace(valkey: Redis, names: Sequence[Board], suffix: str) -> None:
    """Put the successors into the boards' places. Raises ResponseError where one was lost."""
    for start in range(0, len(names), SCANNED):
        async with valkey.pipeline(transaction=False) as pipe:
            for board in names[start : start + SCANNED]:
                pipe.expire(key(board, suffix), KEPT_SECONDS)
                pipe.rename(key(board, suffix), key(board))
            await pipe.execute()


async def is_complete(valkey: Redis, board: Board) -> bool:
    return await valkey.zscore(key(board), SENTINEL) is not None
