"""/rankings."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import CursorField as Cursor
from zxo.kit.pages import InvalidCursor, decode_cursor, encode_cursor
from zxo.kit.pages import LimitField as Limit
from zxo.kit.web import InQuery, Query, ok
from zxo.modules.membership import VipExpired
from zxo.modules.rankings import schemas, service
from zxo.modules.rankings.errors import NationalLocked, RegionNotSet
from zxo.modules.rankings.rules import LAST_RANK, SNAPSHOT_DAYS, BoardType
from zxo.modules.rankings.schemas import (
    AroundReply,
    HistoryReply,
    MyRanking,
    MyRankings,
    PastReply,
    RankingsReply,
)

api = router("排行榜")


class _OneBoard(Query):
    type: Annotated[BoardType, Field(description="榜单类型")]


class _BoardPage(_OneBoard):
    limit: Limit = 100
    cursor: Cursor = None


class _BoardAround(_OneBoard):
    limit: Limit = 11


class _BoardPast(_OneBoard):
    days: Annotated[int, Field(ge=1, le=SNAPSHOT_DAYS, description="最近几天")] = 30


OneBoard = Annotated[_OneBoard, InQuery]
BoardPage = Annotated[_BoardPage, InQuery]
BoardAround = Annotated[_BoardAround, InQuery]
BoardPast = Annotated[_BoardPast, InQuery]


@api.get(
    "/rankings",
    summary="获取排行榜",
    **answers(
        RankingsReply,
        Unauthorized,
        InvalidFields,
        InvalidCursor,
        NationalLocked,
        VipExpired,
        RegionNotSet,
    ),
)
async def rankings(ctx: Ctx, caller: CurrentUser, query: BoardPage) -> Response:
    first = 1 if query.cursor is None else decode_cursor(query.cursor, int)
    if first is None or not 1 <= first <= LAST_RANK:
        raise InvalidCursor
    lines, mine = await service.top(
        ctx, caller.user_id, query.type, first, query.limit, schemas.render
    )
    following = encode_cursor(first + query.limit) if lines.more else None
    return ok(ctx.clock, RankingsReply(lines.rendered, MyRanking.of(mine), following))


@api.get("/rankings/me", summary="获取我的排名", **answers(MyRankings, Unauthorized, InvalidFields))
async def my_rankings(ctx: Ctx, caller: CurrentUser, _: OneBoard) -> Response:
    return ok(ctx.clock, MyRankings.of(await service.everywhere(ctx, caller.user_id)))


@api.get(
    "/rankings/around",
    summary="我附近的排名",
    **answers(AroundReply, Unauthorized, InvalidFields, NationalLocked, VipExpired, RegionNotSet),
)
async def around(ctx: Ctx, caller: CurrentUser, query: BoardAround) -> Response:
    lines, mine = await service.around(ctx, caller.user_id, query.type, query.limit, schemas.render)
    rendered = lines.rendered if lines else schemas.NOBODY
    return ok(ctx.clock, AroundReply(rendered, MyRanking.of(mine)))


@api.get(
    "/rankings/me/history",
    summary="我的历史排名",
    **answers(HistoryReply, Unauthorized, InvalidFields, NationalLocked, VipExpired, RegionNotSet),
)
async def history(ctx: Ctx, caller: CurrentUser, query: BoardPast) -> Response:
    past = await service.history(ctx, caller.user_id, query.type, query.days)
    return ok(ctx.clock, HistoryReply(query.type, [PastReply.of(day) for day in past]))
