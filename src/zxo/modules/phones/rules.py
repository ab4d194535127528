"""Which texts are mobile numbers, and how codes are made and told apart."""

import re
import secrets
import unicodedata
from datetime import timedelta
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

HOME = "CN"  # whose numbers need no country code
LONGEST_INPUT = 32

DIGITS = 6
LIFETIME = timedelta(minutes=5)
TRIES = 5
RESEND_AFTER = timedelta(minutes=1)

_SHAPE = re.compile(r"\+?[0-9 ().-]+")
# Of some countries (the USA among them) nobody can tell which of the two a number is.
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class Number(NamedTuple):
    """A mobile number in E.164, as +8613800138000, and the ISO code of its country or region."""

    e164: str
    region: str


def parse_number(text: str) -> Number | None:
    """The mobile number that `text` means, also in full-width digits; None where there is none."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if len(plain) > LONGEST_INPUT or not _SHAPE.fullmatch(plain):
        return None
    try:
        number = phonenumbers.parse(plain, HOME)
    except NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number)
    if region is None or not phonenumbers.is_valid_number(number):
        return None
    if phonenumbers.number_type(number) not in _MOBILE:
        return None
    return Number(phonenumbers.format_number(number, PhoneNumberFormat.E164), region)


def new_code() -> str:
    """Six digits that nobody can foresee."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def login_row(e164: str) -> str:
    """What the code for a log-in belongs to."""
    return f"login:{e164}"


def bind_row(user_id: int, e164: str) -> str:
    """What the code that binds a number to this account belongs to: it serves nobody else."""
    return f"bind:{user_id}:{e164}"
