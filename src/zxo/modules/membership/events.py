"""What happened to memberships."""

from datetime import date, datetime
from typing import Literal

from zxo.kit.outbox import Event

Cause = Literal["code", "grant", "revoke", "expiry"]


class MembershipChanged(Event, frozen=True):
    """Tier or expiry are others than before. `version` is that of the user's row.

    `before`: the tier in force until then; `ends_on`: the last date on which the new one is, where
    the person lives.
    """

    user_id: int
    version: int
    cause: Cause
    before: str
    after: str
    expiry: datetime | None
    ends_on: date | None


class CardsAdded(Event, frozen=True):
    """A code has added makeup cards. `version` is that of the user's row."""

    user_id: int
    version: int
    cards: int


class MembershipEnds(Event, frozen=True):
    """A membership that is in force ends soon. May be told again of the same membership.

    `stage` says which of the two notices it is; `days_left` are calendar days, and `ends_on` the
    last date on which it is in force, where the person lives.
    """

    user_id: int
    tier: str
    stage: Literal["soon", "today"]
    expiry: datetime
    ends_on: date
    days_left: int
