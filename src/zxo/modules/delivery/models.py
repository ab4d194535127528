"""Whom a message outside the app goes to."""

from datetime import datetime
from urllib.parse import urlsplit

import msgspec


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
