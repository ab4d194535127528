"""/rankings."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, decode_cursor, encode_cursor
from zxo.kit.web import ok
from zxo.modules.rankings import service
from zxo.modules.rankings.errors import NationalLocked, RegionNotSet
from zxo.modules.rankings.rules import LAST_RANK, SNAPSHOT_DAYS, BoardType
from zxo.modules.rankings.schemas import (
    AroundReply,
    Entry,
    HistoryReply,
    MyRanking,
    MyRankings,
    PastReply,
    RankingsReply,
)

api = router("排行榜")

Type = Annotated[BoardType, Query(alias="type", description="榜单类型")]
Days = Annotated[int, Query(ge=1, le=SNAPSHOT_DAYS)]


@api.get(
    "/rankings",
    summary="获取排行榜",
    **answers(
        RankingsReply, Unauthorized, InvalidFields, InvalidCursor, NationalLocked, RegionNotSet
    ),
)
async def rankings(
    ctx: Ctx, caller: CurrentUser, kind: Type, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    first = decode_cursor(cursor, int) or 1
    if not 1 <= first <= LAST_RANK:
        raise InvalidCursor
    rows, standing = await service.top(ctx, caller.user_id, kind, first, limit)
    following = encode_cursor(first + limit) if len(rows) == limit else None
    entries = [Entry.of(row) for row in rows]
    return ok(ctx.clock, RankingsReply(entries, MyRanking.of(standing), following))


@api.get("/rankings/me", summary="获取我的排名", **answers(MyRankings, Unauthorized, InvalidFields))
async def my_rankings(ctx: Ctx, caller: CurrentUser, kind: Type) -> Response:
    return ok(ctx.clock, MyRankings.of(await service.everywhere(ctx, caller.user_id)))


@api.get(
    "/rankings/around",
    summary="我附近的排名",
    **answers(AroundReply, Unauthorized, InvalidFields, NationalLocked, RegionNotSet),
)
async def around(ctx: Ctx, caller: CurrentUser, kind: Type, limit: Limit = 11) -> Response:
    rows, standing = await service.around(ctx, caller.user_id, kind, limit)
    entries = [Entry.of(row) for row in rows]
    return ok(ctx.clock, AroundReply(entries, MyRanking.of(standing)))


@api.get(
    "/rankings/me/history",
    summary="我的历史排名",
    **answers(HistoryReply, Unauthorized, InvalidFields, NationalLocked),
)
async def history(ctx: Ctx, caller: CurrentUser, kind: Type, days: Days = 30) -> Response:
    past = await service.history(ctx, caller.user_id, kind, days)
    return ok(ctx.clock, HistoryReply(kind, [PastReply.of(day) for day in past]))
