"""GET /regions: the list that a region picker walks down."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from zxo.http import Ctx, router
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.web import ok
from zxo.modules.regions import service
from zxo.modules.regions.errors import NoSuchDivision
from zxo.modules.regions.schemas import Regions

api = router("地区")

Code = Annotated[
    str, Query(pattern="^[0-9]{0,9}$", description="上级地区的代码；不填则返回省级地区")
]


@api.get("/regions", summary="获取下级地区", **answers(Regions, InvalidFields, NoSuchDivision))
async def get_regions(ctx: Ctx, parent: Code = "") -> Response:
    found = service.list_children(parent or None)
    return ok(ctx.clock, Regions.of(parent or None, found))
