"""`python -m bench.boards`: a million people on boards, made anew and kept up. See README.md."""

import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from bench.load import Load
from bench.pgbench import Pgbench, PgbenchError
from bench.servers import Child, ServerError, Site
from zxo.context import Context, open_context
from zxo.embedded import EmbeddedError, Endpoints, services
from zxo.kit.jobs import enqueue_once
from zxo.modules.rankings import boards, repository
from zxo.modules.rankings.rules import NATIONAL
from zxo.settings import DatabaseSettings, KeySettings, Settings, TokenSettings, ValkeySettings

READS, LINES = 10_000, 100
READERS = 4
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.1
WANTED = {"rebuild_seconds": 60.0, "worker_mb": 300.0, "complete_after_seconds": 5.0}

JOB = "SELECT count(*) FROM pgqueuer WHERE entrypoint = $1"
BEHIND = """
SELECT (SELECT count(*) FROM outbox)
     + (SELECT count(*) FROM pgqueuer WHERE entrypoint LIKE 'rankings.refresh%')
"""

screen = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def main(
    users: Annotated[int, typer.Option(help="Seeded.", min=1_000)] = 1_000_000,
    rate: Annotated[int, typer.Option(help="Check-ins a second.", min=1)] = 3_000,
    seconds: Annotated[float, typer.Option(help="How long they come.", min=1)] = 30.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Rebuild all boards under readers, then check in; exit status 1 where a board was not full."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zxo-bench-")))
        endpoints = stack.enter_context(services(folder / "data", say=say))
        site = Site(folder, endpoints, stack)
        began = time.monotonic()
        site.run("zxo", "seed", "--users", str(users))
        found = {"users": users, "seed_seconds": time.monotonic() - began}
        worker = site.start("zxo", "worker")
        found |= asyncio.run(_rebuild(endpoints, worker))
        check_ins = Pgbench(endpoints.database_url, folder, int(rate * seconds * 1.2), "zxo")
        load = check_ins.round(seconds, rate)
        found |= asyncio.run(_catch_up(endpoints, load, int(rate * seconds * 1.2)))
        worker.check()
    _show(found)
    if json_file:
        json_file.write_text(json.dumps(found, indent=2) + "\n")
    raise typer.Exit(0 if not found["partial_reads"] and not found["wrong"] else 1)


def say(line: str) -> None:
    progress.print(f"[dim]bench[/] {line}", soft_wrap=True)


def _settings(endpoints: Endpoints) -> Settings:
    return Settings(
        database=DatabaseSettings(url=endpoints.database_url),
        valkey=ValkeySettings(url=endpoints.redis_url),
        tokens=TokenSettings(secret="of no use here"),  # noqa: S106 - it signs nothing
        keys=KeySettings(index="nor this", encryption=("nor this",)),
    )


async def _rebuild(endpoints: Endpoints, worker: Child) -> dict[str, Any]:
    """The boards are made from nothing, and then once more under readers."""
    async with open_context(_settings(endpoints), role="bench") as ctx:
        say("boards from nothing")
        first, _ = await _job(ctx, worker)
        say("boards anew, under readers")
        total = (await _page(ctx)).total
        over = asyncio.Event()
        reading = [asyncio.create_task(_read(ctx, total, over)) for _ in range(READERS)]
        second, resident = await _job(ctx, worker)
        over.set()
        reads = [await task for task in reading]
        return {
            "on_national_board": total,
            "first_seconds": first,
            "rebuild_seconds": second,
            "worker_mb": resident,
            "reads": sum(full for full, _ in reads),
            "partial_reads": sum(partial for _, partial in reads),
        }


async def _job(ctx: Context, worker: Child) -> tuple[float, float]:
    """Have the worker rebuild: seconds, and the most megabytes that it had resident."""
    name, resident = "rankings.rebuild", 0.0
    async with ctx.db.transaction() as connection:
        await enqueue_once(connection, name)
    began = time.monotonic()
    while await ctx.db.fetchval(JOB, name):
        worker.check()
        resident = max(resident, worker.memory_mb()[0])
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise ServerError("the rebuild did not end")
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - began, resident


async def _page(ctx: Context) -> boards.Page:
    page = await boards.page(ctx.valkey, NATIONAL, 1, LINES)
    if page is None:
        raise ServerError("the national board is not complete")
    return page


async def _read(ctx: Context, total: int | None, over: asyncio.Event) -> tuple[int, int]:
    """How many reads saw a full board, and how many did not; at least a share of READS."""
    full = partial = 0
    while full + partial < READS // READERS or not over.is_set():
        page = await boards.page(ctx.valkey, NATIONAL, 1, LINES)
        whole = page is not None and len(page.places) == LINES and page.total == total
        full, partial = full + whole, partial + (not whole)
        await asyncio.sleep(0.002)
    return full, partial


async def _catch_up(endpoints: Endpoints, load: Load, users: int) -> dict[str, Any]:
    """Seconds after the last check-in until every board has all of them."""
    began = time.monotonic()
    async with open_context(_settings(endpoints), role="bench") as ctx:
        behind = await ctx.db.fetchval(BEHIND)
        while await ctx.db.fetchval(BEHIND):
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise ServerError("the worker does not catch up")
            await asyncio.sleep(POLL_SECONDS)
        return {
            "check_ins": load.answers,
            "check_ins_per_second": load.answers / load.seconds,
            "behind_at_the_end": behind,
            "complete_after_seconds": time.monotonic() - began,
            "wrong": await _wrong(ctx, users),
        }


async def _wrong(ctx: Context, users: int) -> int:
    """Entries of those who checked in that differ from PostgreSQL's, over all their boards."""
    wrong = 0
    for first in range(1, users + 1, 1000):
        async with ctx.db.connection() as connection:
            found = await repository.standings(connection, range(first, first + 1000))
        wanted = [(one, board) for one in found for board in one.boards]
        async with ctx.valkey.pipeline(transaction=False) as pipe:
            for one, board in wanted:
                pipe.zscore(boards.key(board), f"{one.user_id:010d}")
            scores = await pipe.execute()
        wrong += sum(one.score != has for (one, _), has in zip(wanted, scores, strict=True))
    return wrong


def _show(found: dict[str, Any]) -> None:
    table = Table("what", "measured", title=f"Boards of {found['users']:,} people")
    rows = {
        "seeded in": f"{found['seed_seconds']:.0f} s",
        "made from nothing in": f"{found['first_seconds']:.1f} s",
        "made anew in": f"{found['rebuild_seconds']:.1f} s (wanted: {WANTED['rebuild_seconds']:g})",
        "worker, resident": f"{found['worker_mb']:.0f} MB (wanted: {WANTED['worker_mb']:g})",
        "reads meanwhile": f"{found['reads']:,} full, {found['partial_reads']:,} not",
        "check-ins": f"{found['check_ins']:,} at {found['check_ins_per_second']:,.0f} a second",
        "waiting after the last": f"{found['behind_at_the_end']:,} events and jobs",
        "boards complete after": f"{found['complete_after_seconds']:.1f} s"
        f" (wanted: {WANTED['complete_after_seconds']:g}), {found['wrong']:,} entries wrong",
    }
    for what, measured in rows.items():
        table.add_row(what, measured)
    screen.print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (EmbeddedError, PgbenchError, ServerError, asyncpg.PostgresError) as error:
        progress.print(f"[bold red]bench[/] {error}", soft_wrap=True)
        sys.exit(1)
