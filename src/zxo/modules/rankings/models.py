"""What the boards are made of."""

from datetime import date, datetime
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

import msgspec

from zxo.modules.rankings.rules import Board, Region, boards_of, score

T = TypeVar("T")


class Standing(msgspec.Struct, frozen=True):
    """How somebody stands in PostgreSQL, in the order of the query's columns.

    `reached`: seconds since 1970. `shown`: has a day, is not deleted, and wants to be on boards.
    """

    user_id: int
    version: int
    days: int
    reached: int
    region: Region
    shown: bool
    member_type: str
    member_expiry_at: datetime | None

    @property
    def score(self) -> int:
        return score(self.days, self.reached)

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards to be on."""
        return boards_of(self.region) if self.shown else ()


class Place(NamedTuple):
    """Somebody on a board, before anything is known of the person."""

    user_id: int
    days: int


class Mine(NamedTuple):
    """Where the caller stands: `rank` of `total`, with so many days."""

    rank: int
    total: int
    days: int


class Person(msgspec.Struct, frozen=True):
    """Who stands there, in the order of the query's columns."""

    id: int
    nickname: str
    avatar: str | None


class Past(msgspec.Struct, frozen=True):
    """Where somebody stood at the end of a day; `region` is the path of the board's region then."""

    date: date
    region: str
    rank: int
    total_days: int


class Lines(NamedTuple, Generic[T]):
    """Lines of a board, as somebody rendered them.

    `more`: there may be others below. `total`: how many people are on the board; None where Valkey
    does not know.
    """

    rendered: T
    more: bool
    total: int | None


class Absence(Enum):
    """Why somebody who has a region and a day has no rank to be told."""

    HIDDEN = "hidden"  # does not want to be on boards
    LOCKED = "locked"  # the board is for members


MyPlace = Mine | Absence | None


class Row(NamedTuple):
    """One line of a board."""

    rank: int
    place: Place
    person: Person
