"""Who is about is only a hint."""

from pathlib import Path

from tests.kit.valkey import OwnValkey, client
from zxo.context import Context
from zxo.kit import presence
from zxo.kit.presence import Presence


async def test_whoever_was_seen_is_about_and_nobody_else(ctx: Context) -> None:
    about = Presence(ctx.valkey)
    await about.seen([1, 2])
    await about.seen([])
    assert await about.recently([1, 2, 3]) == {1, 2}
    assert await about.recently([]) == set()


async def test_whoever_was_seen_too_long_ago_is_forgotten(ctx: Context) -> None:
    about = Presence(ctx.valkey)
    now = (await ctx.valkey.time())[0]
    await ctx.valkey.zadd(presence.KEY, {"1": now - presence.RECENT_SECONDS - 1})
    await about.seen([2])
    assert await about.recently([1, 2]) == {2}
    assert 0 < await ctx.valkey.ttl(presence.KEY) <= presence.RECENT_SECONDS


async def test_without_valkey_nobody_is_known_to_be_about(tmp_path: Path) -> None:
    server = OwnValkey(tmp_path / "valkey")
    valkey = client(server.url)
    server.kill()
    assert await Presence(valkey).recently([1]) == set()
    await valkey.aclose()
