"""What the counts of cravings say."""

from collections.abc import Mapping
from datetime import date, timedelta

PEAKS = 3
LONGEST_SPAN_DAYS = 366


def peak_hours(by_hour: Mapping[int, int]) -> list[int]:
    """The up to three hours with most cravings, in the order of the day.

    Of hours with equal counts the earlier one wins.
    """
    busiest = sorted((-count, hour) for hour, count in by_hour.items() if count)[:PEAKS]
    return sorted(hour for _, hour in busiest)


def most_common(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """What came at all, the most common first; of equal counts by name."""
    found = [(name, count) for name, count in counts.items() if count]
    return tuple(sorted(found, key=lambda item: (-item[1], item[0])))


def average(strength: int, rated: int) -> float | None:
    """Mean intensity of `rated` cravings to one decimal, halves upwards; None without any."""
    return (20 * strength + rated) // (2 * rated) / 10 if rated else None


def days_of(first: date, last: date) -> list[date]:
    """Every date from `last` back to `first`, both included."""
    return [last - timedelta(days=ago) for ago in range((last - first).days + 1)]


def is_span(first: date, last: date) -> bool:
    """Whether `first` to `last`, both included, may be asked for."""
    return timedelta() <= last - first < timedelta(days=LONGEST_SPAN_DAYS)
