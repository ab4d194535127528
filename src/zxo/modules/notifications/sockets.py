"""/v1/ws: what people are told, live. The table is the truth; a socket only saves them asking."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from zxo.context import Context
from zxo.http import address_of, router
from zxo.kit.errors import AppError
from zxo.kit.feed import Item
from zxo.kit.seats import Seats
from zxo.kit.security import SessionEnded, TokenExpired
from zxo.kit.sockets import HEARTBEAT_SECONDS, MOST_SOCKETS, Hub, Seat, Source
from zxo.kit.tasks import end
from zxo.limits import Limits
from zxo.modules import users
from zxo.modules.notifications import rules, service
from zxo.modules.notifications.errors import UpgradeRequired

SEATS_TOPIC = "socket_evicted"  # on the bus: (SEATS_TOPIC, id of a socket that has to yield, 0)
SEATS_LIFETIME_SECONDS = 3 * HEARTBEAT_SECONDS
AT_ONCE = 500  # sockets, in one message to Valkey

TRY_LATER = 1013

api = router("实时")


class Holder(msgspec.Struct, frozen=True):
    """Whose token opened a socket, and how long it may stay open."""

    owner: int
    session_id: str
    expires: float  # seconds since 1970


@api.get("/ws", include_in_schema=False)
async def refuse_plain_http() -> None:
    raise UpgradeRequired


class Endpoint:
    """Plain ASGI: what the framework keeps for one of its own sockets costs memory, 5,000 times."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub: Hub = scope["app"].state.beside["realtime"]
        limits: Limits = scope["app"].state.context.limits
        if limits.enabled and not limits.sockets.allows(address_of(HTTPConnection(scope))):
            await receive()
            await send({"type": "websocket.close", "code": TRY_LATER})  # before it opens: HTTP 403
            return
        await hub.serve(receive, send)


api.routes.append(WebSocketRoute("/v1/ws", Endpoint(), name="ws"))


@asynccontextmanager
async def hub(ctx: Context) -> AsyncIterator[Hub]:
    """The sockets of this process, from its start to its end."""
    seats = Seats(ctx.valkey, "zxo:sockets", MOST_SOCKETS, SEATS_LIFETIME_SECONDS)
    source = Source(
        admit=partial(_admit, ctx),
        judge=partial(_judge, ctx),
        latest=partial(service.latest_id, ctx),
        news=partial(_news, ctx),
        trusted=ctx.bus.trusted,
        present=partial(_present, ctx, seats),
    )
    hub = Hub(source, ctx.clock, ctx.settings.max_sockets)
    ctx.bus.listen(
        service.TOPIC,
        lambda user_id, latest: hub.feed.wake(int(user_id), latest),
        hub.feed.wake_all,
        own=True,
    )
    ctx.bus.listen(SEATS_TOPIC, lambda name, _: hub.evict(name), lambda: None)
    running = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        await hub.close()
        await end([running])


async def _admit(ctx: Context, token: str) -> Holder:
    """Raises an Unauthorized, or Unavailable where it cannot be told which sessions have ended."""
    claims = ctx.tokens.verify(token)
    holder = Holder(claims["userId"], claims["sid"], claims["exp"])
    await ctx.ended_sessions.fresh()
    if error := _judge(ctx)(holder):
        raise error
    await users.get(ctx, holder.owner)
    return holder


def _judge(ctx: Context) -> Callable[[Holder], AppError | None]:
    """Why a holder may not listen any longer."""
    now, ended = ctx.clock.now().timestamp(), ctx.ended_sessions

    def judge(holder: Holder) -> AppError | None:
        if holder.expires <= now:
            return TokenExpired()
        return SessionEnded() if holder.session_id in ended else None

    return judge


async def _news(ctx: Context, after: Mapping[int, int], limit: int) -> list[Item]:
    notices = await service.news(ctx, after, limit)
    return [
        Item(one.user_id, one.id, rules.event_of(one.type), one.data, one.created_at)
        for one in notices
    ]


async def _present(
    ctx: Context, seats: Seats, held: Collection[Seat], left: Collection[Seat]
) -> set[str]:
    """Raises what redis-py raises where Valkey is away."""
    await seats.leave(left)
    yielding: set[str] = set()
    every = list(held)
    for start in range(0, len(every), AT_ONCE):
        some = every[start : start + AT_ONCE]
        await ctx.presence.seen({user_id for user_id, _ in some})
        yielding |= await seats.hold(some)
    for name in yielding:
        ctx.bus.announce(SEATS_TOPIC, name, 0)
    return yielding
