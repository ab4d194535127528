"""Bodies of /notifications."""

import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import Field, StrictBool, StrictInt, model_validator

from zxo.kit.web import Body, Reply
from zxo.modules.notifications.models import Notice

# As far as a JSON number is exact: beyond, a client may send the neighbour of what it means.
NoticeId = Annotated[StrictInt, Field(ge=1, le=2**53 - 1)]


class NoticeReply(Reply, frozen=True):
    """`data` has at least `kind`, `title` and `body`, the words for the person."""

    id: int
    type: str
    data: dict[str, Any]
    created_at: datetime.datetime
    read_at: datetime.datetime | None

    @classmethod
    def of(cls, notice: Notice) -> Self:
        data = msgspec.json.decode(notice.data)
        return cls(notice.id, notice.type, data, notice.created_at, notice.read_at)


class InboxReply(Reply, frozen=True):
    """Newest first. `unread_count` is of the whole inbox."""

    notifications: list[NoticeReply]
    unread_count: int
    next_cursor: str | None


class ReadBody(Body):
    """Either `ids`, or `all`."""

    ids: Annotated[list[NoticeId], Field(min_length=1, max_length=100)] | None = None
    all: StrictBool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.ids is None) != self.all:
            raise ValueError("name either ids, or all: true")
        return self


class UnreadReply(Reply, frozen=True):
    unread_count: int
