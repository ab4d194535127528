"""What a person's check-ins must add up to, told by the plainest means: a set of dates."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

# Specification §5.3, as it stands there.
RANK_SYSTEM = (
    ("倔强青铜", 1, 7),
    ("秩序白银", 8, 30),
    ("荣耀黄金", 31, 60),
    ("尊贵铂金", 61, 90),
    ("永恒钻石", 91, 180),
    ("至尊星耀", 181, 270),
    ("最强王者", 271, 365),
    ("无双王者", 366, 547),
    ("传奇王者", 548, 10**9),
)
DAY = timedelta(days=1)


def rank_of(days: int) -> dict[str, Any]:
    """The `currentRank` of somebody with so many days."""
    if days == 0:
        return {
            "rank": "倔强青铜",
            "stars": 0,
            "daysToNextRank": 8,
            "nextRank": "秩序白银",
        }
    for place, (name, first, last) in enumerate(RANK_SYSTEM):
        if first <= days <= last:
            top = place == len(RANK_SYSTEM) - 1
            return {
                "rank": name,
                "stars": days - first + 1,
                "daysToNextRank": None if top else last + 1 - days,
                "nextRank": None if top else RANK_SYSTEM[place + 1][0],
            }
    raise AssertionError(days)


@dataclass
class PlainModel:
    """Refusals are given as (status, errorCode), successes as the `data` of the answer."""

    cards: int = 3
    checked_in: dict[date, dict[str, Any]] = field(default_factory=dict)
    makeups_on: dict[date, int] = field(default_factory=dict)

    def run(self, today: date) -> int:
        """The run of dates that ends with the last one, if that is not before yesterday."""
        if not self.checked_in or max(self.checked_in) < today - DAY:
            return 0
        return self._run_at_the_end()

    def check_in(self, today: date) -> tuple[int, str] | dict[str, Any]:
        if today in self.checked_in:
            return 409, "already_checked_in"
        rank_up = self._count(today, is_makeup=False)
        if self._run_at_the_end() % 7 == 0:
            self.cards += 1
        return self._answer(today, today, rank_up)

    def make_up(self, day: date, today: date) -> tuple[int, str] | dict[str, Any]:
        if self.cards == 0:
            return 400, "no_makeup_card"
        if day >= today:
            return 400, "date_not_in_past"
        if day in self.checked_in:
            return 409, "date_already_checked_in"
        if self.makeups_on.get(today, 0) == 2:
            return 400, "too_many_makeups_today"
        if (today - day).days > 366:
            return 400, "date_too_old"
        self.cards -= 1
        self.makeups_on[today] = self.makeups_on.get(today, 0) + 1
        return self._answer(day, today, self._count(day, is_makeup=True))

    def today(self, today: date) -> dict[str, Any]:
        """The answer of GET /check-in/today."""
        record = self.checked_in.get(today)
        return {
            "hasCheckedIn": record is not None,
            "checkInDate": today.isoformat(),
            "isMakeup": record is not None and record["isMakeup"],
        }

    def records(self, year: int, month: int) -> list[dict[str, Any]]:
        """The records of a month as the API lists them."""
        dates = [day for day in self.checked_in if (day.year, day.month) == (year, month)]
        return [self.checked_in[day] for day in sorted(dates, reverse=True)]

    def last_7_days(self, today: date) -> list[bool]:
        return [today - ago * DAY in self.checked_in for ago in (6, 5, 4, 3, 2, 1, 0)]

    def _count(self, day: date, *, is_makeup: bool) -> bool:
        before = rank_of(len(self.checked_in))["rank"]
        after = rank_of(len(self.checked_in) + 1)
        self.checked_in[day] = {
            "date": day.isoformat(),
            "isMakeup": is_makeup,
            "rank": after["rank"],
            "stars": after["stars"],
        }
        return before != after["rank"]

    def _run_at_the_end(self) -> int:
        day, run = max(self.checked_in), 0
        while day in self.checked_in:
            day, run = day - DAY, run + 1
        return run

    def _answer(self, day: date, today: date, rank_up: bool) -> dict[str, Any]:
        return {
            "checkInDate": day.isoformat(),
            "totalDays": len(self.checked_in),
            "consecutiveDays": self.run(today),
            "currentRank": rank_of(len(self.checked_in)),
            "isRankUp": rank_up,
            "makeupCards": self.cards,
        }
