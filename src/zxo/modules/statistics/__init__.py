"""What a day was like for the whole service: one row a figure and day."""

from zxo.modules.statistics.errors import DaysRefused
from zxo.modules.statistics.models import Row
from zxo.modules.statistics.rules import STATISTICS
from zxo.modules.statistics.service import between, check_days, write_day, write_days, yesterday

TYPES = tuple(STATISTICS)

__all__ = [
    "TYPES",
    "DaysRefused",
    "Row",
    "between",
    "check_days",
    "write_day",
    "write_days",
    "yesterday",
]
