"""Who may: dependencies for routes that are for members, and the same question without a request.

The dependencies take the request alone, so that a route keeps its short way (zxo.kit.lean). The
tier is read anew each time; what the token says of it is never asked.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from zxo.context import Context
from zxo.http import Caller, current_user
from zxo.modules import users
from zxo.modules.membership.errors import (
    AiExpired,
    AiNotOpen,
    AiTrialEnded,
    VipExpired,
    VipNotOpen,
)
from zxo.modules.membership.models import membership_of
from zxo.modules.membership.rules import AI, FREE
from zxo.modules.users import User


def check_vip(user: User, now: datetime) -> None:
    """VIP and AI pass. Raises VipExpired for who had one of them, else VipNotOpen."""
    membership = membership_of(user)
    if membership.in_force(now) == FREE:
        raise VipExpired if membership.lapsed(now) else VipNotOpen


def check_ai(user: User, now: datetime) -> None:
    """AI passes, and VIP while the trial lasts. Raises AiExpired, AiTrialEnded, AiNotOpen."""
    membership = membership_of(user)
    if membership.in_force(now) == AI or membership.on_trial(now):
        return
    last = membership.lapsed(now)
    if last == AI:
        raise AiExpired
    if last is None and membership.in_force(now) == FREE:
        raise AiNotOpen
    raise AiTrialEnded


async def require_vip(request: Request) -> Caller:
    """Raises an Unauthorized, and whatever `check_vip` raises."""
    return await _checked(request, check_vip)


async def require_ai(request: Request) -> Caller:
    """Raises an Unauthorized, and whatever `check_ai` raises."""
    return await _checked(request, check_ai)


async def _checked(request: Request, check: Callable[[User, datetime], None]) -> Caller:
    caller = await current_user(request)
    ctx: Context = request.app.state.context
    check(await users.get(ctx, caller.user_id), ctx.clock.now())
    return caller


RequireVip = Annotated[Caller, Depends(require_vip)]
RequireAi = Annotated[Caller, Depends(require_ai)]
