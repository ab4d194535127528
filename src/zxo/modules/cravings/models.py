"""What cravings are made of."""

from datetime import date, datetime
from typing import Annotated

import msgspec


class Craving(msgspec.Struct, frozen=True):
    """A row of craving_records, in the order of COLUMNS. Date and hour are in the user's zone."""

    id: int
    recorded_at: datetime
    recorded_date: date
    recorded_hour: int
    intensity: int | None
    trigger_type: str | None
    trigger_note: str | None


COLUMNS = ", ".join(Craving.__struct_fields__)


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of the list ended: its last row."""

    recorded_date: date
    id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class DayCount(msgspec.Struct, frozen=True):
    """Cravings of one date. `avg_intensity` (1 to 5) is over those that state one."""

    date: date
    count: int
    avg_intensity: float | None


class Span(msgspec.Struct, frozen=True):
    """What the cravings of a span of dates add up to."""

    total: int
    avg_intensity: float | None
    by_hour: dict[int, int]


class Pattern(msgspec.Struct, frozen=True):
    """When and why somebody's cravings of a span came: hours of the day, and causes by number."""

    total: int
    peak_hours: tuple[int, ...]
    triggers: tuple[tuple[str, int], ...]
