"""What a day with the coach holds, and when an answer counts as given up.

Sources: specification §9.3, ruling 7.
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from zxo.kit.zones import zone

Source = Literal["model", "builtin"]
MODEL: Source = "model"
BUILT_IN: Source = "builtin"

LABEL = "AI 生成"  # on every answer: GB 45438-2025
MESSAGES_A_DAY = 100
TOKENS_A_DAY: Mapping[str, int] = {"free": 0, "vip": 10_000, "ai": 50_000}

LONGEST_MESSAGE = 2_000  # code points
LONGEST_TITLE = 40
MOST_HISTORY = 20  # questions with their answers; fewer where they are long
PATTERN_DAYS = 7
TRIGGERS: Mapping[str, str] = {"stress": "压力", "social": "社交", "habit": "习惯", "other": "其他"}

# Beyond what any answer may take: whoever was giving it is gone.
LEASE_MARGIN = timedelta(seconds=30)

# What is answered when the process is told to stop may go on so long: after 25 s it is killed.
STOP_SECONDS = 20.0


def most_tokens(prompt: int, answer: int) -> int:
    """What a provider may charge; `prompt` is our count, and its own may be a third higher."""
    return prompt + math.ceil(prompt / 3) + answer


def title_of(message: str) -> str:
    """What a conversation is listed under: how its first message begins, on one line."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def day_ends(day: date, zone_name: str) -> datetime:
    """When what was used on `day` is given anew: midnight where the person lives."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone(zone_name))
    return midnight.astimezone(UTC)


def seconds_until(later: datetime, now: datetime) -> int:
    """Whole seconds from `now`, rounded up: 1 or more."""
    return max(1, math.ceil((later - now).total_seconds()))


def quit_days(quit_at: datetime | None, now: datetime) -> int | None:
    """Whole days since the last cigarette."""
    return None if quit_at is None else max(0, (now - quit_at).days)
