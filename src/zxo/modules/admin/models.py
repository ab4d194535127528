"""What operators see of a person."""

from datetime import datetime
from typing import Literal

import msgspec

from zxo.modules.coach import Usage

By = Literal["id", "nickname", "openid", "phone"]


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


class View(msgspec.Struct, frozen=True):
    """A person, how many sessions they have, and their use of the coach today and lately."""

    person: Person
    sessions: int
    today: Usage
    lately: Usage
