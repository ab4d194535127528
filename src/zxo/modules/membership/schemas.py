"""Bodies of /redeem-codes."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import UNSET, UnsetType
from pydantic import StringConstraints

from zxo.kit.web import Body, Reply
from zxo.modules.membership.models import Redeemed, Usage


class RedeemBody(Body):
    """Case, spaces and hyphens do not matter."""

    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class RedeemedReply(Reply, frozen=True):
    """Tiers in force before and after. `duration_days`: how many the code has added.

    Of makeup cards: how many the code brought, and how many there are now.
    """

    code_type: str
    member_type_before: str
    member_type_after: str
    expiry_before: datetime | None
    expiry_after: datetime | None
    duration_days: int | None
    makeup_card_count: int | UnsetType = UNSET
    makeup_cards: int | UnsetType = UNSET

    @classmethod
    def of(cls, redeemed: Redeemed) -> Self:
        change, cards = redeemed.change, redeemed.cards
        return cls(
            code_type=redeemed.code_type,
            member_type_before=change.before,
            member_type_after=change.after,
            expiry_before=change.expiry_before,
            expiry_after=change.expiry_after,
            duration_days=redeemed.days,
            makeup_card_count=UNSET if cards is None else cards,
            makeup_cards=UNSET if cards is None else change.user.makeup_cards,
        )


class UsageReply(Reply, frozen=True):
    """`code` is masked. `code_type` free: a built-in code took the membership away."""

    code: str
    code_type: str
    used_at: datetime

    @classmethod
    def of(cls, usage: Usage) -> Self:
        return cls(usage.code_hint, usage.code_type, usage.used_at)


class RedeemHistory(Reply, frozen=True):
    """Newest first."""

    usages: list[UsageReply]
    next_cursor: str | None
