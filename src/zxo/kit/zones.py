"""Calendar dates in the zone where a person lives."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The time zone called `name` (IANA). Raises ZoneInfoNotFoundError or ValueError."""
    return ZoneInfo(name)


def date_in(instant: datetime, zone_name: str) -> date:
    """The calendar date that people in the zone see at `instant`."""
    return instant.astimezone(zone(zone_name)).date()
