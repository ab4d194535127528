"""Reactions and scheduled work of the boards."""

from typing import Protocol

from zxo.context import Context
from zxo.modules.rankings import rebuild as rebuilding
from zxo.modules.rankings import upkeep
from zxo.modules.rankings.events import BoardMissed
from zxo.modules.rankings.rebuild import Part
from zxo.modules.rankings.rules import TYPES, Board, Region, boards_of
from zxo.modules.users import ProfileChanged, SettingsChanged


class OfSomebody(Protocol):
    user_id: int


async def refresh(ctx: Context, events: list[OfSomebody]) -> None:
    """Put whoever has changed in place."""
    left: dict[int, set[Board]] = {event.user_id: set() for event in events}
    for event in events:
        if isinstance(event, ProfileChanged) and event.region_before:
            left[event.user_id].update(boards_of(Region(*event.region_before)))
    await upkeep.refresh(ctx, left)


async def forget_hidden(ctx: Context, events: list[SettingsChanged]) -> None:
    """Drop the past ranks of whoever no longer wants to be shown."""
    await upkeep.forget_hidden(ctx, [event.user_id for event in events])


async def build_missing(ctx: Context, events: list[BoardMissed]) -> None:
    """Build boards that somebody asked for in vain."""
    wanted = {(event.type, event.code) for event in events}
    for kind in TYPES:
        for code in (code for missed, code in wanted if missed == kind):
            await rebuilding.build(ctx, Part(Board(kind, code)))


async def rebuild(ctx: Context) -> None:
    """Repair whatever has drifted from PostgreSQL."""
    await rebuilding.rebuild(ctx)


async def look_after(ctx: Context) -> None:
    """Bring boards back that were lost."""
    await rebuilding.look_after(ctx)


async def take_snapshot(ctx: Context) -> None:
    """Keep how yesterday left everybody, and drop what is older than 90 days."""
    await upkeep.take_snapshot(ctx)
    await upkeep.forget_snapshots(ctx)
