"""/notifications: the inbox."""

from starlette.responses import Response

from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.pages import Cursor, InvalidCursor, Limit, cut, decode_cursor
from zxo.kit.web import ok
from zxo.modules.notifications import service
from zxo.modules.notifications.schemas import InboxReply, NoticeReply, ReadBody, UnreadReply

api = router("消息")


@api.get(
    "/notifications",
    summary="消息列表",
    **answers(InboxReply, Unauthorized, InvalidFields, InvalidCursor),
)
async def inbox(
    ctx: Ctx, caller: CurrentUser, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    before = decode_cursor(cursor, int)
    found, unread = await service.inbox(ctx, caller.user_id, before, limit + 1)
    page, following = cut(found, limit, lambda one: one.id)
    return ok(ctx.clock, InboxReply([NoticeReply.of(notice) for notice in page], unread, following))


@api.post(
    "/notifications/read",
    summary="标记为已读",
    **answers(UnreadReply, Unauthorized, InvalidFields),
)
async def mark_read(ctx: Ctx, caller: CurrentUser, body: ReadBody) -> Response:
    return ok(ctx.clock, UnreadReply(await service.mark_read(ctx, caller.user_id, body.ids)))
