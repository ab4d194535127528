"""Subscriptions under /notifications: WeChat messages and browsers."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from zxo.clients.web_push_crypto import decode
from zxo.context import Context
from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.web import ok
from zxo.modules.delivery import rules, service
from zxo.modules.delivery.errors import (
    NoSuchPushSubscription,
    NoWechatTemplate,
    PushServiceNotAllowed,
    WebPushNotConfigured,
)
from zxo.modules.delivery.models import Subscriptions
from zxo.modules.delivery.schemas import (
    ConsentBody,
    PushSubscriptionBody,
    PushSubscriptionReply,
    SubscriptionsReply,
)

api = router("消息")

SubscriptionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def _reply(ctx: Context, found: Subscriptions) -> SubscriptionsReply:
    forms = {name: service.template(ctx, name) for name in rules.TEMPLATES}
    template_ids = {name: form.id for name, form in forms.items() if form}
    key = ctx.web_push.public_key if ctx.web_push else None
    return SubscriptionsReply.of(found, template_ids, key)


@api.get(
    "/notifications/subscriptions",
    summary="获取消息提醒订阅",
    **answers(SubscriptionsReply, Unauthorized),
)
async def subscriptions(ctx: Ctx, caller: CurrentUser) -> Response:
    found = await service.subscriptions(ctx, caller.user_id)
    return ok(ctx.clock, _reply(ctx, found))


@api.post(
    "/notifications/subscriptions",
    summary="登记微信订阅消息授权",
    **answers(SubscriptionsReply, Unauthorized, InvalidFields, NoWechatTemplate, status=201),
)
async def add_credits(ctx: Ctx, caller: CurrentUser, body: ConsentBody) -> Response:
    found = await service.add_credits(ctx, caller.user_id, body.template, body.accepted)
    return ok(ctx.clock, _reply(ctx, found), status=201)


@api.post(
    "/notifications/push-subscriptions",
    summary="开启浏览器消息推送",
    **answers(
        PushSubscriptionReply,
        Unauthorized,
        InvalidFields,
        PushServiceNotAllowed,
        WebPushNotConfigured,
        status=201,
    ),
)
async def subscribe(ctx: Ctx, caller: CurrentUser, body: PushSubscriptionBody) -> Response:
    p256dh, auth = decode(body.keys.p256dh), decode(body.keys.auth)
    added = await service.subscribe(ctx, caller.user_id, body.endpoint, p256dh, auth)
    return ok(ctx.clock, PushSubscriptionReply.of(added), status=201)


@api.delete(
    "/notifications/push-subscriptions/{subscription_id}",
    summary="关闭浏览器消息推送",
    **answers(None, Unauthorized, InvalidFields, NoSuchPushSubscription),
)
async def unsubscribe(ctx: Ctx, caller: CurrentUser, subscription_id: SubscriptionId) -> Response:
    await service.unsubscribe(ctx, caller.user_id, subscription_id)
    return ok(ctx.clock)
