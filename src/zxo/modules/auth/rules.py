"""How long things last, and what a development log-in looks like."""

import re
from datetime import timedelta

REFRESH_AFTER_EXPIRY = timedelta(days=7)
PURGE_AFTER_DELETION = timedelta(days=30)
DEVELOPMENT_PREFIX = "dev:"
DEVICE_LENGTH = 200

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


def development_openid(code: str) -> str | None:
    """`dev_NAME` for the code `dev:NAME`, None for a name that is not allowed."""
    name = code.removeprefix(DEVELOPMENT_PREFIX)
    return f"dev_{name}" if _NAME.fullmatch(name) else None


def device_name(user_agent: str) -> str:
    """What the list of sessions shows: the printable part of the User-Agent, cut to length."""
    return "".join(letter for letter in user_agent if letter.isprintable())[:DEVICE_LENGTH]
