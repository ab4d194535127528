"""Why a day is not counted."""

from zxo.kit.errors import BadRequest, Conflict


class AlreadyCheckedIn(Conflict):
    """Today has been counted."""

    code, message = "already_checked_in", "今天已经打卡过了"


class NoMakeupCard(BadRequest):
    """The user has no makeup card left."""

    code, message = "no_makeup_card", "补签卡数量不足"


class NotInThePast(BadRequest):
    """Only dates before today can be made up."""

    code, message = "date_not_in_past", "只能补签过去的日期"


class TooLongAgo(BadRequest):
    """Only the last 366 days can be made up."""

    code, message = "date_too_old", "只能补签最近 366 天内的日期"


class DateAlreadyCounted(Conflict):
    """The date has a check-in."""

    code, message = "date_already_checked_in", "该日期已经打卡过了"


class TooManyMakeups(BadRequest):
    """Two makeups were made today."""

    code, message = "too_many_makeups_today", "每天最多补签 2 次"
