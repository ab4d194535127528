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


def mask_phone(e164: str) -> str:
    """A number as it is shown: 138****8000; from abroad +44****56."""
    if e164.startswith("+86"):
        return f"{e164[3:6]}****{e164[-4:]}"
    return f"{e164[:3]}****{e164[-2:]}"
