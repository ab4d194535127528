"""Pure rules of the boards: which there are, who stands where, and what a score says.

Order (ruling 5): more days first, then who reached them earlier, to the second; of those who
reached them in the same second, the newer account (the higher id) first.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

BoardType = Literal["national", "province", "city", "district", "street"]
TYPES: tuple[BoardType, ...] = get_args(BoardType)

# A score is exact as a float below 2^53: up to 900,719 days.
ONE_DAY = 10**10
LAST_SECOND = 10**10 - 1

SNAPSHOT_DAYS = 90
LAST_RANK = 10**9  # further down nobody may ask


class Region(NamedTuple):
    """Where somebody lives, as far as they said. In a city without districts a street may follow
    directly."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    street: str | None = None


class Board(NamedTuple):
    """One board: its type, and the path of its region ("广东省/深圳市", "" for the country).

    A street is the last part and free text, so a path is unambiguous from the left.
    """

    type: BoardType
    code: str = ""


NATIONAL = Board("national")


def board_of(kind: BoardType, region: Region) -> Board | None:
    """The board of this type for somebody in `region`; None where that part of it is unset."""
    level = TYPES.index(kind)
    parts = region[:level]
    if level and parts[-1] is None:
        return None
    return Board(kind, "/".join(part or "" for part in parts))


@lru_cache(maxsize=50_000)
def boards_of(region: Region) -> tuple[Board, ...]:
    """Every board that somebody in `region` belongs to."""
    found = (board_of(kind, region) for kind in TYPES)
    return tuple(board for board in found if board is not None)


@lru_cache(maxsize=50_000)
def region_of(board: Board) -> Region:
    """The region of a board, as far as the board's type tells it."""
    if board.type == "national":
        return Region()
    parts = board.code.split("/", TYPES.index(board.type) - 1)
    return Region(*(part or None for part in parts))


def is_locked(kind: BoardType, tier: str) -> bool:
    """The national board is for members."""
    return kind == "national" and tier == "free"


def score(days: int, reached: int) -> int:
    """Higher is better. `reached`: when the days were reached, in whole seconds since 1970."""
    return days * ONE_DAY + LAST_SECOND - reached


def days_of(board_score: float) -> int:
    return int(board_score) // ONE_DAY


# Members of equal score are ordered as text, so all have the same length.
def member(user_id: int) -> bytes:
    return b"%010d" % user_id


def percentile(rank: int, total: int) -> float:
    """How many of a hundred stand behind `rank` (1 is the best) of `total`; two decimals."""
    return round((1 - rank / total) * 100, 2)


def window(rank: int, total: int, size: int) -> range:
    """The ranks of a page of `size` with `rank` in its middle, as far as the ends allow."""
    first = max(1, min(rank - size // 2, total - size + 1))
    return range(first, min(first + size, total + 1))


def in_chunks(ids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def oldest_kept(today: date) -> date:
    """The first day whose snapshot is still kept on `today`."""
    return today - timedelta(days=SNAPSHOT_DAYS)
