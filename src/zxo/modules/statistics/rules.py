"""Which days may be written, and what the counts of a day say. Days are those of Asia/Shanghai."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from zxo.kit.zones import zone
from zxo.modules.checkins import TIERS, rank_of

ZONE = "Asia/Shanghai"
# China put its clocks forward in some years before; since then every day has 24 hours.
EARLIEST = date(2000, 1, 1)
LONGEST_SPAN_DAYS = 366
CATCH_UP_DAYS = 7
RETENTION_DAYS = (1, 7, 30)
WAYS = ("checkIn", "craving", "logIn", "coach")
STREAKS = (0, 1, 7, 14, 30, 90, 180, 365)  # where each bucket begins, in days

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)  # PostgreSQL's smallest

Rows = Sequence[Sequence[Any]]
Figures = dict[str, Any]


class Day(NamedTuple):
    """A day in Shanghai: its instants are `start` <= t < `end`."""

    date: date
    start: datetime
    end: datetime

    @property
    def last(self) -> datetime:
        """The last instant."""
        return self.end - _INSTANT


def day_of(day: date) -> Day:
    return Day(day, _midnight(day), _midnight(day + _DAY))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), zone(ZONE)).astimezone(UTC)


def days_of(first: date, last: date) -> Iterator[date]:
    """Every date from `first` to `last`, both included."""
    return (first + ago * _DAY for ago in range((last - first).days + 1))


def fault(first: date, last: date, today: date) -> str | None:
    """Why the days from `first` to `last` cannot be written; None where they can."""
    if first > last:
        return f"The first day, {first}, is after the last, {last}."
    if last >= today:
        return (
            f"{last} is not over in Shanghai; the last day that can be written is {today - _DAY}."
        )
    if first < EARLIEST:
        return f"There are no statistics of days before {EARLIEST}."
    if last - first >= LONGEST_SPAN_DAYS * _DAY:
        return f"{(last - first).days + 1:,} days are too many at once; {LONGEST_SPAN_DAYS} may be."
    return None


def to_catch_up(today: date, complete: Collection[date]) -> list[date]:
    """Yesterday, and those of the days before it that are not `complete`; oldest first."""
    days = days_of(today - CATCH_UP_DAYS * _DAY, today - _DAY)
    return [day for day in days if day == today - _DAY or day not in complete]


def percent(part: int, whole: int) -> float | None:
    """Of `whole`, to two decimals, halves upwards; None of nothing."""
    return (20_000 * part + whole) // (2 * whole) / 100 if whole else None


def _named(*names: str) -> Callable[[Rows], Figures]:
    """The one row, its columns under these names."""
    return lambda rows: dict(zip(names, rows[0], strict=True))


def active_users(rows: Rows) -> Figures:
    """`rows`: how (None: in whatever way), people."""
    people = {row[0]: row[1] for row in rows}
    return {"users": people.get(None, 0), **{way: people.get(way, 0) for way in WAYS}}


def cravings(rows: Rows) -> Figures:
    """`rows`: hour where the person was (None: of the whole day), cravings, people."""
    by_hour = {hour: count for hour, count, _ in rows}
    people = {hour: count for hour, _, count in rows}
    return {
        "cravings": by_hour.get(None, 0),
        "users": people.get(None, 0),
        "byHour": [by_hour.get(hour, 0) for hour in range(24)],
    }


def streaks(rows: Rows) -> Figures:
    """`rows`: days in all, run of days, people; one of the first two is None."""
    runs = {run: people for _, run, people in rows if run is not None}
    ends = (*(first - 1 for first in STREAKS[1:]), None)
    return {
        "users": sum(runs.values()),
        "longest": max(runs, default=0),
        "buckets": [
            {"from": first, "to": last, "users": _within(runs, first, last)}
            for first, last in zip(STREAKS, ends, strict=True)
        ],
    }


def _within(runs: Mapping[int, int], first: int, last: int | None) -> int:
    return sum(
        people for run, people in runs.items() if first <= run and (last is None or run <= last)
    )


def tiers(rows: Rows) -> Figures:
    """`rows`: days in all, run of days, people; one of the first two is None."""
    totals = {total: people for total, _, people in rows if total is not None}
    by_tier = {tier.name: 0 for tier in TIERS}
    for total, people in totals.items():
        by_tier[rank_of(total).rank] += people
    return {
        "users": sum(totals.values()),
        "withoutDays": totals.get(0, 0),  # they are in the first tier, too
        "tiers": [{"name": name, "users": people} for name, people in by_tier.items()],
    }


def retention(rows: Rows) -> Figures:
    """`rows`: days since registering, people who registered then, those of them who were active."""
    return {
        f"day{age}": {"registered": cohort, "active": active, "percent": percent(active, cohort)}
        for age, cohort, active in rows
    }


class Statistic(NamedTuple):
    """How a row is made: whose rows it reads (see repository.COUNTS), and what it makes of them."""

    source: str
    figures: Callable[[Rows], Figures]


# By stat_type, which is stable: whoever reads the table knows it.
STATISTICS: Mapping[str, Statistic] = {
    "daily_active_users": Statistic("active", active_users),
    "check_ins": Statistic("check_ins", _named("checkIns", "makeups", "users")),
    "new_users": Statistic("new_users", _named("registered", "users")),
    "cravings": Statistic("cravings", cravings),
    "streaks": Statistic("standing", streaks),
    "tiers": Statistic("standing", tiers),
    "retention": Statistic("retention", retention),
    "memberships": Statistic("memberships", _named("users", "free", "vip", "ai")),
    "redeemed_codes": Statistic(
        "redeemed_codes", _named("codes", "users", "vip", "ai", "makeupCard", "builtIn")
    ),
    "coach": Statistic("coach", _named("messages", "conversations", "users", "tokens", "builtIn")),
}


def figures(counts: Mapping[str, Rows]) -> dict[str, Figures]:
    """What the rows of every source say, by stat_type."""
    return {kind: made.figures(counts[made.source]) for kind, made in STATISTICS.items()}
