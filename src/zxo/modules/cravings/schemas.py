"""Bodies of /cravings."""

import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StrictInt, StringConstraints

from zxo.kit.web import Body, Reply
from zxo.modules.cravings.models import Craving, DayCount, Span
from zxo.modules.cravings.rules import peak_hours

HOURS = range(24)


class CravingBody(Body):
    """All of it may be left out: one tap is enough."""

    intensity: Annotated[StrictInt, Field(ge=1, le=5)] | None = None
    trigger_type: Literal["stress", "social", "habit", "other"] | None = None
    trigger_note: Annotated[str, StringConstraints(max_length=500)] | None = None


class CravingReply(Reply, frozen=True):
    id: int
    recorded_at: datetime.datetime
    recorded_date: datetime.date
    recorded_hour: int
    intensity: int | None
    trigger_type: str | None
    trigger_note: str | None

    @classmethod
    def of(cls, craving: Craving) -> Self:
        return cls(
            id=craving.id,
            recorded_at=craving.recorded_at,
            recorded_date=craving.recorded_date,
            recorded_hour=craving.recorded_hour,
            intensity=craving.intensity,
            trigger_type=craving.trigger_type,
            trigger_note=craving.trigger_note,
        )


class CravingSummary(Reply, frozen=True):
    """Of the whole span, not of the page. `peak_hours`: up to three, in the order of the day."""

    total_count: int
    avg_intensity: float | None
    peak_hours: list[int]

    @classmethod
    def of(cls, span: Span) -> Self:
        return cls(span.total, span.avg_intensity, peak_hours(span.by_hour))


class CravingList(Reply, frozen=True):
    records: list[CravingReply]
    summary: CravingSummary
    next_cursor: str | None


class CravingDay(Reply, frozen=True):
    date: datetime.date
    count: int
    avg_intensity: float | None

    @classmethod
    def of(cls, day: DayCount) -> Self:
        return cls(day.date, day.count, day.avg_intensity)


class CravingStats(Reply, frozen=True):
    """Days newest first; `hourly_distribution` has a count for each hour from "0" to "23"."""

    daily_stats: list[CravingDay]
    hourly_distribution: dict[str, int]

    @classmethod
    def of(cls, days: list[DayCount], span: Span) -> Self:
        hours = {str(hour): span.by_hour.get(hour, 0) for hour in HOURS}
        return cls([CravingDay.of(day) for day in days], hours)
