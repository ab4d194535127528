"""Dependencies of routes for operators: who is signed in, and whether their role is enough.

They take the request alone, so that a route keeps its short way (zxo.kit.lean). A user's token is
none of an operator's, nor the other way round.
"""

from typing import Annotated

from fastapi import Depends, Request

from zxo.context import Context
from zxo.http import Route, address_of, bearer_token
from zxo.modules.operators import rules, sessions
from zxo.modules.operators.errors import OperatorSessionEnded, RoleTooLow, TotpNotEnrolled
from zxo.modules.operators.models import Acting
from zxo.modules.operators.rules import Role


async def signed_in(request: Request) -> Acting:
    """Also one who has yet to enrol. Raises an Unauthorized."""
    return (await _who(request))[0]


async def require_viewer(request: Request) -> Acting:
    """Raises an Unauthorized, TotpNotEnrolled."""
    return await _require(request, "viewer")


async def require_operator(request: Request) -> Acting:
    """Raises an Unauthorized, TotpNotEnrolled, RoleTooLow."""
    return await _require(request, "operator")


async def require_owner(request: Request) -> Acting:
    """Raises an Unauthorized, TotpNotEnrolled, RoleTooLow."""
    return await _require(request, "owner")


async def _require(request: Request, role: Role) -> Acting:
    acting, enrolling = await _who(request)
    if enrolling:
        raise TotpNotEnrolled
    if not rules.may(acting.role, role):
        raise RoleTooLow
    return acting


async def _who(request: Request) -> tuple[Acting, bool]:
    token = await bearer_token(request)
    if not token.startswith(rules.TOKEN_PREFIX):
        raise OperatorSessionEnded
    known: tuple[Acting, bool] | None = request.scope.get("operator")
    if known is not None:
        return known
    ctx: Context = request.app.state.context
    found = request.scope["operator"] = await sessions.who(ctx, token, address_of(request))
    return found


class OperatorRoute(Route):
    """Replays an answer to nobody whose session is over, or whose role is another by now."""

    @staticmethod
    async def whose(request: Request) -> str:
        acting, enrolling = await _who(request)
        return f"operator:{acting.id}:{acting.role}:{enrolling}"


GUARDS = (signed_in, require_viewer, require_operator, require_owner)

SignedIn = Annotated[Acting, Depends(signed_in)]
RequireViewer = Annotated[Acting, Depends(require_viewer)]
RequireOperator = Annotated[Acting, Depends(require_operator)]
RequireOwner = Annotated[Acting, Depends(require_owner)]
