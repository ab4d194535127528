"""Arithmetic of memberships, and how the text of a code is read."""

import calendar
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from zxo.kit.zones import date_in, zone
from zxo.modules.users import tier_in_force

FREE, VIP, AI, CARDS = "free", "vip", "ai", "makeup_card"
Tier = Literal["vip", "ai"]
CodeType = Literal["vip", "ai", "makeup_card"]

TRIAL = timedelta(days=4)  # of the coach, from the day on which VIP was given
MONTHS = 3  # of AI, where no days are named
CALENDAR = "Asia/Shanghai"  # whose months

UNLIMITED = -1
MOST_CODES = 10_000  # of one batch
MOST_USES = 1_000_000_000
MOST_DAYS = 3_660
MOST_CARDS = 100
SHORTEST_TEXT, LONGEST_TEXT = 6, 50
SOON_DAYS = 3  # before the end, when people are told of it

# Crockford's base32. Without I, L, O and U, so that nothing is mistaken for a digit.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BITS = 60
_LETTER_BITS = 5
_LOOK_ALIKES = str.maketrans("ILO", "110")


class Membership(NamedTuple):
    """A person's membership as it is stored; whether it is in force is a question of the time.

    An `expiry` of None is never. Of somebody free it is when the last membership ended.
    """

    tier: str
    expiry: datetime | None
    vip_since: datetime | None
    ai_since: datetime | None

    def in_force(self, now: datetime) -> str:
        return tier_in_force(self.tier, self.expiry, now)

    def lapsed(self, now: datetime) -> str | None:
        """The tier that somebody who is free now had last; None: never, or it was taken away."""
        if self.in_force(now) != FREE or self.expiry is None:
            return None
        if self.tier != FREE:
            return self.tier
        if self.ai_since and (self.vip_since is None or self.ai_since >= self.vip_since):
            return AI
        return VIP

    def on_trial(self, now: datetime) -> bool:
        """Whether VIP may try the coach now."""
        return (
            self.in_force(now) == VIP
            and self.vip_since is not None
            and now < self.vip_since + TRIAL
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants: `count` random codes, or one that reads `text`.

    `duration_days` is for VIP, and for AI (None: three calendar months); `makeup_card_count` for
    cards. `max_uses`: people; -1: any number.
    """

    code_type: CodeType
    count: int = 1
    text: str | None = None
    duration_days: int | None = None
    makeup_card_count: int | None = None
    max_uses: int = 1
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class BuiltIn(NamedTuple):
    """A code that everybody knows: `code_type` free takes the membership away."""

    text: str
    code_type: str
    days: int | None = None


def give(before: Membership, tier: Tier, days: int | None, now: datetime) -> Membership | None:
    """The membership after `days` of `tier`; None where that would be a step down.

    The same tier is extended. AI over VIP runs from now, and no shorter than the VIP would have.
    """
    current = before.in_force(now)
    if current == AI and tier == VIP:
        return None
    expiry = before.expiry
    if current == FREE:
        expiry = later(now, days)
    elif expiry is not None:
        expiry = later(max(now, expiry), days) if current == tier else max(later(now, days), expiry)
    if tier == VIP:
        return Membership(VIP, expiry, now, before.ai_since)
    since = before.ai_since if current == AI else None
    return Membership(AI, expiry, before.vip_since, since or now)


def take_away(before: Membership) -> Membership:
    """Nobody's fault, and nothing that has expired: as if there had been none."""
    return before._replace(tier=FREE, expiry=None)


def later(start: datetime, days: int | None) -> datetime:
    """`start` and `days`; None: three calendar months, from the 30th to the 28th if need be."""
    if days is not None:
        return start + timedelta(days=days)
    local = start.astimezone(zone(CALENDAR))
    months = local.month - 1 + MONTHS
    year, month = local.year + months // 12, months % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(start.tzinfo)


def days_given(start: datetime, days: int | None) -> int:
    """How many days a duration is that begins at `start`."""
    return (later(start, days) - start).days


def last_day(expiry: datetime, zone_name: str) -> date:
    """The last date on which it is in force, where the person lives."""
    return date_in(expiry - timedelta(microseconds=1), zone_name)


def counted_from(before: Membership, tier: Tier, now: datetime) -> datetime:
    """Where `give` lets the new days begin."""
    if before.in_force(now) == tier and before.expiry is not None:
        return max(now, before.expiry)
    return now


def plain(text: str) -> str:
    """The text of a code in capitals, without spaces and hyphens, full-width letters as others."""
    capitals = unicodedata.normalize("NFKC", text).upper()
    return "".join(letter for letter in capitals if not _is_between(letter))


def _is_between(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Pd"


def key(text: str) -> str:
    """What is compared: whatever looks the same is the same.

    Every text goes this way, chosen and built-in ones too: none gets lost by it, but of two that
    differ in a look-alike only, there can be one.
    """
    return plain(text).translate(_LOOK_ALIKES)


def code_of(bits: int) -> str:
    """12 letters for 60 bits."""
    shifts = range(CODE_BITS - _LETTER_BITS, -1, -_LETTER_BITS)
    return "".join(ALPHABET[bits >> shift & 31] for shift in shifts)


def masked(text: str) -> str:
    """Enough to know one's own code by, not enough to use it."""
    return f"{text[: min(4, len(text) // 3)]}****"


BUILT_IN: Mapping[str, BuiltIn] = {
    key(code.text): code
    for code in (BuiltIn("ZXO", FREE), BuiltIn("VIP", VIP, 4), BuiltIn("SVIP", AI))
}


def fault(plan: Plan) -> str | None:
    """Why no code can be made so; None where it can."""
    faults = (_fault_of_number, _fault_of_text, _fault_of_worth, _fault_of_window)
    return next((found for look in faults if (found := look(plan))), None)


def _fault_of_number(plan: Plan) -> str | None:
    if not 1 <= plan.count <= MOST_CODES:
        return f"count: 1 to {MOST_CODES}"
    if plan.max_uses != UNLIMITED and not 1 <= plan.max_uses <= MOST_USES:
        return f"max_uses: 1 to {MOST_USES}, or {UNLIMITED} for any number"
    return None


def _fault_of_text(plan: Plan) -> str | None:
    if plan.text is None:
        return None
    if plan.count != 1:
        return "text: one chosen text is one code"
    text = plain(plan.text)
    if not SHORTEST_TEXT <= len(text) <= LONGEST_TEXT:
        return f"text: {SHORTEST_TEXT} to {LONGEST_TEXT} letters and digits"
    return None if text.isalnum() else "text: letters and digits, spaces and hyphens only"


def _fault_of_worth(plan: Plan) -> str | None:
    if plan.code_type == "makeup_card":
        if plan.duration_days is not None:
            return "duration_days: not for makeup cards"
        cards = plan.makeup_card_count
        return None if cards and 1 <= cards <= MOST_CARDS else f"cards: 1 to {MOST_CARDS}"
    if plan.makeup_card_count is not None:
        return "cards: for makeup cards only"
    return fault_of_days(plan.code_type, plan.duration_days)


def fault_of_days(tier: Tier, days: int | None) -> str | None:
    """Why no membership can last so long; None where it can."""
    if days is None and tier == AI:
        return None
    return None if days is not None and 1 <= days <= MOST_DAYS else f"days: 1 to {MOST_DAYS}"


def _fault_of_window(plan: Plan) -> str | None:
    for instant in (plan.valid_from, plan.valid_until):
        if instant is not None and not (instant.tzinfo and 1 < instant.year < 9999):
            return "window: needs an offset, and years that people live to see"
    if plan.valid_from and plan.valid_until and plan.valid_until <= plan.valid_from:
        return "window: must end after it begins"
    return None
