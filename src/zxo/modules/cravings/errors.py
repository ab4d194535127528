"""What cravings refuse."""

from zxo.kit.errors import BadRequest, NotFound


class NoSuchCraving(NotFound):
    """The caller has no craving with this id."""

    code, message = "craving_not_found", "记录不存在"


class InvalidSpan(BadRequest):
    """A span runs from a date to the same or a later one, over at most 366 days."""

    code, message = "invalid_date_span", "日期范围不合法"
