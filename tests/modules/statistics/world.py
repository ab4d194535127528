"""People who live for some days, and what their days must add up to, told by the plainest means."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.factories import FrozenClock, Visitor, data
from tests.modules.checkins.plain_model import RANK_SYSTEM
from zxo.context import Context

SHANGHAI = "Asia/Shanghai"
ONE = timedelta(days=1)
BUCKETS = ((0, 0), (1, 6), (7, 13), (14, 29), (30, 89), (90, 179), (180, 364), (365, None))


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(SHANGHAI))


def bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(SHANGHAI))
    return start, start + ONE


@dataclass
class Person:
    """Somebody, and what they did: instants, and what was noted with them."""

    visitor: Visitor
    registered: datetime
    zone: str = SHANGHAI
    deleted: datetime | None = None
    days: dict[date, tuple[datetime, bool]] = field(default_factory=dict)
    cravings: list[tuple[datetime, int]] = field(default_factory=list)
    log_ins: list[datetime] = field(default_factory=list)

    def there_at(self, end: datetime) -> bool:
        return self.registered < end and (self.deleted is None or self.deleted >= end)

    def counted_by(self, end: datetime) -> set[date]:
        return {day for day, (at, _) in self.days.items() if at < end}

    def run_at(self, end: datetime) -> int:
        dates = self.counted_by(end)
        today = (end - timedelta(microseconds=1)).astimezone(ZoneInfo(self.zone)).date()
        if not dates or max(dates) < today - ONE:
            return 0
        run = 0
        while max(dates) - run * ONE in dates:
            run += 1
        return run

    def acted(self) -> dict[str, list[datetime]]:
        return {
            "checkIn": [at for at, _ in self.days.values()],
            "craving": [at for at, _ in self.cravings],
            "logIn": self.log_ins,
            "coach": [],
        }


class World:
    """Everything goes through the API; only leaving is written by hand: there is no route yet."""

    def __init__(self, ctx: Context, visitor: Visitor, clock: FrozenClock) -> None:
        self.ctx, self.visitor, self.clock = ctx, visitor, clock
        self.people: dict[str, Person] = {}

    async def log_in(self, name: str, zone: str = SHANGHAI) -> Person:
        visitor = await self.visitor.log_in(name)
        if name not in self.people:
            self.people[name] = Person(visitor, self.clock.now(), zone)
            if zone != SHANGHAI:
                data(await visitor.put("/users/me/settings", timezone=zone))
        person = self.people[name]
        person.visitor = visitor
        person.log_ins.append(self.clock.now())
        return person

    def _today(self, person: Person) -> date:
        return self.clock.now().astimezone(ZoneInfo(person.zone)).date()

    async def check_in(self, name: str) -> None:
        person = self.people[name]
        if (await person.visitor.post("/check-in")).status_code == 200:
            person.days[self._today(person)] = (self.clock.now(), False)

    async def make_up(self, name: str, days_ago: int) -> None:
        person = self.people[name]
        day = self._today(person) - days_ago * ONE
        body = {"checkInDate": day.isoformat()}
        if (await person.visitor.post("/check-in/makeup", **body)).status_code == 200:
            person.days[day] = (self.clock.now(), True)

    async def crave(self, name: str) -> None:
        person = self.people[name]
        data(await person.visitor.post("/cravings", intensity=3))
        hour = self.clock.now().astimezone(ZoneInfo(person.zone)).hour
        person.cravings.append((self.clock.now(), hour))

    async def leave(self, name: str) -> None:
        person = self.people[name]
        person.deleted = self.clock.now()
        leaving = "UPDATE users SET deleted_at = $2, version = version + 1 WHERE id = $1"
        await self.ctx.db.execute(leaving, person.visitor.user["id"], person.deleted)

    def figures(self, day: date) -> dict[str, Any]:
        """What must be written of the day, by stat_type; no codes and no coach yet."""
        start, end = bounds(day)
        there = [person for person in self.people.values() if person.there_at(end)]
        return {
            "daily_active_users": self._active_users(start, end),
            "check_ins": self._check_ins(start, end),
            "new_users": {
                "registered": sum(start <= p.registered < end for p in self.people.values()),
                "users": len(there),
            },
            "cravings": self._cravings(start, end),
            "streaks": streaks([person.run_at(end) for person in there]),
            "tiers": tiers([len(person.counted_by(end)) for person in there]),
            "retention": {f"day{age}": self._retention(day, age) for age in (1, 7, 30)},
            "memberships": {"users": len(there), "free": len(there), "vip": 0, "ai": 0},
            "redeemed_codes": dict.fromkeys(
                ("codes", "users", "vip", "ai", "makeupCard", "builtIn"), 0
            ),
            "coach": dict.fromkeys(("messages", "conversations", "users", "tokens", "builtIn"), 0),
        }

    def _active(self, start: datetime, end: datetime) -> dict[str, set[str]]:
        """Names by way."""
        ways: dict[str, set[str]] = {"checkIn": set(), "craving": set(), "logIn": set()}
        for name, person in self.people.items():
            for way, instants in person.acted().items():
                if any(start <= at < end for at in instants):
                    ways[way].add(name)
        return ways | {"coach": set()}

    def _active_users(self, start: datetime, end: datetime) -> dict[str, int]:
        ways = self._active(start, end)
        return {"users": len(set().union(*ways.values())), **{w: len(n) for w, n in ways.items()}}

    def _check_ins(self, start: datetime, end: datetime) -> dict[str, int]:
        made = [
            (name, is_makeup)
            for name, person in self.people.items()
            for at, is_makeup in person.days.values()
            if start <= at < end
        ]
        makeups = sum(is_makeup for _, is_makeup in made)
        users = len({name for name, _ in made})
        return {"checkIns": len(made) - makeups, "makeups": makeups, "users": users}

    def _cravings(self, start: datetime, end: datetime) -> dict[str, Any]:
        felt = [
            (name, hour)
            for name, person in self.people.items()
            for at, hour in person.cravings
            if start <= at < end
        ]
        by_hour = [sum(hour == each for _, hour in felt) for each in range(24)]
        users = len({name for name, _ in felt})
        return {"cravings": len(felt), "users": users, "byHour": by_hour}

    def _retention(self, day: date, age: int) -> dict[str, Any]:
        first, after = bounds(day - age * ONE)
        cohort = {n for n, p in self.people.items() if first <= p.registered < after}
        active = cohort & set().union(*self._active(*bounds(day)).values())
        percent = round(100 * len(active) / len(cohort), 2) if cohort else None
        return {"registered": len(cohort), "active": len(active), "percent": percent}


def streaks(runs: list[int]) -> dict[str, Any]:
    buckets = [
        {"from": first, "to": last, "users": sum(first <= run <= (last or 10**9) for run in runs)}
        for first, last in BUCKETS[1:]
    ]
    buckets.insert(0, {"from": 0, "to": 0, "users": runs.count(0)})
    return {"users": len(runs), "longest": max(runs, default=0), "buckets": buckets}


def tiers(totals: list[int]) -> dict[str, Any]:
    by_tier = [
        {"name": name, "users": sum(first <= max(total, 1) <= last for total in totals)}
        for name, first, last in RANK_SYSTEM
    ]
    return {"users": len(totals), "withoutDays": totals.count(0), "tiers": by_tier}
