"""Roles, passwords, second factors, and how long things last. Nothing here asks anybody."""

import unicodedata
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Literal

import pyotp

from zxo.kit import passwords

Role = Literal["viewer", "operator", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "owner")  # each may what those before it may

SHORTEST_PASSWORD = 12  # characters
TRIES = 5
LOCKED_FOR = timedelta(minutes=15)
IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)

TOKEN_PREFIX = "zxo_operator_"  # noqa: S105 - the beginning of every token
ISSUER = "ZXO"
STEP_SECONDS = 30
TOLERANCE = 1  # steps that a clock may be fast or slow


def may(role: Role, needed: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


def name_key(name: str) -> str:
    """What is compared of a name."""
    return unicodedata.normalize("NFKC", name).casefold()


def is_weak(password: str, name: str) -> bool:
    """Length is what counts, and that it is not what is tried first: any characters will do."""
    too_short = len(password) < SHORTEST_PASSWORD
    too_long = len(password.encode()) > passwords.LONGEST
    folded = name_key(password)
    return too_short or too_long or name_key(name) in folded or _is_obvious(folded)


def _is_obvious(folded: str) -> bool:
    """A common one, or one piece again and again."""
    repeats = folded in (folded * 2)[1:-1]
    return repeats or folded in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    """Those that length alone does not refuse; the file says where they are from."""
    text = (
        resources.files("zxo.modules.operators").joinpath("common_passwords.txt").read_text("utf-8")
    )
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def new_secret() -> str:
    """Of a second factor: 160 random bits in base32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str) -> str:
    """What the QR code says to an authenticator."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, of those near `now` (RFC 6238); None for a wrong code."""
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    for step in range(current - TOLERANCE, current + TOLERANCE + 1):
        if pyotp.utils.strings_equal(totp.at(step * STEP_SECONDS), code):
            return step
    return None
