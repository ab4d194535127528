"""What a variable may hold: durations, lists, URLs of a scheme, and secrets worth the name."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

_EXAMPLE_SECRETS = ("your_", "changeme", "change-me", "secret", "example", "password", "sk-xxx")
SHORTEST_SECRET = 32
FEWEST_DIFFERENT = 8


class Quota(NamedTuple):
    """So many in so many seconds."""

    limit: int
    seconds: int


def _duration(text: object) -> object:
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text.strip())
    if match is None:
        raise ValueError("write a number above 0 and a unit: 30s, 15m, 12h or 7d")
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{units[match[2]]: int(match[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _quota(text: object) -> object:
    if not isinstance(text, str):
        return text
    number, _, window = text.strip().partition("/")
    span = _duration(window) if re.fullmatch("[1-9][0-9]{0,6}", number) else None
    if not isinstance(span, timedelta):
        raise ValueError("write a number and a window: 10/1m, 6/1h, 20/1d")
    return Quota(int(number), int(span.total_seconds()))


QuotaSetting = Annotated[Quota, NoDecode, BeforeValidator(_quota)]


def _on_or_off(text: object) -> object:
    return {"on": True, "off": False}.get(text, text) if isinstance(text, str) else text


Switch = Annotated[bool, BeforeValidator(_on_or_off)]


def split(value: object) -> object:
    """`a, b` as a tuple; anything but text as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def url_of(*schemes: str) -> AfterValidator:
    """Refuses a URL of another scheme, without showing it: there may be a password in it."""

    def check(url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must begin with {schemes[0]}://")
        return url

    return AfterValidator(check)


def aware(instant: datetime) -> datetime:
    """In UTC. Raises ValueError where it says no offset."""
    if instant.tzinfo is None:
        raise ValueError("needs an offset, as in 2025-12-01T09:00:00+08:00")
    return instant.astimezone(UTC)


def refuse_examples(**secrets: SecretStr) -> None:
    """Raises ValueError for what stands in an example. The names are those of the variables."""
    for name, secret in secrets.items():
        if secret.get_secret_value().lower().startswith(_EXAMPLE_SECRETS):
            raise ValueError(f"{name} is an example; production needs a secret of its own")


def refuse_weak(name: str, secret: SecretStr) -> None:
    """Raises ValueError for an example, and for what could be guessed."""
    refuse_examples(**{name: secret})
    text = secret.get_secret_value()
    if len(text) < SHORTEST_SECRET or len(set(text)) < FEWEST_DIFFERENT:
        raise ValueError(
            f"{name} needs {SHORTEST_SECRET} random characters in production;"
            " make one with: openssl rand -base64 48"
        )
