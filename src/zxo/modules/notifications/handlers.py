"""Reactions of notifications."""

from zxo.context import Context
from zxo.modules.notifications import delivery
from zxo.modules.notifications.events import Notified


async def deliver(ctx: Context, events: list[Notified]) -> None:
    """Send the notices to WeChat and to browsers; each at most once, however often this runs."""
    await delivery.deliver_stored(ctx, [event.notification_id for event in events])
