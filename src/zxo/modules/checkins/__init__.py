"""The daily check-in: records, the run of days, makeup cards, and the rank that days earn."""

from zxo.modules.checkins.events import CheckedIn
from zxo.modules.checkins.rules import (
    TIERS,
    Rank,
    cigarettes_avoided,
    extra_life_minutes,
    rank_of,
    run_ending_at,
)

__all__ = [
    "TIERS",
    "CheckedIn",
    "Rank",
    "cigarettes_avoided",
    "extra_life_minutes",
    "rank_of",
    "run_ending_at",
]
