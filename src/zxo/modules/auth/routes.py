"""/auth/*, and the sessions under /users/me."""

from datetime import datetime
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from zxo.clients.wechat import (
    InvalidLoginCode,
    WechatNotConfigured,
    WechatTooOften,
    WechatUnavailable,
    WechatUserBlocked,
)
from zxo.http import BearerToken, Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules import phones
from zxo.modules.auth import service
from zxo.modules.auth.errors import (
    AccountBanned,
    AccountDeleted,
    AlreadyRefreshed,
    InvalidDevelopmentName,
    NoSuchSession,
    TooOldToRefresh,
)
from zxo.modules.auth.schemas import (
    LoginReply,
    SessionItem,
    SessionList,
    SmsLoginBody,
    TokenReply,
    WechatLoginBody,
)

api = router("认证")


@api.post(
    "/auth/wechat/login",
    summary="微信登录",
    **answers(
        LoginReply,
        InvalidFields,
        InvalidDevelopmentName,
        InvalidLoginCode,
        WechatUserBlocked,
        AccountDeleted,
        AccountBanned,
        WechatTooOften,
        WechatUnavailable,
        WechatNotConfigured,
    ),
)
async def log_in_with_wechat(ctx: Ctx, request: Request, body: WechatLoginBody) -> Response:
    device = request.headers.get("user-agent", "")
    login = await service.log_in_with_wechat(ctx, body.code, body.nickname, body.avatar, device)
    return ok(ctx.clock, LoginReply.of(login, ctx.clock.now()))


@api.post(
    "/auth/sms/login",
    summary="短信验证码登录",
    **answers(
        LoginReply,
        InvalidFields,
        phones.InvalidPhone,
        phones.PhoneRegionNotSupported,
        phones.InvalidSmsCode,
        AccountDeleted,
        AccountBanned,
    ),
)
async def log_in_with_sms(ctx: Ctx, request: Request, body: SmsLoginBody) -> Response:
    device = request.headers.get("user-agent", "")
    login = await service.log_in_with_sms(ctx, body.phone, body.code, body.nickname, device)
    return ok(ctx.clock, LoginReply.of(login, ctx.clock.now()))


@api.post(
    "/auth/refresh",
    summary="Token 刷新",
    **answers(TokenReply, Unauthorized, TooOldToRefresh, AlreadyRefreshed),
)
async def refresh(ctx: Ctx, token: BearerToken) -> Response:
    claims = ctx.tokens.verify(token)
    return ok(ctx.clock, TokenReply(await service.refresh(ctx, claims)))


@api.post("/auth/logout", summary="退出登录", **answers(None, Unauthorized))
async def log_out(ctx: Ctx, caller: CurrentUser) -> Response:
    await service.log_out(ctx, caller.user_id, UUID(caller.session_id))
    return ok(ctx.clock, message="退出成功")


@api.get(
    "/users/me/sessions",
    summary="登录设备列表",
    **answers(SessionList, Unauthorized, InvalidCursor),
)
async def list_sessions(
    ctx: Ctx, caller: CurrentUser, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    after = decode_cursor(cursor, tuple[datetime, UUID])
    sessions = await service.list_sessions(ctx, caller.user_id, after, limit + 1)
    page, last = cut(sessions, limit, lambda one: (one.created_at, one.id))
    items = [SessionItem.of(session, caller.session_id) for session in page]
    return ok(ctx.clock, SessionList(items, last))


@api.delete(
    "/users/me/sessions/{session_id}",
    summary="结束一个登录",
    **answers(None, Unauthorized, NoSuchSession),
)
async def end_session(ctx: Ctx, caller: CurrentUser, session_id: UUID) -> Response:
    await service.end_session(ctx, caller.user_id, session_id)
    return ok(ctx.clock)
