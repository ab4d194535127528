"""Bodies of /check-in, and of the statistics."""

import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from zxo.kit.dates import CalendarDate
from zxo.kit.web import Body, Reply
from zxo.modules.checkins.models import Counted, Place, Record, Summary, Today
from zxo.modules.checkins.rules import Rank

MINUTES_PER_HOUR, HOURS_PER_DAY = 60, 24


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


Degrees = Annotated[float, BeforeValidator(_number, json_schema_input_type=float)]


class CheckInBody(Body):
    """Where; all of it may be left out. Stored only with the person's consent."""

    latitude: Annotated[Degrees, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[Degrees, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    location_name: Annotated[str, StringConstraints(max_length=200)] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude come together")
        return self

    def place(self) -> Place:
        return Place(self.latitude, self.longitude, self.location_name)


class MakeupBody(Body):
    check_in_date: CalendarDate


class RankReply(Reply, frozen=True):
    rank: str
    stars: int
    days_to_next_rank: int | None
    next_rank: str | None

    @classmethod
    def of(cls, rank: Rank) -> Self:
        return cls(*rank)


class CountedReply(Reply, frozen=True):
    check_in_date: datetime.date
    total_days: int
    consecutive_days: int
    current_rank: RankReply
    is_rank_up: bool
    makeup_cards: int

    @classmethod
    def of(cls, counted: Counted) -> Self:
        return cls(
            check_in_date=counted.date,
            total_days=counted.user.total_days,
            consecutive_days=counted.consecutive_days,
            current_rank=RankReply.of(counted.rank),
            is_rank_up=counted.is_rank_up,
            makeup_cards=counted.user.makeup_cards,
        )


class RecordReply(Reply, frozen=True):
    date: datetime.date
    is_makeup: bool
    rank: str
    stars: int

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(record.date, record.is_makeup, record.rank, record.stars)


class MonthReply(Reply, frozen=True):
    year: int
    month: int
    records: list[RecordReply]


class TodayReply(Reply, frozen=True):
    has_checked_in: bool
    check_in_date: datetime.date
    is_makeup: bool

    @classmethod
    def of(cls, today: Today) -> Self:
        return cls(today.has_checked_in, today.date, today.is_makeup)


class ItemReply(Reply, frozen=True):
    name: str
    count: int
    unit: str


class ExtraLife(Reply, frozen=True):
    """An estimate: 11 minutes a cigarette, an average (studies say 11 to 20)."""

    days: int
    hours: int
    total_minutes: int

    @classmethod
    def of(cls, minutes: int) -> Self:
        days, hours = divmod(minutes // MINUTES_PER_HOUR, HOURS_PER_DAY)
        return cls(days, hours, minutes)


class StatsReply(Reply, frozen=True):
    total_days: int
    consecutive_days: int
    cigarettes_avoided: int
    money_saved: Decimal
    equivalent_item: ItemReply
    extra_life: ExtraLife
    current_rank: RankReply
    last_7_days_check_in: list[bool] = msgspec.field(name="last7DaysCheckIn")

    @classmethod
    def of(cls, summary: Summary) -> Self:
        return cls(
            total_days=summary.total_days,
            consecutive_days=summary.consecutive_days,
            cigarettes_avoided=summary.cigarettes_avoided,
            money_saved=summary.money_saved,
            equivalent_item=ItemReply(summary.item.name, summary.item_count, summary.item.unit),
            extra_life=ExtraLife.of(summary.extra_life_minutes),
            current_rank=RankReply.of(summary.rank),
            last_7_days_check_in=summary.last_7_days,
        )
