"""For each route a request that is right in everything but, perhaps, who sends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyotp

from tests.factories import data
from tests.fakes.push_service import FakePushService
from tests.security.world import CHEAP, PASSWORD, World
from zxo.modules import membership
from zxo.modules.membership import Plan
from zxo.modules.operators import TOTP_BOUND_TO

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


async def _batch(world: World) -> str:
    plan = Plan(code_type="vip", duration_days=30)
    return str((await membership.create_batch(world.ctx, plan, None)).batch.id)


def of_batch(rest: str = "") -> Recipe:
    async def make(world: World) -> Call:
        return Call(f"/admin/redeem-codes/{await _batch(world)}{rest}")

    return make


async def _code(world: World) -> Call:
    await _batch(world)
    number = await world.ctx.db.fetchval("SELECT max(id) FROM redeem_codes")
    return Call(f"/admin/codes/{number}/disable")


def of_user(rest: str = "", **body: Any) -> Recipe:
    return lambda world: Call(f"/admin/users/{world.alice.user['id']}{rest}", body or None)


def of_job(rest: str = "") -> Recipe:
    async def make(world: World) -> Call:
        number = await world.ctx.db.fetchval(
            "INSERT INTO pgqueuer (priority, status, entrypoint) VALUES (0, 'failed', 'test')"
            " RETURNING id"
        )
        return Call(f"/admin/jobs/{number}{rest}")

    return make


async def _operator(world: World) -> Call:
    number = await world.ctx.db.fetchval(
        "INSERT INTO operators (name, name_key, role, password_hash, created_at)"
        " VALUES ('somebody', 'somebody', 'viewer', '', $1) RETURNING id",
        world.ctx.clock.now(),
    )
    return Call(f"/admin/operators/{number}", {"role": "operator"})


async def _admin_login(world: World) -> Call:
    await world.ctx.db.execute(
        "INSERT INTO operators (name, name_key, role, password_hash, created_at)"
        " VALUES ('known', 'known', 'viewer', $1, $2)",
        CHEAP,
        world.ctx.clock.now(),
    )
    return Call("/admin/login", {"name": "known", "password": PASSWORD})


async def _confirm(world: World) -> Call:
    """Of a factor that every operator has begun to set up."""
    secret = "JBSWY3DPEHPK3PXP" * 2
    for row in await world.ctx.db.fetch("SELECT id FROM operators"):
        sealed = world.ctx.vault.seal(secret, TOTP_BOUND_TO.format(id=row[0]))
        await world.ctx.db.execute(
            "UPDATE operators SET totp_ciphertext = $2 WHERE id = $1", row[0], sealed
        )
    code = pyotp.TOTP(secret).at(world.ctx.clock.now())
    return Call("/admin/totp/confirm", {"code": code})


RECIPES: dict[str, Recipe] = {
    "POST /v1/admin/login": _admin_login,
    "POST /v1/admin/logout": plain("/admin/logout"),
    "POST /v1/admin/totp": plain("/admin/totp"),
    "POST /v1/admin/totp/confirm": _confirm,
    "GET /v1/admin/me": plain("/admin/me"),
    "POST /v1/admin/password": with_body(
        "/admin/password", password=PASSWORD, newPassword="correct horse battery"
    ),
    "GET /v1/admin/operators": plain("/admin/operators"),
    "POST /v1/admin/operators": with_body(
        "/admin/operators", 201, name="new", role="viewer", password="correct horse battery"
    ),
    "PUT /v1/admin/operators/{operator_id}": _operator,
    "GET /v1/admin/audit": plain("/admin/audit"),
    "POST /v1/admin/redeem-codes": with_body(
        "/admin/redeem-codes", 201, codeType="vip", durationDays=30
    ),
    "GET /v1/admin/redeem-codes": plain("/admin/redeem-codes"),
    "GET /v1/admin/redeem-codes/{batch_id}": of_batch(),
    "POST /v1/admin/redeem-codes/{batch_id}/disable": of_batch("/disable"),
    "POST /v1/admin/codes/{code_id}/disable": _code,
    "POST /v1/admin/search/users": with_body("/admin/search/users", text="戒烟"),
    "GET /v1/admin/users/{user_id}": of_user(),
    "POST /v1/admin/users/{user_id}/grant": of_user("/grant", tier="vip", days=7),
    "POST /v1/admin/users/{user_id}/revoke": of_user("/revoke"),
    "POST /v1/admin/users/{user_id}/ban": of_user("/ban", reason="广告"),
    "POST /v1/admin/users/{user_id}/unban": of_user("/unban"),
    "GET /v1/admin/statistics": lambda _: Call(
        "/admin/statistics", query={"from": "2025-11-01", "to": "2025-11-30"}
    ),
    "GET /v1/admin/jobs": plain("/admin/jobs"),
    "POST /v1/admin/jobs/{job_id}/retry": of_job("/retry"),
    "DELETE /v1/admin/jobs/{job_id}": of_job(),
    "GET /v1/admin/settings": plain("/admin/settings"),
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
    "POST /v1/ai/chat": with_body("/ai/chat", message="戒烟后身体多久能恢复"),
    "POST /v1/ai/chat/stream": with_body("/ai/chat/stream", message="戒烟后身体多久能恢复"),
    "GET /v1/ai/conversations": plain("/ai/conversations"),
    "GET /v1/ai/conversations?conversationId": lambda world: Call(
        "/ai/conversations", query={"conversationId": world.conversation_id}
    ),
    "DELETE /v1/ai/conversations/{conversation_id}": lambda world: Call(
        f"/ai/conversations/{world.conversation_id}"
    ),
    "GET /v1/ai/quota": plain("/ai/quota"),
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
