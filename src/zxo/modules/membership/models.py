"""What memberships and codes are made of."""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from zxo.modules.membership.rules import Membership
from zxo.modules.users import User


def membership_of(user: User) -> Membership:
    """The user's membership as the row says it."""
    return Membership(
        user.member_type, user.member_expiry_at, user.vip_activated_at, user.ai_activated_at
    )


class Code(msgspec.Struct, frozen=True):
    """A code as it is to be redeemed, in the order of the query's columns.

    `redeemed`: whether the person who asks has redeemed it.
    """

    id: int
    code_type: str
    code_hint: str
    duration_days: int | None
    makeup_card_count: int | None
    max_uses: int
    current_uses: int
    valid_from: datetime | None
    valid_until: datetime | None
    is_active: bool
    redeemed: bool

    @property
    def is_used_up(self) -> bool:
        return 0 <= self.max_uses <= self.current_uses


class Worth(NamedTuple):
    """What a code is worth, wherever it comes from; without an id it is built in."""

    code_type: str
    hint: str
    days: int | None = None
    cards: int | None = None
    code_id: int | None = None


class Change(msgspec.Struct, frozen=True):
    """What happened to a membership: the tiers in force, and when they end; the user afterwards."""

    user: User
    before: str
    after: str
    expiry_before: datetime | None
    expiry_after: datetime | None


class Redeemed(msgspec.Struct, frozen=True):
    """What a code has done. Days are those that it has added; cards: how many it brought."""

    code_type: str
    change: Change
    days: int | None = None
    cards: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """A code that somebody has redeemed, masked; in the order of the query's columns."""

    id: int
    code_hint: str
    code_type: str
    used_at: datetime


class Batch(msgspec.Struct, frozen=True):
    """Codes that were made together, in the order of the query's columns.

    `codes`: how many; `active`: how many of them are not disabled; `uses`: how often one of them
    was redeemed.
    """

    id: UUID
    code_type: str
    duration_days: int | None
    makeup_card_count: int | None
    max_uses: int
    valid_from: datetime | None
    valid_until: datetime | None
    codes: int
    created_by: int | None
    created_at: datetime
    active: int
    uses: int


class NewBatch(msgspec.Struct, frozen=True):
    """The only time that the texts are told: the database has no more than their index."""

    batch: Batch
    texts: list[str]


class ListedCode(msgspec.Struct, frozen=True):
    """A code for an operator's eyes, masked; in the order of the query's columns."""

    id: int
    batch_id: UUID
    code_hint: str
    code_type: str
    duration_days: int | None
    makeup_card_count: int | None
    max_uses: int
    current_uses: int
    valid_from: datetime | None
    valid_until: datetime | None
    is_active: bool
    created_at: datetime


class BatchPosition(NamedTuple):
    """Where a page of batches ended: its last row."""

    created_at: datetime
    id: UUID


# Where a page of codes or usages ended: the id of its last row.
RowId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class CodeFilter(NamedTuple):
    """Which codes to list; None: all. `used`: whether anybody has redeemed it."""

    batch_id: UUID | None = None
    code_type: str | None = None
    active: bool | None = None
    used: bool | None = None


class Ending(msgspec.Struct, frozen=True):
    """A membership that is about to end, in the order of the query's columns."""

    user_id: int
    tier: str
    expiry: datetime
    timezone: str
