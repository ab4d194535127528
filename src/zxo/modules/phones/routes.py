"""/auth/sms/code and /users/me/phone."""

from fastapi import Request
from starlette.responses import Response

from zxo.clients.sms import SmsNumberRefused, SmsTooOften, SmsUnavailable
from zxo.clients.wechat import WechatNotConfigured, WechatTooOften, WechatUnavailable
from zxo.clients.wechat_phone import InvalidPhoneCode
from zxo.http import Ctx, CurrentUser, current_user, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.web import ok
from zxo.modules import users
from zxo.modules.phones import service
from zxo.modules.phones.errors import (
    InvalidPhone,
    InvalidSmsCode,
    PhoneIsOnlyLogin,
    PhoneRegionNotSupported,
    SmsNotConfigured,
)
from zxo.modules.phones.rules import LIFETIME, RESEND_AFTER
from zxo.modules.phones.schemas import BindBody, PhoneReply, SmsCodeBody, SmsCodeReply

api = router("手机号")


@api.post(
    "/auth/sms/code",
    summary="发送短信验证码",
    **answers(
        SmsCodeReply,
        InvalidFields,
        InvalidPhone,
        PhoneRegionNotSupported,
        SmsNumberRefused,
        Unauthorized,
        SmsTooOften,
        SmsUnavailable,
        SmsNotConfigured,
    ),
)
async def send_code(ctx: Ctx, request: Request, body: SmsCodeBody) -> Response:
    if body.purpose == "bind":
        caller = await current_user(request)
        await service.send_bind_code(ctx, caller.user_id, body.phone)
    else:
        await service.send_login_code(ctx, body.phone)
    times = int(LIFETIME.total_seconds()), int(RESEND_AFTER.total_seconds())
    return ok(ctx.clock, SmsCodeReply(*times), message="验证码已发送")


@api.post(
    "/users/me/phone",
    summary="绑定手机号",
    **answers(
        PhoneReply,
        InvalidFields,
        InvalidPhone,
        PhoneRegionNotSupported,
        InvalidSmsCode,
        InvalidPhoneCode,
        Unauthorized,
        users.PhoneTaken,
        WechatTooOften,
        WechatUnavailable,
        WechatNotConfigured,
    ),
)
async def bind(ctx: Ctx, caller: CurrentUser, body: BindBody) -> Response:
    if body.wechat_code is not None:
        user = await service.bind_with_wechat(ctx, caller.user_id, body.wechat_code)
    else:
        phone, code = body.phone or "", body.code or ""
        user = await service.bind_with_code(ctx, caller.user_id, phone, code)
    return ok(ctx.clock, PhoneReply(users.masked_phone(ctx, user)))


@api.delete(
    "/users/me/phone",
    summary="解绑手机号",
    **answers(PhoneReply, Unauthorized, PhoneIsOnlyLogin),
)
async def unbind(ctx: Ctx, caller: CurrentUser) -> Response:
    user = await service.unbind(ctx, caller.user_id)
    return ok(ctx.clock, PhoneReply(users.masked_phone(ctx, user)))
