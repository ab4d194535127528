"""The daily reminder: at each person's own time, where they live, and only if it is still needed.

A tick looks at the wall-clock minutes that have come in each zone since the tick before (a
watermark in PostgreSQL, so that nothing is left out or done again by a restart). Several workers
may tick at once: a notice's key lets the first one in.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

from structlog import get_logger

from zxo.context import Context
from zxo.modules.notifications import repository, rules
from zxo.modules.notifications.models import NewNotice
from zxo.modules.notifications.rules import REMINDER, Window

log = get_logger(__name__)

CHUNK = 1_000

Add = Callable[[Context, Collection[NewNotice]], Awaitable[None]]


async def remind(ctx: Context, add: Add) -> None:
    """Remind whoever was to be reminded since the last time; `add` stores the notices."""
    now = ctx.clock.now()
    async with ctx.db.connection() as connection:
        reached = await repository.watermark(connection, REMINDER)
        zones = await repository.zones(connection)
    since = max(reached or now - rules.FIRST_LOOK, now - rules.LATEST)
    for zone in zones:
        for window in _windows(since, now, zone):
            await _remind(ctx, zone, window, add)
    async with ctx.db.connection() as connection:
        await repository.raise_watermark(connection, REMINDER, now)


def _windows(since: datetime, now: datetime, zone: str) -> list[Window]:
    try:
        return list(rules.windows(since, now, zone))
    except (ZoneInfoNotFoundError, ValueError):  # taken by a process with newer tables of zones
        log.warning("zone_unknown", zone=zone)
        return []


async def _remind(ctx: Context, zone: str, window: Window, add: Add) -> None:
    after, key, data = 0, rules.reminder_key(window.day), rules.reminder(window.day)
    while True:
        async with ctx.db.connection() as connection:
            ids = await repository.due(connection, zone, window, after, CHUNK)
        await add(ctx, [NewNotice(number, REMINDER, key, data) for number in ids])
        if len(ids) < CHUNK:
            return
        after = ids[-1]
