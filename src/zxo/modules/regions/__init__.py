"""Owns China's divisions down to the district: which exist, and how one place is spelt."""

from zxo.modules.regions.errors import NoSuchDivision, UnknownRegion
from zxo.modules.regions.rules import Division, Path, children, is_division
from zxo.modules.regions.service import check_path

__all__ = [
    "Division",
    "NoSuchDivision",
    "Path",
    "UnknownRegion",
    "check_path",
    "children",
    "is_division",
]
