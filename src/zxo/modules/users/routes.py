"""GET and PUT /users/me, and the settings."""

from starlette.responses import Response

from zxo.clients.content_check import ContentRejected
from zxo.http import Ctx, CurrentUser, router
from zxo.kit.errors import Unauthorized
from zxo.kit.failures import InvalidFields
from zxo.kit.openapi import answers
from zxo.kit.web import ok
from zxo.modules import regions
from zxo.modules.users import service
from zxo.modules.users.errors import QuitInFuture, StreetWithoutDistrict
from zxo.modules.users.schemas import Profile, ProfileBody, SettingsBody, SettingsReply

api = router("用户")


@api.get("/users/me", summary="获取用户信息", **answers(Profile, Unauthorized))
async def get_profile(ctx: Ctx, caller: CurrentUser) -> Response:
    user = await service.get(ctx, caller.user_id)
    return ok(ctx.clock, Profile.of(user, ctx.clock.now(), service.masked_phone(ctx, user)))


@api.put(
    "/users/me",
    summary="更新用户信息",
    **answers(
        Profile,
        Unauthorized,
        InvalidFields,
        ContentRejected,
        regions.UnknownRegion,
        StreetWithoutDistrict,
    ),
)
async def update_profile(ctx: Ctx, caller: CurrentUser, body: ProfileBody) -> Response:
    user = await service.update_profile(ctx, caller.user_id, body.named())
    return ok(ctx.clock, Profile.of(user, ctx.clock.now(), service.masked_phone(ctx, user)))


@api.get("/users/me/settings", summary="获取用户设置", **answers(SettingsReply, Unauthorized))
async def get_settings(ctx: Ctx, caller: CurrentUser) -> Response:
    settings = await service.get_settings(ctx, caller.user_id)
    return ok(ctx.clock, SettingsReply.of(settings))


@api.put(
    "/users/me/settings",
    summary="更新用户设置",
    **answers(SettingsReply, Unauthorized, InvalidFields, QuitInFuture),
)
async def update_settings(ctx: Ctx, caller: CurrentUser, body: SettingsBody) -> Response:
    settings = await service.update_settings(ctx, caller.user_id, body.changes())
    return ok(ctx.clock, SettingsReply.of(settings))
