"""What the service knows of a person."""

from datetime import date, datetime, time
from decimal import Decimal

import msgspec

from zxo.kit.zones import date_in
from zxo.modules.users.rules import current_run, tier_in_force


class User(msgspec.Struct, frozen=True):
    """A row of users, in the order of COLUMNS: built from it by position."""

    id: int
    openid: str | None
    nickname: str
    avatar: str | None
    member_type: str
    member_expiry_at: datetime | None
    vip_activated_at: datetime | None
    ai_activated_at: datetime | None
    total_days: int
    consecutive_days: int
    makeup_cards: int
    last_check_in_date: date | None
    last_check_in_is_makeup: bool
    province: str | None
    city: str | None
    district: str | None
    street: str | None
    timezone: str
    version: int
    deleted_at: datetime | None
    phone_ciphertext: str | None

    def today(self, now: datetime) -> date:
        """The calendar date where the person lives."""
        return date_in(now, self.timezone)

    def run(self, today: date) -> int:
        """The consecutive days as they count on `today`."""
        return current_run(self.consecutive_days, self.last_check_in_date, today)

    def tier(self, now: datetime) -> str:
        """The membership in force at `now`: free, vip or ai."""
        return tier_in_force(self.member_type, self.member_expiry_at, now)


COLUMNS = ", ".join(User.__struct_fields__)


class Settings(msgspec.Struct, frozen=True):
    """A row of user_settings, and the time zone that users holds."""

    smoking_years: str | None
    daily_amount: int
    price_per_pack: Decimal
    cigarettes_per_pack: int
    enable_check_in_reminder: bool
    check_in_reminder_time: time
    enable_milestone_notification: bool
    show_in_ranking: bool
    allow_friend_view: bool
    quit_at: datetime | None
    timezone: str
