"""/admin: signing in, the second factor, the operators themselves, and the audit."""

from typing import Annotated

from fastapi import Path, Query
from fastapi import Request as HttpRequest
from starlette.responses import Response

from zxo.http import Ctx, address_of, router
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules.operators import service, sessions
from zxo.modules.operators.errors import (
    InvalidCredentials,
    LastOwner,
    NoSuchOperator,
    OperatorNameTaken,
    OperatorSessionEnded,
    RoleTooLow,
    TotpAlreadyEnrolled,
    TotpNotEnrolled,
    TotpRequired,
    WeakPassword,
    WrongTotpCode,
)
from zxo.modules.operators.guards import OperatorRoute, RequireOwner, RequireViewer, SignedIn
from zxo.modules.operators.schemas import (
    AuditList,
    AuditReply,
    ConfirmBody,
    LogInBody,
    NewOperatorBody,
    OperatorBody,
    OperatorList,
    OperatorReply,
    PasswordBody,
    SignedInReply,
    TotpReply,
)

api = router("运营后台", OperatorRoute)

OperatorId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Target = Annotated[str | None, Query(max_length=100, pattern="^[a-z_]+:[A-Za-z0-9-]+$")]
VIEWER = (OperatorSessionEnded, TotpNotEnrolled)
OWNER = (*VIEWER, RoleTooLow)


@api.post(
    "/admin/login",
    summary="运营登录",
    **answers(SignedInReply, InvalidFields, InvalidCredentials, TotpRequired),
)
async def log_in(ctx: Ctx, request: HttpRequest, body: LogInBody) -> Response:
    signed_in = await sessions.log_in(ctx, body.name, body.password, body.totp, address_of(request))
    return ok(ctx.clock, SignedInReply.of(signed_in))


@api.post("/admin/logout", summary="运营退出", **answers(None, OperatorSessionEnded))
async def log_out(ctx: Ctx, acting: SignedIn) -> Response:
    await sessions.log_out(ctx, acting)
    return ok(ctx.clock, message="退出成功")


@api.get("/admin/me", summary="当前操作员", **answers(OperatorReply, *VIEWER))
async def me(ctx: Ctx, acting: RequireViewer) -> Response:
    assert acting.id is not None, "signed in"
    return ok(ctx.clock, OperatorReply.of(await service.get(ctx, acting.id)))


@api.post(
    "/admin/password",
    summary="修改自己的密码",
    **answers(None, InvalidFields, WeakPassword, InvalidCredentials, *VIEWER),
)
async def change_password(ctx: Ctx, acting: RequireViewer, body: PasswordBody) -> Response:
    await sessions.change_password(ctx, acting, body.password, body.new_password)
    return ok(ctx.clock)


@api.post(
    "/admin/totp",
    summary="开始绑定动态验证码",
    **answers(TotpReply, OperatorSessionEnded, TotpAlreadyEnrolled),
)
async def begin_totp(ctx: Ctx, acting: SignedIn) -> Response:
    return ok(ctx.clock, TotpReply(*await sessions.begin_totp(ctx, acting)))


@api.post(
    "/admin/totp/confirm",
    summary="确认动态验证码",
    **answers(None, InvalidFields, WrongTotpCode, OperatorSessionEnded, TotpAlreadyEnrolled),
)
async def confirm_totp(ctx: Ctx, acting: SignedIn, body: ConfirmBody) -> Response:
    await sessions.confirm_totp(ctx, acting, body.code)
    return ok(ctx.clock)


@api.get("/admin/operators", summary="操作员列表", **answers(OperatorList, *OWNER))
async def list_operators(ctx: Ctx, _: RequireOwner) -> Response:
    found = await service.list_operators(ctx)
    return ok(ctx.clock, OperatorList([OperatorReply.of(operator) for operator in found]))


@api.post(
    "/admin/operators",
    summary="新建操作员",
    **answers(OperatorReply, InvalidFields, WeakPassword, *OWNER, OperatorNameTaken, status=201),
)
async def create(ctx: Ctx, acting: RequireOwner, body: NewOperatorBody) -> Response:
    operator = await service.create(ctx, acting, body.name, body.role, body.password)
    return ok(ctx.clock, OperatorReply.of(operator), status=201)


@api.put(
    "/admin/operators/{operator_id}",
    summary="修改操作员",
    **answers(OperatorReply, InvalidFields, *OWNER, NoSuchOperator, LastOwner),
)
async def change(
    ctx: Ctx, acting: RequireOwner, operator_id: OperatorId, body: OperatorBody
) -> Response:
    operator = await service.change(
        ctx,
        acting,
        operator_id,
        role=body.role,
        disabled=body.disabled,
        reset_totp=body.reset_totp,
    )
    return ok(ctx.clock, OperatorReply.of(operator))


@api.get(
    "/admin/audit",
    summary="操作记录",
    **answers(AuditList, InvalidFields, InvalidCursor, *VIEWER),
)
async def audit(
    ctx: Ctx, _: RequireViewer, target: Target = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    found = await service.audit(ctx, decode_cursor(cursor, int), target, limit + 1)
    page, following = cut(found, limit, lambda one: one.id)
    return ok(ctx.clock, AuditList([AuditReply.of(line) for line in page], following))
