"""What people are told: the inbox, what is pushed to their sockets, and reminders."""

from zxo.modules.notifications.events import Notified
from zxo.modules.notifications.models import NewNotice, Notice
from zxo.modules.notifications.service import add, latest_id, news, still_unread

__all__ = ["NewNotice", "Notice", "Notified", "add", "latest_id", "news", "still_unread"]
