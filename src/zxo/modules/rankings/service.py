"""Use cases of the boards: read from Valkey, or from PostgreSQL where Valkey does not have them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

from structlog import get_logger

from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.errors import Unavailable
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.valkey import AWAY
from zxo.kit.zones import date_in
from zxo.modules import membership, users
from zxo.modules.rankings import boards, repository, rules
from zxo.modules.rankings.boards import Page
from zxo.modules.rankings.errors import NationalLocked, RegionNotSet
from zxo.modules.rankings.events import BoardMissed
from zxo.modules.rankings.models import Absence, Lines, Mine, MyPlace, Past, Row, Standing
from zxo.modules.rankings.rules import TYPES, Board, BoardType, Region, board_of
from zxo.modules.users import User

log = get_logger(__name__)

T = TypeVar("T")
Render = Callable[[Sequence[Row]], T]

# A page is the same for everybody who looks at it. With the way from a check-in to the board it
# must stay below the 2 s within which a change is seen.
PAGE_SECONDS = 0.5
MISSED_SECONDS = 5.0  # a board is asked for once in this time, a process
DEEPEST_COUNTED = 1_000  # ranks; what stands further down is not listed without Valkey
COUNTED_SECONDS = 10.0  # how old a rank may be that PostgreSQL had to count


async def top(
    ctx: Context, user_id: int, kind: BoardType, first: int, size: int, render: Render[T]
) -> tuple[Lines[T], MyPlace]:
    """`size` lines of the caller's board from rank `first` on, and where the caller stands.

    Raises NationalLocked, VipExpired, RegionNotSet, UserGone.
    """
    user = await users.get(ctx, user_id)
    board = _board(ctx, user, kind)
    found = await lines(ctx, board, first, size, render)
    return found, await _mine_beside(ctx, user, board, found.total)


async def around(
    ctx: Context, user_id: int, kind: BoardType, size: int, render: Render[T]
) -> tuple[Lines[T] | None, MyPlace]:
    """`size` lines with the caller in the middle; None where the caller is not on the board.

    Raises NationalLocked, VipExpired, RegionNotSet, UserGone.
    """
    user = await users.get(ctx, user_id)
    board = _board(ctx, user, kind)
    standing = (await _mine(ctx, user, [board]))[board]
    if not isinstance(standing, Mine):
        return None, standing
    ranks = rules.window(standing.rank, standing.total, size)
    return await lines(ctx, board, ranks.start, len(ranks), render), standing


async def everywhere(ctx: Context, user_id: int) -> dict[BoardType, MyPlace]:
    """Where the caller stands, by board type; None where the region is unset. Raises UserGone."""
    user = await users.get(ctx, user_id)
    region = _region(user)
    open_to = [kind for kind in TYPES if not is_locked(ctx, user, kind)]
    asked = {kind: board for kind in open_to if (board := board_of(kind, region))}
    standings = await _mine(ctx, user, list(asked.values()))
    found: dict[BoardType, MyPlace] = {kind: standings[board] for kind, board in asked.items()}
    return {kind: found.get(kind) if kind in open_to else Absence.LOCKED for kind in TYPES}


async def history(ctx: Context, user_id: int, kind: BoardType, days: int) -> list[Past]:
    """Where the caller stood at the end of the last `days` days, newest first.

    Nothing for whoever does not want to be on boards. Raises NationalLocked, VipExpired,
    RegionNotSet, UserGone.
    """
    user = await users.get(ctx, user_id)
    _board(ctx, user, kind)
    today = date_in(ctx.clock.now(), SCHEDULE_ZONE)
    async with ctx.db.connection() as connection:
        if await repository.is_hidden(connection, user_id):
            return []
        return await repository.history(connection, user_id, kind, today - timedelta(days=days + 1))


def is_locked(ctx: Context, user: User, kind: BoardType) -> bool:
    """The national board is for members; the tier in force is asked each time."""
    return rules.is_locked(kind, user.tier(ctx.clock.now()))


def _refuse_locked(ctx: Context, user: User, kind: BoardType) -> None:
    """Raises NationalLocked for who never was a member, VipExpired for who was."""
    if not is_locked(ctx, user, kind):
        return
    try:
        membership.check_vip(user, ctx.clock.now())
    except membership.VipNotOpen:
        raise NationalLocked from None


def _board(ctx: Context, user: User, kind: BoardType) -> Board:
    _refuse_locked(ctx, user, kind)
    board = board_of(kind, _region(user))
    if board is None:
        raise RegionNotSet(f"{kind}: not set in the profile")
    return board


def _region(user: User) -> Region:
    return Region(user.province, user.city, user.district, user.street)


async def lines(ctx: Context, board: Board, first: int, size: int, render: Render[T]) -> Lines[T]:
    """The lines of a board, at most half a second old, as `render` has made them.

    Rendered once for all who ask; that the caller may see the board was settled before.
    """
    read = partial(_lines, ctx, board, first, size, render)
    return await ctx.memo.get(("ranking", board, first, size, render), PAGE_SECONDS, read)


async def _lines(ctx: Context, board: Board, first: int, size: int, render: Render[T]) -> Lines[T]:
    page = await _page(ctx, board, first, size)
    async with ctx.db.connection() as connection:  # a replica may not know newcomers yet
        persons = await repository.persons(connection, [place.user_id for place in page.places])
    # Whoever was hidden or erased a moment ago is left out; the board follows at once.
    shown = [place for place in page.places if place.user_id in persons]
    rows = [Row(rank, place, persons[place.user_id]) for rank, place in enumerate(shown, first)]
    return Lines(render(rows), len(page.places) == size, page.total)


async def _page(ctx: Context, board: Board, first: int, size: int) -> Page:
    try:
        page = await boards.page(ctx.valkey, board, first, size)
    except AWAY as error:
        log.debug("boards_away", reason=type(error).__name__)
    else:
        if page is not None:
            return page
        await _report_missing(ctx, board)
    if first > DEEPEST_COUNTED:
        raise Unavailable("so far down, boards need Valkey")
    async with ctx.counting, ctx.db.read() as connection:
        places = await repository.page(connection, board, first, size)
    return Page(places, None)


async def _mine_beside(ctx: Context, user: User, board: Board, total: int | None) -> MyPlace:
    """Where the user stands on a board of `total` people; None: Valkey does not have it."""
    if total is None or not user.total_days:
        return (await _mine(ctx, user, [board]))[board]
    try:
        spots = ctx.gatherings.named("ranking spots", partial(boards.spots, ctx.valkey))
        spot = await spots.ask((board, user.id))
    except AWAY:
        spot = None
    if spot is None:
        return (await _mine_in_database(ctx, user, [board]))[board]
    return Mine(spot.rank, max(total, spot.rank), spot.days)


async def _mine(ctx: Context, user: User, asked: Sequence[Board]) -> Mapping[Board, MyPlace]:
    if not user.total_days:
        return await _mine_in_database(ctx, user, asked)
    try:
        found = await boards.mine(ctx.valkey, user.id, asked)
    except AWAY as error:
        log.debug("boards_away", reason=type(error).__name__)
        return await _mine_in_database(ctx, user, asked)
    missing = [board for board in asked if board not in found]
    for board in missing:
        await _report_missing(ctx, board)
    if missing or None in found.values():
        # Not complete, or not on it: hidden, or so new that the board does not know yet.
        return await _mine_in_database(ctx, user, asked)
    return found


async def _mine_in_database(
    ctx: Context, user: User, asked: Sequence[Board]
) -> dict[Board, MyPlace]:
    async with ctx.db.connection() as connection:
        found_now = await repository.standings(connection, [user.id])
        standing = found_now[0] if found_now else None
        if standing is None or not standing.shown:
            hidden = await repository.is_hidden(connection, user.id)
            return dict.fromkeys(asked, Absence.HIDDEN if hidden else None)
    found: dict[Board, MyPlace] = dict.fromkeys(asked)
    for board in set(asked) & set(standing.boards):
        count = partial(_count, ctx, board, standing)
        key = ("ranking mine", board, standing.user_id, standing.version)
        found[board] = await ctx.memo.get(key, COUNTED_SECONDS, count)
    return found


async def _count(ctx: Context, board: Board, standing: Standing) -> Mine:
    async with ctx.counting, ctx.db.read() as connection:
        return await repository.mine(connection, board, standing)


async def _report_missing(ctx: Context, board: Board) -> None:
    """Have the board built, in the worker."""

    async def publish() -> None:
        async with ctx.db.transaction() as connection:
            await outbox.publish(connection, BoardMissed(board.type, board.code))

    await ctx.memo.get(("missed", board), MISSED_SECONDS, publish)
