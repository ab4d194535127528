"""Somebody who uses the application over a long time, and the plain model that goes along."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.checkins.plain_model import PlainModel

TOKEN_LIFE = timedelta(days=6)


class Life:
    """Every act is compared with the model, every look too."""

    def __init__(self, visitor: Visitor, clock: FrozenClock, name: str) -> None:
        self.visitor = visitor
        self.clock = clock
        self.name = name
        self.zone = "Asia/Shanghai"
        self.model = PlainModel()
        self._person: Visitor | None = None
        self._logged_in_at = clock.now()

    @property
    def today(self) -> date:
        return self.clock.now().astimezone(ZoneInfo(self.zone)).date()

    async def person(self) -> Visitor:
        """Logged in, and again before the token expires."""
        if self._person is None or self.clock.now() - self._logged_in_at > TOKEN_LIFE:
            self._person = await self.visitor.log_in(self.name)
            self._logged_in_at = self.clock.now()
        return self._person

    async def moves_to(self, zone: str) -> None:
        data(await (await self.person()).put("/users/me/settings", timezone=zone))
        self.zone = zone

    def stands_at(self, local: str) -> None:
        """Set the clock to a time of day where the person is: "2025-03-09T01:59"."""
        self.clock.set(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(self.zone)))

    async def checks_in(self) -> Any:
        answer = await (await self.person()).post("/check-in")
        return _compared(answer, self.model.check_in(self.today))

    async def makes_up(self, day: date) -> Any:
        person = await self.person()
        answer = await person.post("/check-in/makeup", checkInDate=day.isoformat())
        return _compared(answer, self.model.make_up(day, self.today))

    async def looks(self) -> dict[str, Any]:
        """Compare what every page shows with the model; the statistics."""
        person, model, today = await self.person(), self.model, self.today
        assert data(await person.get("/check-in/today")) == model.today(today)
        profile = data(await person.get("/users/me"))
        stats = data(await person.get("/users/me/stats"))
        assert profile["makeupCards"] == model.cards
        assert profile["totalDays"] == stats["totalDays"] == len(model.checked_in)
        assert profile["consecutiveDays"] == stats["consecutiveDays"] == model.run(today)
        assert stats["last7DaysCheckIn"] == model.last_7_days(today)
        month = await person.get("/check-in/records", year=today.year, month=today.month)
        assert data(month)["records"] == model.records(today.year, today.month)
        return dict(stats)


def _compared(answer: Any, expected: Any) -> Any:
    if isinstance(expected, tuple):
        status, code = expected
        assert refusal(answer, status) == code
        return code
    assert data(answer) == expected
    return expected
