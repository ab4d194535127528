"""Who is calling, and from where."""

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from zxo.context import Context
from zxo.kit.addresses import client_address
from zxo.kit.errors import Unauthorized
from zxo.kit.security import SessionEnded, TokenExpired
from zxo.kit.web import header


class Caller(msgspec.Struct, frozen=True):
    """Who is calling, as the token proves."""

    user_id: int
    session_id: str


async def bearer_token(request: Request) -> str:
    """The token of the Authorization header. Raises Unauthorized where there is none."""
    scheme, _, token = (header(request, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized
    return token.strip()


async def current_user(request: Request) -> Caller:
    """Raises an Unauthorized, RateLimited, or Unavailable where it is not known what has ended.

    No query: signatures are remembered, and ended sessions are known to within a second.
    """
    known: Caller | None = request.scope.get("caller")
    if known is not None:
        return known
    ctx: Context = request.app.state.context
    claims = ctx.tokens.verify(await bearer_token(request))
    if claims["exp"] <= ctx.clock.now().timestamp():
        raise TokenExpired
    await ctx.ended_sessions.fresh()
    session_id = claims["sid"]
    if session_id in ctx.ended_sessions:
        raise SessionEnded
    if ctx.limits.enabled:
        ctx.limits.users.require(str(claims["userId"]))
    caller = request.scope["caller"] = Caller(claims["userId"], session_id)
    return caller


def address_of(request: HTTPConnection) -> str:
    """Where the request comes from, as far as the configured proxies can be believed."""
    ctx: Context = request.app.state.context
    return address_in(request.scope, ctx.limits.proxies)


def address_in(scope: Scope, proxies: int) -> str:
    """As `address_of`, for `proxies`. Every request pays for this."""
    peer = scope.get("client")
    headers = scope["headers"] if proxies else ()
    forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return client_address(peer[0] if peer else None, forwarded, proxies)
