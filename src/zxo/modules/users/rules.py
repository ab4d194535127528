"""What follows from a person's data, without asking anybody."""

from datetime import date, datetime, timedelta

# The nickname that WeChat has handed to every app since 2022-10-25 instead of the real one.
WECHAT_PLACEHOLDER = "微信用户"


def current_run(consecutive_days: int, last_check_in: date | None, today: date) -> int:
    """The run of dates that ends today or yesterday, else 0."""
    if last_check_in is None or last_check_in < today - timedelta(days=1):
        return 0
    return consecutive_days


def tier_in_force(member_type: str, expiry: datetime | None, now: datetime) -> str:
    """The membership that counts now: an expired one is free at once."""
    if member_type != "free" and expiry is not None and expiry <= now:
        return "free"
    return member_type
