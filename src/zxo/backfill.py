"""`zxo statistics`: figures of days that are over, for when no worker was up, or counted anew."""

import asyncio
from datetime import date

from rich.console import Console
from rich.progress import Progress

from zxo.context import open_context
from zxo.modules import statistics
from zxo.settings import Settings


def run(settings: Settings, first: date | None, last: date | None, screen: Console) -> int:
    """Write the days from `first` to `last`; how many they are. Raises DaysRefused.

    Without `last`, up to yesterday in Shanghai; without `first`, the last day alone.
    """
    return asyncio.run(_run(settings, first, last, screen))


async def _run(settings: Settings, first: date | None, last: date | None, screen: Console) -> int:
    async with open_context(settings, role="statistics") as ctx:
        last = last or statistics.yesterday(ctx)
        first = first or last
        statistics.check_days(ctx, first, last)
        days = (last - first).days + 1
        with Progress(console=screen) as progress:
            task = progress.add_task(f"{days} days" if days > 1 else f"{last}", total=days)
            await statistics.write_days(ctx, first, last, lambda _: progress.advance(task))
    return days
