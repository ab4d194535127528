"""What operators are refused beside what the modules they use refuse."""

from zxo.kit.errors import BadRequest, Conflict, NotFound


class InvalidSearch(BadRequest):
    """The text cannot be what it is to be looked up by."""

    code, message = "invalid_search", "搜索内容与搜索方式不符"


class InvalidSpan(BadRequest):
    """A span runs from a date to the same or a later one, over at most 366 days."""

    code, message = "invalid_date_span", "日期范围不合法"


class NoSuchJob(NotFound):
    """No job that has failed has this id."""

    code, message = "job_not_found", "任务不存在"


class JobWaiting(Conflict):
    """One of the same name waits or runs already, and there is never a second beside it."""

    code, message = "job_already_waiting", "同名任务已在等待执行"
