"""What operators see of a person."""

from datetime import datetime

import msgspec


class Person(msgspec.Struct, frozen=True):
    """In the order of the query's columns."""

    id: int
    nickname: str
    avatar: str | None
    openid: str | None
    phone_ciphertext: str | None
    member_type: str
    member_expiry_at: datetime | None
    total_days: int
    consecutive_days: int
    makeup_cards: int
    province: str | None
    city: str | None
    timezone: str
    created_at: datetime
    banned_at: datetime | None
    ban_reason: str | None
    deleted_at: datetime | None


COLUMNS = ", ".join(Person.__struct_fields__)
