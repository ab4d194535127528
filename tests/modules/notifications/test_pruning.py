"""notifications.prune: what goes, and what stays."""

from datetime import timedelta

import pytest

from tests.factories import FrozenClock, Visitor
from tests.modules.notifications.conftest import tell
from zxo.context import Context
from zxo.modules.notifications import handlers, service

MOMENT = timedelta(seconds=1)


async def kinds(ctx: Context) -> list[str]:
    rows = await ctx.db.fetch("SELECT once_key FROM notifications ORDER BY id")
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("check_in", 7),
        ("ranking_changed", 7),
        ("check_in_reminder", 7),
        ("milestone", 180),
        ("rank_up", 180),
        ("membership_changed", 180),
    ],
)
async def test_a_notice_goes_when_its_time_is_over_and_not_before(
    alice: Visitor, ctx: Context, clock: FrozenClock, kind: str, days: int
) -> None:
    await tell(ctx, alice, "old", kind=kind)
    clock.advance(seconds=2)
    await tell(ctx, alice, "young", kind=kind)
    clock.advance(days=days, seconds=-2)
    await handlers.prune(ctx)
    assert await kinds(ctx) == ["old", "young"]
    clock.advance(seconds=1)
    await handlers.prune(ctx)
    assert await kinds(ctx) == ["young"]


async def test_what_was_replaced_lives_on_from_then(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    notice = service.NewNotice(alice.user["id"], "ranking_changed", "ranks", {})
    await service.replace(ctx, [notice])
    clock.advance(days=6)
    await service.replace(ctx, [notice])
    clock.advance(days=6)
    await handlers.prune(ctx)
    assert await kinds(ctx) == ["ranks"]


async def test_more_than_one_step_holds_is_deleted_to_the_last(
    alice: Visitor, ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PRUNE_STEP", 3)
    await tell(ctx, alice, *map(str, range(9)))
    clock.advance(days=1)
    await tell(ctx, alice, "stays")
    clock.advance(days=179, seconds=1)
    await handlers.prune(ctx)
    assert await kinds(ctx) == ["stays"]
