"""`zxo rotate-keys`: everything that is sealed at rest, sealed anew with the first key."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from zxo.context import Context, open_context
from zxo.kit.crypto import Unreadable
from zxo.modules import users
from zxo.settings import Settings

BATCH = 500
AT_ONCE = 8  # rows, each in a transaction of its own


class RotationError(Exception):
    """Something is left that the first key did not seal."""


class Sealed(NamedTuple):
    """A column that `ctx.vault` seals; `bound_to` is what a value of the row `id` is bound to."""

    table: str
    id: str
    column: str
    bound_to: str


# Every sealed column of the schema; a test compares it with the catalogue.
SEALED = (Sealed("users", "id", "phone_ciphertext", users.PHONE_BOUND_TO),)


class Ended(NamedTuple):
    """How many values were sealed anew, and how many no key of ours opens."""

    renewed: int
    unreadable: int


def run(settings: Settings, screen: Console) -> Ended:
    """Begins where an earlier run was cut off: what the first key sealed is passed over."""
    return asyncio.run(_run(settings, screen))


async def _run(settings: Settings, screen: Console) -> Ended:
    async with open_context(settings, role="rotation") as ctx:
        with Progress(console=screen) as progress:
            return await rotate(ctx, progress)


async def rotate(ctx: Context, progress: Progress) -> Ended:
    """Beside readers and writers: a row is locked for one short statement, and none fails."""
    ended: Counter[str] = Counter()
    for sealed in SEALED:
        last = await ctx.db.fetchval(f"SELECT coalesce(max({sealed.id}), 0) FROM {sealed.table}")
        task = progress.add_task(f"{sealed.table}.{sealed.column}", total=last)
        async for rows in _batches(ctx, sealed):
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                ended.update(await asyncio.gather(*(_renew(ctx, sealed, *row) for row in some)))
            progress.update(task, completed=rows[-1][0])
        progress.update(task, completed=last)
    return Ended(ended["renewed"], ended["unreadable"])


async def _batches(ctx: Context, sealed: Sealed) -> AsyncIterator[list[tuple[int, str]]]:
    """Ids and values in the order of the ids. The names come from SEALED, not from outside."""
    sql = (
        f"SELECT {sealed.id}, {sealed.column} FROM {sealed.table}"
        f" WHERE {sealed.id} > $1 AND {sealed.column} IS NOT NULL"
        f" ORDER BY {sealed.id} LIMIT {BATCH}"
    )
    last = -(2**63)
    while rows := [(row[0], row[1]) for row in await ctx.db.fetch(sql, last)]:
        yield rows
        last = rows[-1][0]


async def _renew(ctx: Context, sealed: Sealed, row_id: int, value: str) -> str:
    """Only in place of what was read: a number that is bound meanwhile is not overwritten.

    Who bound it may still seal with an older key, so it is looked at again.
    """
    update = (
        f"UPDATE {sealed.table} SET {sealed.column} = $3"
        f" WHERE {sealed.id} = $1 AND {sealed.column} = $2"
    )
    current: str | None = value
    while current is not None and not ctx.vault.is_current(current):
        bound_to = sealed.bound_to.format(id=row_id)
        try:
            renewed = ctx.vault.seal(ctx.vault.open(current, bound_to), bound_to)
        except Unreadable:
            return "unreadable"
        if await ctx.db.execute(update, row_id, current, renewed) == "UPDATE 1":
            return "renewed"
        current = await _now(ctx, sealed, row_id)
    return "passed over"


async def _now(ctx: Context, sealed: Sealed, row_id: int) -> str | None:
    sql = f"SELECT {sealed.column} FROM {sealed.table} WHERE {sealed.id} = $1"
    value: str | None = await ctx.db.fetchval(sql, row_id)
    return value
