"""/check-in, and the statistics that are counted from it."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.web import ok
from zxo.modules.checkins import service
from zxo.modules.checkins.errors import (
    AlreadyCheckedIn,
    DateAlreadyCounted,
    NoMakeupCard,
    NotInThePast,
    TooLongAgo,
    TooManyMakeups,
)
from zxo.modules.checkins.schemas import (
    CheckInBody,
    CountedReply,
    MakeupBody,
    MonthReply,
    RecordReply,
    StatsReply,
    TodayReply,
)

api = router("打卡")

Year = Annotated[int, Query(ge=2000, le=2999)]
Month = Annotated[int, Query(ge=1, le=12)]


@api.get("/check-in/today", summary="检查今日是否已打卡", **answers(TodayReply, Unauthorized))
async def today(ctx: Ctx, caller: CurrentUser) -> Response:
    return ok(ctx.clock, TodayReply.of(await service.today(ctx, caller.user_id)))


@api.post(
    "/check-in",
    summary="今日打卡",
    **answers(CountedReply, Unauthorized, InvalidFields, AlreadyCheckedIn),
)
async def check_in(ctx: Ctx, caller: CurrentUser, body: CheckInBody | None = None) -> Response:
    said = body or CheckInBody()
    counted = await service.check_in(ctx, caller.user_id, said.place())
    return ok(ctx.clock, CountedReply.of(counted))


@api.post(
    "/check-in/makeup",
    summary="补签",
    **answers(
        CountedReply,
        Unauthorized,
        InvalidFields,
        NoMakeupCard,
        NotInThePast,
        DateAlreadyCounted,
        TooManyMakeups,
        TooLongAgo,
    ),
)
async def make_up(ctx: Ctx, caller: CurrentUser, body: MakeupBody) -> Response:
    counted = await service.make_up(ctx, caller.user_id, body.check_in_date)
    return ok(ctx.clock, CountedReply.of(counted))


@api.get(
    "/check-in/records",
    summary="获取打卡记录",
    **answers(MonthReply, Unauthorized, InvalidFields),
)
async def records(ctx: Ctx, caller: CurrentUser, year: Year, month: Month) -> Response:
    found = await service.records(ctx, caller.user_id, year, month)
    return ok(ctx.clock, MonthReply(year, month, [RecordReply.of(record) for record in found]))


@api.get("/users/me/stats", summary="获取用户统计数据", **answers(StatsReply, Unauthorized))
async def stats(ctx: Ctx, caller: CurrentUser) -> Response:
    return ok(ctx.clock, StatsReply.of(await service.summary(ctx, caller.user_id)))
