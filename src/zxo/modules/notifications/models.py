"""What a notice is made of."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec


class NewNotice(msgspec.Struct, frozen=True):
    """To be stored. Of two with the same `user_id` and `once_key` only the first is."""

    user_id: int
    type: str
    once_key: str
    data: dict[str, Any]


class Notice(msgspec.Struct, frozen=True):
    """A stored notice, in the order of COLUMNS. `data` is JSON as PostgreSQL keeps it."""

    id: int
    user_id: int
    type: str
    data: msgspec.Raw
    created_at: datetime
    read_at: datetime | None


COLUMNS = ", ".join(Notice.__struct_fields__)


class Reachable(msgspec.Struct, frozen=True):
    """Whom a WeChat message goes to, and in which zone its times are written."""

    openid: str
    timezone: str


class Browser(msgspec.Struct, frozen=True):
    """Where a push message goes to."""

    id: int
    endpoint: str
    p256dh: bytes
    auth: bytes


class PushSubscription(msgspec.Struct, frozen=True):
    """What the owner sees of a browser that is told."""

    id: int
    endpoint: str
    created_at: datetime

    @property
    def host(self) -> str:
        """The push service; the rest of the endpoint is a secret."""
        return urlsplit(self.endpoint).hostname or ""


class Subscriptions(msgspec.Struct, frozen=True):
    """By what somebody is told: credits by template, and browsers, oldest first."""

    credits: dict[str, int]
    browsers: list[PushSubscription]
