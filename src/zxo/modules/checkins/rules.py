"""Pure rules of the check-in: ranks, runs, cards, and what saved money amounts to.

Sources: specification §5.1-§5.4, rulings 3 and 4.
"""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

DAYS_PER_CARD = 7
MAKEUPS_A_DAY = 2
MAKEUP_REACH = timedelta(days=366)
MINUTES_PER_CIGARETTE = 11  # Shaw, BMJ 2000;320:53; an average, estimates range from 11 to 20

_DAY = timedelta(days=1)
_CENT = Decimal("0.01")


class Rank(NamedTuple):
    """A tier and the stars within it. `next_rank` is None in the top tier."""

    rank: str
    stars: int
    days_to_next_rank: int | None
    next_rank: str | None


class Tier(NamedTuple):
    name: str
    first_day: int


TIERS = (
    Tier("倔强青铜", 1),
    Tier("秩序白银", 8),
    Tier("荣耀黄金", 31),
    Tier("尊贵铂金", 61),
    Tier("永恒钻石", 91),
    Tier("至尊星耀", 181),
    Tier("最强王者", 271),
    Tier("无双王者", 366),
    Tier("传奇王者", 548),
)


class Item(NamedTuple):
    """What money buys; `price` in yuan."""

    name: str
    price: int
    unit: str


# From dear to cheap.
ITEMS = (
    Item("周边游", 15000, "次"),
    Item("健身年卡", 2500, "张"),
    Item("Switch 游戏机", 2000, "台"),
    Item("汽车保养", 800, "次"),
    Item("健身月卡", 300, "张"),
    Item("啤酒", 120, "箱"),
    Item("电影票", 50, "张"),
    Item("可乐", 3, "瓶"),
)


class Progress(NamedTuple):
    """Where a person stands: the days counted, and the run that ends at `last_date`."""

    total_days: int
    consecutive_days: int
    last_date: date | None


class Step(NamedTuple):
    """What counting one more day changes."""

    progress: Progress
    rank: Rank
    is_rank_up: bool
    cards: int  # +1 earned, -1 spent


def rank_of(total_days: int) -> Rank:
    """The rank that `total_days` (0 or more) have earned."""
    index = max((i for i, tier in enumerate(TIERS) if total_days >= tier.first_day), default=0)
    tier = TIERS[index]
    stars = max(0, total_days - tier.first_day + 1)
    if index + 1 == len(TIERS):
        return Rank(tier.name, stars, None, None)
    following = TIERS[index + 1]
    return Rank(tier.name, stars, following.first_day - total_days, following.name)


def advance(progress: Progress, today: date) -> Step:
    """Count `today`, which is later than every day counted so far."""
    continued = progress.last_date == today - _DAY
    run = progress.consecutive_days + 1 if continued else 1
    return _step(progress, run, today, cards=_earned(run))


def count_late(progress: Progress, day: date, counted: Collection[date], *, makeup: bool) -> Step:
    """Count a `day` that is not after the last one; the run is taken from the dates `counted`.

    `counted` holds at least the dates of the run that ends at the last date, and of the one that
    `day` might join to it.
    """
    dates = {*counted, day}
    last = max(dates)
    run = run_ending_at(last, dates)
    return _step(progress, run, last, cards=-1 if makeup else _earned(run))


def run_ending_at(last: date, dates: Collection[date]) -> int:
    """How many consecutive dates, all in `dates`, end at `last`."""
    run = 0
    while last - run * _DAY in dates:
        run += 1
    return run


def _step(progress: Progress, run: int, last: date, *, cards: int) -> Step:
    total = progress.total_days + 1
    before, after = rank_of(progress.total_days), rank_of(total)
    # From no day to the first the tier has one name: 倔强青铜 is where everybody starts.
    return Step(Progress(total, run, last), after, before.rank != after.rank, cards)


def _earned(run: int) -> int:
    return 1 if run % DAYS_PER_CARD == 0 else 0


def cigarettes_avoided(total_days: int, daily_amount: int) -> int:
    return total_days * daily_amount


def money_saved(avoided: int, per_pack: int, price_per_pack: Decimal) -> Decimal:
    """Yuan, rounded half-even to the cent."""
    return (avoided * price_per_pack / per_pack).quantize(_CENT, rounding=ROUND_HALF_EVEN)


def equivalent_item(money: Decimal) -> tuple[Item, int]:
    """The dearest item that `money` (yuan) buys at least one of, and how many."""
    item = next((item for item in ITEMS if money >= item.price), ITEMS[-1])
    return item, int(max(money, Decimal()) // item.price)


def extra_life_minutes(avoided: int) -> int:
    return avoided * MINUTES_PER_CIGARETTE
