"""/admin: codes, people, numbers, jobs that failed, the settings in force."""

import csv
import io
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from zxo.http import Ctx, router
from zxo.kit.dates import CalendarDate
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules import membership, operators, phones, users
from zxo.modules.admin import service
from zxo.modules.admin.errors import InvalidSearch, InvalidSpan, JobWaiting, NoSuchJob
from zxo.modules.admin.models import Person
from zxo.modules.admin.schemas import (
    BanBody,
    BatchBody,
    BatchList,
    BatchReply,
    CodeItem,
    CodeList,
    DisabledReply,
    Figure,
    FigureList,
    Format,
    GrantBody,
    JobList,
    JobReply,
    MembershipReply,
    NewBatchReply,
    PeopleList,
    PersonReply,
    SearchBody,
    SettingsInForce,
    ViewReply,
)
from zxo.modules.membership import BatchPosition, CodeFilter, CodeType, NewBatch, RowId
from zxo.modules.operators import OperatorRoute, RequireOperator, RequireOwner, RequireViewer

api = router("运营后台", OperatorRoute)

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
VIEWER = (InvalidFields, operators.OperatorSessionEnded, operators.TotpNotEnrolled)
OPERATOR = (*VIEWER, operators.RoleTooLow)

CREATE_ANSWERS = answers(
    NewBatchReply, *OPERATOR, membership.InvalidPlan, membership.CodeTextTaken, status=201
)
CREATE_ANSWERS["responses"][201]["content"]["text/csv"] = {"schema": {"type": "string"}}


@api.post("/admin/redeem-codes", summary="生成兑换码", **CREATE_ANSWERS)
async def create_codes(
    ctx: Ctx,
    acting: RequireOperator,
    body: BatchBody,
    format: Annotated[Format, Query(description="csv：只含兑换码的文件")] = "json",  # noqa: A002 - its name in the URL
) -> Response:
    made = await service.create_codes(ctx, acting, body.plan())
    if format == "csv":
        return _csv(made)
    return ok(ctx.clock, NewBatchReply.of(made), status=201)


def _csv(made: NewBatch) -> Response:
    """One code a line. Letters and digits only: no spreadsheet takes one for a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["code"])
    writer.writerows([text] for text in made.texts)
    headers = {"Content-Disposition": f'attachment; filename="codes-{made.batch.id}.csv"'}
    return Response(file.getvalue(), 201, headers, "text/csv; charset=utf-8")


@api.get(
    "/admin/redeem-codes",
    summary="兑换码批次",
    **answers(BatchList, *VIEWER, InvalidCursor),
)
async def list_batches(
    ctx: Ctx,
    _: RequireViewer,
    code_type: Annotated[CodeType | None, Query(alias="codeType")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = decode_cursor(cursor, BatchPosition)
    found = await membership.list_batches(ctx, code_type=code_type, after=after, limit=limit + 1)
    page, last = cut(found, limit, lambda one: BatchPosition(one.created_at, one.id))
    return ok(ctx.clock, BatchList([BatchReply.of(batch) for batch in page], last))


@api.get(
    "/admin/redeem-codes/{batch_id}",
    summary="批次内的兑换码",
    **answers(CodeList, *VIEWER, InvalidCursor),
)
async def list_codes(
    ctx: Ctx, _: RequireViewer, batch_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before, wanted = decode_cursor(cursor, RowId), CodeFilter(batch_id=batch_id)
    found = await membership.list_codes(ctx, wanted, before=before, limit=limit + 1)
    page, last = cut(found, limit, lambda one: one.id)
    return ok(ctx.clock, CodeList([CodeItem.of(code) for code in page], last))


@api.post(
    "/admin/redeem-codes/{batch_id}/disable",
    summary="停用一个批次",
    **answers(DisabledReply, *OPERATOR, membership.NoSuchBatch),
)
async def disable_batch(ctx: Ctx, acting: RequireOperator, batch_id: UUID) -> Response:
    return ok(ctx.clock, DisabledReply(await service.disable_batch(ctx, acting, batch_id)))


@api.post(
    "/admin/codes/{code_id}/disable",
    summary="停用一个兑换码",
    **answers(DisabledReply, *OPERATOR, membership.NoSuchCode),
)
async def disable_code(ctx: Ctx, acting: RequireOperator, code_id: Id) -> Response:
    return ok(ctx.clock, DisabledReply(await service.disable_code(ctx, acting, code_id)))


# Not a GET: numbers and names do not belong into addresses, which every proxy writes down.
@api.post(
    "/admin/search/users",
    summary="搜索用户",
    **answers(PeopleList, *VIEWER, InvalidSearch, phones.InvalidPhone, InvalidCursor),
)
async def search(ctx: Ctx, acting: RequireViewer, body: SearchBody) -> Response:
    after = decode_cursor(body.cursor, int)
    found = await service.search(ctx, acting, body.by, body.text, after, body.limit + 1)
    page, last = cut(found, body.limit, lambda one: one.id)
    return ok(ctx.clock, PeopleList([_person(ctx, person) for person in page], last))


def _person(ctx: Ctx, person: Person) -> PersonReply:
    now = ctx.clock.now()
    tier = users.tier_in_force(person.member_type, person.member_expiry_at, now)
    return PersonReply.of(person, users.masked_phone(ctx, person), tier)


@api.get(
    "/admin/users/{user_id}",
    summary="查看用户",
    **answers(ViewReply, *VIEWER, membership.NoSuchUser),
)
async def view(ctx: Ctx, acting: RequireViewer, user_id: Id) -> Response:
    found = await service.view(ctx, acting, user_id)
    return ok(ctx.clock, ViewReply.of(found, _person(ctx, found.person)))


@api.post(
    "/admin/users/{user_id}/grant",
    summary="授予会员",
    **answers(
        MembershipReply,
        *OPERATOR,
        membership.InvalidGrant,
        membership.NoSuchUser,
        membership.MembershipDowngrade,
    ),
)
async def grant(ctx: Ctx, acting: RequireOperator, user_id: Id, body: GrantBody) -> Response:
    change = await service.grant(ctx, acting, user_id, body.tier, body.days)
    return ok(ctx.clock, MembershipReply.of(change))


@api.post(
    "/admin/users/{user_id}/revoke",
    summary="收回会员",
    **answers(MembershipReply, *OPERATOR, membership.NoSuchUser),
)
async def revoke(ctx: Ctx, acting: RequireOperator, user_id: Id) -> Response:
    return ok(ctx.clock, MembershipReply.of(await service.revoke(ctx, acting, user_id)))


@api.post(
    "/admin/users/{user_id}/ban",
    summary="封禁用户",
    **answers(None, *OPERATOR, membership.NoSuchUser),
)
async def ban(ctx: Ctx, acting: RequireOperator, user_id: Id, body: BanBody) -> Response:
    await service.ban(ctx, acting, user_id, body.reason)
    return ok(ctx.clock)


@api.post(
    "/admin/users/{user_id}/unban",
    summary="解除封禁",
    **answers(None, *OPERATOR, membership.NoSuchUser),
)
async def unban(ctx: Ctx, acting: RequireOperator, user_id: Id) -> Response:
    await service.unban(ctx, acting, user_id)
    return ok(ctx.clock)


@api.get("/admin/statistics", summary="每日统计", **answers(FigureList, *VIEWER, InvalidSpan))
async def figures(
    ctx: Ctx,
    _: RequireViewer,
    first: Annotated[CalendarDate, Query(alias="from")],
    last: Annotated[CalendarDate, Query(alias="to")],
) -> Response:
    rows = await service.figures(ctx, first, last)
    return ok(ctx.clock, FigureList([Figure.of(row) for row in rows]))


@api.get("/admin/jobs", summary="失败的任务", **answers(JobList, *VIEWER, InvalidCursor))
async def failed_jobs(
    ctx: Ctx, _: RequireViewer, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    found = await service.failed_jobs(ctx, decode_cursor(cursor, int), limit + 1)
    page, last = cut(found, limit, lambda one: one.id)
    return ok(ctx.clock, JobList([JobReply.of(job) for job in page], last))


@api.post(
    "/admin/jobs/{job_id}/retry",
    summary="重试任务",
    **answers(None, *OPERATOR, NoSuchJob, JobWaiting),
)
async def retry_job(ctx: Ctx, acting: RequireOperator, job_id: Id) -> Response:
    await service.retry_job(ctx, acting, job_id)
    return ok(ctx.clock)


@api.delete("/admin/jobs/{job_id}", summary="放弃任务", **answers(None, *OPERATOR, NoSuchJob))
async def drop_job(ctx: Ctx, acting: RequireOperator, job_id: Id) -> Response:
    await service.drop_job(ctx, acting, job_id)
    return ok(ctx.clock)


@api.get("/admin/settings", summary="生效的配置", **answers(SettingsInForce, *OPERATOR))
async def settings_in_force(ctx: Ctx, _: RequireOwner) -> Response:
    return ok(ctx.clock, SettingsInForce(service.settings_in_force(ctx.settings)))
