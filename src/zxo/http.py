"""What every module's routes may ask for: the context, who is calling, and a router."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from zxo.context import Context
from zxo.kit import idempotency
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import as_app_error, respond
from zxo.kit.lean import Handler, lean_handler
from zxo.kit.security import SessionEnded, TokenExpired
from zxo.kit.web import header


class Caller(msgspec.Struct, frozen=True):
    """Who is calling, as the token proves."""

    user_id: int
    session_id: str


async def get_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def bearer_token(request: Request) -> str:
    """The token of the Authorization header. Raises Unauthorized where there is none."""
    scheme, _, token = (header(request, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized
    return token.strip()


async def current_user(request: Request) -> Caller:
    """Raises an Unauthorized, or Unavailable where it cannot be told which sessions have ended.

    No query: signatures are remembered, and ended sessions are known to within a second.
    """
    ctx: Context = request.app.state.context
    claims = ctx.tokens.verify(await bearer_token(request))
    if claims["exp"] <= ctx.clock.now().timestamp():
        raise TokenExpired
    await ctx.ended_sessions.fresh()
    session_id = claims["sid"]
    if session_id in ctx.ended_sessions:
        raise SessionEnded
    return Caller(claims["userId"], session_id)


Ctx = Annotated[Context, Depends(get_context)]
CurrentUser = Annotated[Caller, Depends(current_user)]
BearerToken = Annotated[str, Depends(bearer_token)]


class Route(APIRoute):
    """A route that takes the short way where it can, and whose POSTs honour Idempotency-Key."""

    def get_route_handler(self) -> Handler:
        handler = lean_handler(self.endpoint) or super().get_route_handler()
        return _idempotent(handler) if "POST" in (self.methods or set()) else handler


def _idempotent(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        key = header(request, b"idempotency-key")
        if key is None:
            return await handler(request)
        return await _answer_once(request, key, handler)

    return handle


async def _answer_once(request: Request, key: str, handler: Handler) -> Response:
    ctx: Context = request.app.state.context
    body: bytes = request.scope.get("body", b"")
    scope = await _scope(request, body)
    asked = request.method, request.url.path, body
    attempt = idempotency.attempt(ctx.index, scope, key, *asked)

    async def run() -> Response:
        try:
            return await handler(request)
        except Exception as error:
            if as_app_error(error).status >= 500:
                raise
            return respond(request, error, ctx.clock)  # a refusal is an answer too

    return await idempotency.answer_once(ctx.db, ctx.sealer, attempt, run)


async def _scope(request: Request, body: bytes) -> str:
    """Whose key it is: the user's; before there is one, that of exactly this request."""
    try:
        return f"user:{(await current_user(request)).user_id}"
    except Unauthorized:
        ctx: Context = request.app.state.context
        content = f"{header(request, b'authorization') or ''}|{body.decode('latin-1')}"
        return f"request:{ctx.index.of('idempotency_scope', content).hex()}"


def router(tag: str) -> APIRouter:
    """A router for one module under /v1."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=Route)
