"""What check-ins are made of."""

from datetime import date
from decimal import Decimal

import msgspec

from zxo.modules.checkins.rules import Item, Rank
from zxo.modules.users import User


class Place(msgspec.Struct, frozen=True):
    """Where somebody checked in; degrees. Stored only with consent, rounded to 3 decimals."""

    latitude: float | None = None
    longitude: float | None = None
    name: str | None = None


NOWHERE = Place()


class Record(msgspec.Struct, frozen=True):
    """A counted day, with the rank as it was after it was counted."""

    date: date
    is_makeup: bool
    rank: str
    stars: int


class Counted(msgspec.Struct, frozen=True):
    """The result of a check-in or a makeup: the day, and the user after it."""

    date: date
    user: User
    consecutive_days: int
    rank: Rank
    is_rank_up: bool


class Today(msgspec.Struct, frozen=True):
    """Whether today, where the person lives, has been counted."""

    date: date
    has_checked_in: bool
    is_makeup: bool


class Summary(msgspec.Struct, frozen=True):
    """What a person has to show for it. Money in yuan; an estimate where life is concerned."""

    total_days: int
    consecutive_days: int
    cigarettes_avoided: int
    money_saved: Decimal
    item: Item
    item_count: int
    extra_life_minutes: int
    rank: Rank
    last_7_days: list[bool]
