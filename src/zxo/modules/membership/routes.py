"""/redeem-codes."""

from starlette.responses import Response

from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules.membership import service
from zxo.modules.membership.errors import (
    CodeAlreadyRedeemed,
    CodeDisabled,
    CodeExpired,
    CodeNotFound,
    CodeNotYetValid,
    CodeUsedUp,
    MembershipDowngrade,
)
from zxo.modules.membership.models import RowId
from zxo.modules.membership.schemas import RedeemBody, RedeemedReply, RedeemHistory, UsageReply

api = router("兑换码")


@api.post(
    "/redeem-codes/redeem",
    summary="兑换码兑换",
    **answers(
        RedeemedReply,
        Unauthorized,
        InvalidFields,
        CodeNotFound,
        CodeDisabled,
        CodeUsedUp,
        CodeNotYetValid,
        CodeExpired,
        CodeAlreadyRedeemed,
        MembershipDowngrade,
    ),
)
async def redeem(ctx: Ctx, caller: CurrentUser, body: RedeemBody) -> Response:
    return ok(ctx.clock, RedeemedReply.of(await service.redeem(ctx, caller.user_id, body.code)))


@api.get(
    "/redeem-codes/history",
    summary="获取兑换历史",
    **answers(RedeemHistory, Unauthorized, InvalidFields, InvalidCursor),
)
async def history(
    ctx: Ctx, caller: CurrentUser, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before = decode_cursor(cursor, RowId)
    found = await service.history(ctx, caller.user_id, before, limit + 1)
    page, following = cut(found, limit, lambda one: one.id)
    return ok(ctx.clock, RedeemHistory([UsageReply.of(usage) for usage in page], following))
