"""Bodies of the routes under /users/me."""

import re
import unicodedata
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from zxo.kit.web import Body, Reply
from zxo.modules.users.models import Settings, User

_EARLIEST_QUIT = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST_QUIT = datetime(9999, 1, 1, tzinfo=UTC)  # later, some offsets lead out of the calendar
# Without the two names that say "whatever this machine is set to".
_ZONES = frozenset(available_timezones() - {"localtime", "Factory"})
_ISO_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]")  # not 1764550800, which also parses

# Spaces, joiners, marks without a letter. Not "unassigned": that is next year's emoji.
_UNSEEN = {"Zs", "Cf", "Mn", "Mc", "Me"}
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")  # letters, by their category, without ink
MOST_MARKS = 4  # on one letter: Tibetan needs three, a tower of them covers the lines above


def _one_line(value: str) -> str:
    categories = {unicodedata.category(letter) for letter in value}
    if categories & {"Cc", "Zl", "Zp"}:
        raise ValueError("must be one line")
    if {unicodedata.category(letter) for letter in _BLANK.sub("", value)} <= _UNSEEN:
        raise ValueError("must have something to see")
    if _marks_in_a_row(value) > MOST_MARKS:
        raise ValueError(f"may have {MOST_MARKS} marks on a letter")
    return value


def _marks_in_a_row(value: str) -> int:
    runs = groupby(value, lambda letter: unicodedata.category(letter) in {"Mn", "Me"})
    return max((len(list(run)) for marks, run in runs if marks), default=0)


def _zone(value: str) -> str:
    if value not in _ZONES:
        raise ValueError("not an IANA time zone such as Asia/Shanghai")
    return value


def _quit_at(value: datetime) -> datetime:
    if not _EARLIEST_QUIT <= value < _LATEST_QUIT:
        raise ValueError("must not be before 1900, nor beyond the calendar")
    return value.astimezone(UTC)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")
    return value


def _instant(value: Any) -> Any:
    if not isinstance(value, str) or not _ISO_INSTANT.match(value):
        raise ValueError("must be an instant such as 2025-12-01T09:00:00+08:00")
    return value


Nickname = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=20),
    AfterValidator(_one_line),
]
AvatarUrl = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[^\s\"<>]+$")]
Place = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Street = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_one_line),
]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Price = Annotated[
    Decimal,
    BeforeValidator(_number, json_schema_input_type=float),
    Field(gt=0, le=9999, decimal_places=2),
]
QuitAt = Annotated[
    AwareDatetime,
    BeforeValidator(_instant, json_schema_input_type=datetime),
    AfterValidator(_quit_at),
]


class ProfileBody(Body):
    """Named fields change, the rest stays; null clears."""

    nickname: Nickname = "戒烟勇士"
    avatar: AvatarUrl | None = None
    province: Place | None = None
    city: Place | None = None
    district: Place | None = None
    street: Street | None = None


class SettingsBody(Body):
    """Named fields change, the rest stays; null clears `smokingYears` and `quitAt`."""

    smoking_years: Literal["1年以下", "1-3年", "3-5年", "5-10年", "10年以上"] | None = None
    daily_amount: Annotated[StrictInt, Field(ge=1, le=200)] = 20
    price_per_pack: Price = Decimal("20.00")
    cigarettes_per_pack: Annotated[StrictInt, Field(ge=1, le=100)] = 20
    enable_check_in_reminder: StrictBool = True
    check_in_reminder_time: TimeOfDay = "09:00"
    enable_milestone_notification: StrictBool = True
    show_in_ranking: StrictBool = True
    allow_friend_view: StrictBool = True
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    quit_at: QuitAt | None = None

    def changes(self) -> dict[str, Any]:
        """The named columns and their values."""
        named = self.named()
        if reminder := named.get("check_in_reminder_time"):
            hour, minute = reminder.split(":")
            named["check_in_reminder_time"] = time(int(hour), int(minute))
        return named


class Profile(Reply, frozen=True):
    id: int
    nickname: str
    avatar: str | None
    member_type: str
    member_expiry_at: datetime | None
    total_days: int
    consecutive_days: int
    makeup_cards: int
    province: str | None
    city: str | None
    district: str | None
    street: str | None
    timezone: str
    phone: str | None

    @classmethod
    def of(cls, user: User, now: datetime, phone: str | None) -> Self:
        """What the person sees at `now`: run and membership as they count then; `phone` masked."""
        return cls(
            id=user.id,
            nickname=user.nickname,
            avatar=user.avatar,
            member_type=user.tier(now),
            member_expiry_at=user.member_expiry_at,
            total_days=user.total_days,
            consecutive_days=user.run(user.today(now)),
            makeup_cards=user.makeup_cards,
            province=user.province,
            city=user.city,
            district=user.district,
            street=user.street,
            timezone=user.timezone,
            phone=phone,
        )


class SettingsReply(Reply, frozen=True):
    smoking_years: str | None
    daily_amount: int
    price_per_pack: Decimal
    cigarettes_per_pack: int
    enable_check_in_reminder: bool
    check_in_reminder_time: str
    enable_milestone_notification: bool
    show_in_ranking: bool
    allow_friend_view: bool
    timezone: str
    quit_at: datetime | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            smoking_years=settings.smoking_years,
            daily_amount=settings.daily_amount,
            price_per_pack=settings.price_per_pack,
            cigarettes_per_pack=settings.cigarettes_per_pack,
            enable_check_in_reminder=settings.enable_check_in_reminder,
            check_in_reminder_time=f"{settings.check_in_reminder_time:%H:%M}",
            enable_milestone_notification=settings.enable_milestone_notification,
            show_in_ranking=settings.show_in_ranking,
            allow_friend_view=settings.allow_friend_view,
            timezone=settings.timezone,
            quit_at=settings.quit_at,
        )
