"""Who may: the messages of RequireVip and RequireAi, and the national board."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.responses import Response

from tests.conftest import client_of
from tests.factories import START, FrozenClock, Visitor, data, refusal
from tests.modules.membership.conftest import DAY, Make, in_days, redeem
from zxo.context import Context
from zxo.http import Ctx, Route, router
from zxo.kit.lean import lean_handler
from zxo.kit.web import ok
from zxo.modules import membership
from zxo.modules.membership import RequireAi, RequireVip, handlers

OPEN = "open"
VIP_NOT_OPEN = ("vip_not_open", "VIP 功能未开通")
VIP_EXPIRED = ("vip_expired", "VIP 已到期")
AI_NOT_OPEN = ("ai_not_open", "AI 功能未开通")
AI_TRIAL_ENDED = ("ai_trial_ended", "AI 体验期已结束")
AI_EXPIRED = ("ai_expired", "AI 权限已到期")

guarded = router("guarded")


@guarded.get("/guarded/vip")
async def for_vip(ctx: Ctx, caller: RequireVip) -> Response:
    return ok(ctx.clock, caller.user_id)


@guarded.get("/guarded/ai")
async def for_ai(ctx: Ctx, caller: RequireAi) -> Response:
    return ok(ctx.clock, caller.user_id)


Ask = Callable[[Visitor], Awaitable[tuple[Any, Any]]]


@pytest_asyncio.fixture
async def ask(app: FastAPI, ctx: Context) -> AsyncIterator[Ask]:
    """What the two guards say to a person: OPEN, or errorCode and message."""
    before = list(app.router.routes)
    app.router.routes[:0] = guarded.routes
    async with client_of(app) as client:

        async def both(person: Visitor) -> tuple[Any, Any]:
            caller = Visitor(client, person.token)
            vip, ai = await caller.get("/guarded/vip"), await caller.get("/guarded/ai")
            return _said(vip, person), _said(ai, person)

        yield both
    app.router.routes[:] = before


def _said(answer: httpx.Response, person: Visitor) -> Any:
    if answer.status_code == 200:
        assert data(answer) == person.user["id"]
        return OPEN
    return refusal(answer, 403), answer.json()["message"]


async def test_without_a_token_nobody_passes(ask: Ask, app: FastAPI, visitor: Visitor) -> None:
    for path in ("/guarded/vip", "/guarded/ai"):
        assert refusal(await visitor.get(path), 401) == "unauthorized"


async def test_whoever_never_had_it_is_told_so(ask: Ask, alice: Visitor) -> None:
    assert await ask(alice) == (VIP_NOT_OPEN, AI_NOT_OPEN)


async def test_vip_may_try_the_coach_for_four_days(
    ask: Ask, alice: Visitor, make: Make, clock: FrozenClock
) -> None:
    await redeem(alice, await make(duration_days=30))
    assert await ask(alice) == (OPEN, OPEN)
    clock.set(START + 4 * DAY - DAY / 86_400)
    assert await ask(alice) == (OPEN, OPEN)
    clock.set(START + 4 * DAY)
    assert await ask(alice) == (OPEN, AI_TRIAL_ENDED)


async def test_vip_that_is_over_is_told_from_vip_that_never_was(
    ask: Ask, alice: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    """At once, before the nightly job, and after it."""
    await redeem(alice, await make(duration_days=2))
    clock.set(START + 2 * DAY)
    assert await ask(alice) == (VIP_EXPIRED, AI_TRIAL_ENDED)
    clock.set(START + 3 * DAY)
    await handlers.check_expiry(ctx)
    assert await ask(alice) == (VIP_EXPIRED, AI_TRIAL_ENDED)


async def test_ai_opens_both_until_it_is_over(
    ask: Ask, alice: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    await redeem(alice, await make(duration_days=2))
    await redeem(alice, await make(code_type="ai", duration_days=10))
    clock.advance(days=6)
    assert await ask(alice) == (OPEN, OPEN)
    alice = await in_days(4, alice, clock)
    assert await ask(alice) == (VIP_EXPIRED, AI_EXPIRED)
    clock.advance(days=1)
    await handlers.check_expiry(ctx)
    assert await ask(alice) == (VIP_EXPIRED, AI_EXPIRED)


async def test_a_membership_that_was_taken_away_is_as_if_it_had_not_been(
    ask: Ask, alice: Visitor, ctx: Context, make: Make
) -> None:
    await redeem(alice, await make(code_type="ai"))
    await membership.revoke(ctx, alice.user["id"])
    assert await ask(alice) == (VIP_NOT_OPEN, AI_NOT_OPEN)


async def test_a_token_from_better_days_opens_nothing(
    ask: Ask, alice: Visitor, ctx: Context, make: Make
) -> None:
    """What it says of the tier is never asked, and neither is another process's memory."""
    await redeem(alice, await make())
    vip = await alice.log_in("alice")
    assert vip.user["memberType"] == "vip"
    await membership.revoke(ctx, alice.user["id"])
    assert await ask(vip) == (VIP_NOT_OPEN, AI_NOT_OPEN)


async def test_the_national_board_opens_with_a_code_and_closes_with_its_end(
    alice: Visitor, make: Make, clock: FrozenClock
) -> None:
    board = ("/rankings",)
    assert refusal(await alice.get(*board, type="national"), 403) == "national_ranking_locked"
    await redeem(alice, await make(duration_days=2))
    data(await alice.get(*board, type="national"))
    clock.advance(days=2)
    answer = await alice.get(*board, type="national")
    assert (refusal(answer, 403), answer.json()["message"]) == VIP_EXPIRED


@pytest.mark.parametrize("endpoint", [for_vip, for_ai])
def test_guarded_routes_keep_their_short_way(endpoint: Any) -> None:
    assert lean_handler(endpoint) is not None
    assert all(isinstance(route, Route) for route in guarded.routes)
