"""For each route a request that is right in everything but, perhaps, who sends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.factories import data
from tests.fakes.push_service import FakePushService
from tests.security.world import World
from zxo.modules import membership
from zxo.modules.membership import Plan

NEW_PHONE = "13912340987"  # nobody's yet


@dataclass(frozen=True)
class Call:
    """A request, and how it is answered where it may be made."""

    path: str  # under /v1, filled
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    status: int = 200


Recipe = Callable[[World], Call | Awaitable[Call]]


async def call_of(route: str, world: World) -> Call:
    """The request, all that it needs made ready."""
    made = RECIPES[route](world)
    return made if isinstance(made, Call) else await made


def plain(path: str, **query: Any) -> Recipe:
    return lambda _: Call(path, query=query)


def with_body(path: str, status: int = 200, **body: Any) -> Recipe:
    return lambda _: Call(path, body, status=status)


async def _sms_login(world: World) -> Call:
    data(await world.visitor.post("/auth/sms/code", phone=NEW_PHONE))
    code = world.outside.sms.last(NEW_PHONE)
    return Call("/auth/sms/login", {"phone": NEW_PHONE, "code": code})


async def _redeem(world: World) -> Call:
    made = await membership.create_batch(world.ctx, Plan(code_type="vip", duration_days=30), None)
    return Call("/redeem-codes/redeem", {"code": made.texts[0]})


@cache
def _browser() -> dict[str, Any]:
    with FakePushService() as service:
        subscription = service.browser().subscription()
    return {**subscription, "endpoint": "https://fcm.googleapis.com/fcm/send/one-more"}


RECIPES: dict[str, Recipe] = {
    "POST /v1/auth/wechat/login": lambda world: Call(
        "/auth/wechat/login", {"code": world.outside.wechat.issue("osomebody")}
    ),
    "POST /v1/auth/sms/code": with_body("/auth/sms/code", phone=NEW_PHONE),
    "POST /v1/auth/sms/code?purpose=bind": with_body(
        "/auth/sms/code", phone=NEW_PHONE, purpose="bind"
    ),
    "POST /v1/auth/sms/login": _sms_login,
    "POST /v1/auth/refresh": plain("/auth/refresh"),
    "POST /v1/auth/logout": plain("/auth/logout"),
    "GET /v1/users/me": plain("/users/me"),
    "PUT /v1/users/me": with_body("/users/me", nickname="新名字"),
    "GET /v1/users/me/settings": plain("/users/me/settings"),
    "PUT /v1/users/me/settings": with_body("/users/me/settings", dailyAmount=7),
    "GET /v1/users/me/stats": plain("/users/me/stats"),
    "GET /v1/users/me/sessions": plain("/users/me/sessions"),
    "DELETE /v1/users/me/sessions/{session_id}": lambda world: Call(
        f"/users/me/sessions/{world.session_id}"
    ),
    "POST /v1/users/me/phone": lambda world: Call(
        "/users/me/phone", {"wechatCode": world.outside.wechat.share_phone(NEW_PHONE)}
    ),
    "DELETE /v1/users/me/phone": plain("/users/me/phone"),
    "GET /v1/check-in/today": plain("/check-in/today"),
    "POST /v1/check-in": plain("/check-in"),
    "POST /v1/check-in/makeup": with_body("/check-in/makeup", checkInDate="2025-11-29"),
    "GET /v1/check-in/records": plain("/check-in/records", year=2025, month=12),
    "GET /v1/cravings": plain("/cravings"),
    "POST /v1/cravings": with_body("/cravings", triggerNote="吃饭以后"),
    "GET /v1/cravings/stats": plain("/cravings/stats"),
    "DELETE /v1/cravings/{craving_id}": lambda world: Call(f"/cravings/{world.craving_id}"),
    "POST /v1/redeem-codes/redeem": _redeem,
    "GET /v1/redeem-codes/history": plain("/redeem-codes/history"),
    "GET /v1/rankings": plain("/rankings", type="province"),
    "GET /v1/rankings?type=national": plain("/rankings", type="national"),
    "GET /v1/rankings/me": plain("/rankings/me", type="province"),
    "GET /v1/rankings/around": plain("/rankings/around", type="province"),
    "GET /v1/rankings/around?type=national": plain("/rankings/around", type="national"),
    "GET /v1/rankings/me/history": plain("/rankings/me/history", type="province"),
    "GET /v1/rankings/me/history?type=national": plain("/rankings/me/history", type="national"),
    "GET /v1/regions": plain("/regions"),
    "GET /v1/notifications": plain("/notifications"),
    "POST /v1/notifications/read": lambda world: Call(
        "/notifications/read", {"ids": [world.notice_id]}
    ),
    "GET /v1/notifications/subscriptions": plain("/notifications/subscriptions"),
    "POST /v1/notifications/subscriptions": with_body(
        "/notifications/subscriptions", 201, template="reminder", accepted=1
    ),
    "POST /v1/notifications/push-subscriptions": lambda _: Call(
        "/notifications/push-subscriptions", _browser(), status=201
    ),
    "DELETE /v1/notifications/push-subscriptions/{subscription_id}": lambda world: Call(
        f"/notifications/push-subscriptions/{world.subscription_id}"
    ),
}
