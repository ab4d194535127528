"""Reactions of delivery."""

from zxo.context import Context
from zxo.modules.delivery import service
from zxo.modules.notifications import Notified


async def deliver(ctx: Context, events: list[Notified]) -> None:
    """Send the notices to WeChat and to browsers; each at most once, however often this runs."""
    await service.deliver_stored(ctx, [number for event in events for number in event.ids])
