"""Which notice leaves by which template, and how long it is worth sending."""

from datetime import timedelta

REMINDER, MILESTONE, MEMBERSHIP = "reminder", "milestone", "membership"
TEMPLATES = (REMINDER, MILESTONE, MEMBERSHIP)

MOST_CREDITS = 100  # of one person and template
MOST_BROWSERS = 10  # of one person
LONGEST_TITLE, LONGEST_BODY = 80, 300  # code points in a message to a browser

# After this the worker was away, and a reminder of yesterday helps nobody.
STALE_AFTER = timedelta(hours=12)
REMINDER_KEPT = timedelta(hours=6)  # how long a push service keeps it for a browser that is off
OTHERS_KEPT = timedelta(days=3)


def template_of(notice_type: str) -> str | None:
    """The WeChat template for a notice of this type; None for one that WeChat is not told of."""
    if notice_type == "check_in_reminder":
        return REMINDER
    if notice_type in {"milestone", "rank_up"}:
        return MILESTONE
    return MEMBERSHIP if notice_type.startswith("membership_") else None


def kept_for(notice_type: str) -> timedelta:
    return REMINDER_KEPT if template_of(notice_type) == REMINDER else OTHERS_KEPT


def topic_of(notice_type: str) -> str | None:
    """A new reminder takes the place of one that still waits; other notices stand side by side."""
    return REMINDER if template_of(notice_type) == REMINDER else None


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
