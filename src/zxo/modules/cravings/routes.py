"""/cravings."""

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from zxo.clients.content_check import ContentRejected
from zxo.http import Ctx, CurrentUser, router
from zxo.kit.dates import CalendarDate
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules.cravings import service
from zxo.modules.cravings.errors import InvalidSpan, NoSuchCraving
from zxo.modules.cravings.models import Position
from zxo.modules.cravings.schemas import (
    CravingBody,
    CravingList,
    CravingReply,
    CravingStats,
    CravingSummary,
)

api = router("烟瘾记录")

Days = Annotated[int, Query(ge=1, le=366)]
CravingId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@api.post(
    "/cravings",
    summary="记录烟瘾",
    **answers(CravingReply, Unauthorized, InvalidFields, ContentRejected),
)
async def record(ctx: Ctx, caller: CurrentUser, body: CravingBody | None = None) -> Response:
    said = body or CravingBody()
    craving = await service.record(
        ctx, caller.user_id, said.intensity, said.trigger_type, said.trigger_note
    )
    return ok(ctx.clock, CravingReply.of(craving))


@api.get(
    "/cravings",
    summary="获取烟瘾记录",
    **answers(CravingList, Unauthorized, InvalidFields, InvalidSpan, InvalidCursor),
)
async def list_cravings(
    ctx: Ctx,
    caller: CurrentUser,
    start: Annotated[CalendarDate | None, Query(alias="startDate")] = None,
    end: Annotated[CalendarDate | None, Query(alias="endDate")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    span = await service.asked_span(ctx, caller.user_id, start, end)
    after = decode_cursor(cursor, Position)
    found, totals = await service.page(ctx, caller.user_id, span, after, limit + 1)
    page, following = cut(found, limit, lambda one: Position(one.recorded_date, one.id))
    records = [CravingReply.of(craving) for craving in page]
    return ok(ctx.clock, CravingList(records, CravingSummary.of(totals), following))


@api.get(
    "/cravings/stats",
    summary="获取烟瘾统计",
    **answers(CravingStats, Unauthorized, InvalidFields),
)
async def stats(ctx: Ctx, caller: CurrentUser, days: Days = 7) -> Response:
    counted, totals = await service.stats(ctx, caller.user_id, days)
    return ok(ctx.clock, CravingStats.of(counted, totals))


@api.delete(
    "/cravings/{craving_id}",
    summary="删除烟瘾记录",
    **answers(None, Unauthorized, InvalidFields, NoSuchCraving),
)
async def delete(ctx: Ctx, caller: CurrentUser, craving_id: CravingId) -> Response:
    await service.delete(ctx, caller.user_id, craving_id)
    return ok(ctx.clock)
