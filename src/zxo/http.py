"""What every module's routes may ask for: the context, who is calling, and a router."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from zxo.callers import Caller, address_of, bearer_token, current_user
from zxo.context import Context
from zxo.kit import idempotency
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import as_app_error, respond
from zxo.kit.lean import Handler, lean_handler
from zxo.kit.web import header
from zxo.limits import of_route
from zxo.throttle import below_ceiling, within_limits

__all__ = [
    "BearerToken",
    "Caller",
    "Ctx",
    "CurrentUser",
    "Route",
    "address_of",
    "bearer_token",
    "current_user",
    "get_context",
    "router",
]


async def get_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(get_context)]
CurrentUser = Annotated[Caller, Depends(current_user)]
BearerToken = Annotated[str, Depends(bearer_token)]
Whose = Callable[[Request], Awaitable[str]]


class Route(APIRoute):
    """A route that takes the short way where it can, is limited, and honours Idempotency-Key.

    An answer that is replayed under such a key costs nothing of a limit, and comes where nothing
    is left of it. So the key is asked for first, and a request that its limit refuses costs two
    small statements; whoever asks for that is held back by the ceiling before.
    """

    @staticmethod
    async def whose(request: Request) -> str:
        """To whom alone an answer is replayed. Raises an Unauthorized."""
        return f"user:{(await current_user(request)).user_id}"

    def get_route_handler(self) -> Handler:
        handler = lean_handler(self.endpoint) or super().get_route_handler()
        limited = [of_route(method, self.path) for method in self.methods or ()]
        handler = within_limits(handler, [limit for found in limited for limit in found])
        if "POST" in (self.methods or set()):
            handler = _idempotent(handler, self.whose)
        return below_ceiling(handler)


def _idempotent(handler: Handler, whose: Whose) -> Handler:
    async def handle(request: Request) -> Response:
        key = header(request, b"idempotency-key")
        if key is None:
            return await handler(request)
        return await _answer_once(request, key, handler, whose)

    return handle


async def _answer_once(request: Request, key: str, handler: Handler, whose: Whose) -> Response:
    ctx: Context = request.app.state.context
    body: bytes = request.scope.get("body", b"")
    scope = await _scope(request, body, whose)
    query = request.url.query
    target = f"{request.url.path}?{query}" if query else request.url.path
    attempt = idempotency.attempt(ctx.index, scope, key, request.method, target, body)

    async def run() -> Response:
        try:
            return await handler(request)
        except Exception as error:
            if as_app_error(error).status >= 500:
                raise
            return respond(request, error, ctx.clock)  # a refusal is an answer too

    return await idempotency.answer_once(ctx.db, ctx.sealer, attempt, run)


async def _scope(request: Request, body: bytes, whose: Whose) -> str:
    """Whose key it is: the caller's; before there is one, that of exactly this request."""
    try:
        return await whose(request)
    except Unauthorized:
        ctx: Context = request.app.state.context
        content = f"{header(request, b'authorization') or ''}|{body.decode('latin-1')}"
        return f"request:{ctx.index.of('idempotency_scope', content).hex()}"


def router(tag: str, kind: type[Route] = Route) -> APIRouter:
    """A router for one module under /v1."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=kind)
