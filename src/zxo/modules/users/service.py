"""Use cases of one's own data. A person's own state is read from the primary."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import asyncpg
from structlog import get_logger

from zxo.clients.content_check import ContentRejected, Scene
from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.cache import Cache
from zxo.kit.crypto import Unreadable
from zxo.kit.db import Connection
from zxo.modules import regions
from zxo.modules.users import repository
from zxo.modules.users.errors import PhoneTaken, QuitInFuture, StreetWithoutDistrict, UserGone
from zxo.modules.users.events import BanChanged, PhoneChanged, ProfileChanged, SettingsChanged
from zxo.modules.users.models import Settings, User
from zxo.modules.users.rules import WECHAT_PLACEHOLDER, mask_phone

_SEEN_BY_OTHERS = {"nickname", "street"}
log = get_logger(__name__)


class Sealed(Protocol):
    """Whoever has a number, in any view of the row."""

    @property
    def id(self) -> int: ...

    @property
    def phone_ciphertext(self) -> str | None: ...


PHONE_BOUND_TO = "users.phone:{id}"
_REGION = ("province", "city", "district", "street")


def cache(ctx: Context) -> Cache[User]:
    """This process's cache of users."""

    async def load(user_id: int) -> User | None:
        async with ctx.db.connection() as connection:
            return await repository.get(connection, user_id)

    return ctx.caches.named("users", load, lambda user: user.version)


async def get(ctx: Context, user_id: int, connection: Connection | None = None) -> User:
    """The user, at most a second old; not at all old where this process wrote last.

    Asked for over `connection`, where the caller holds one. Raises UserGone.
    """
    load = partial(repository.get, connection) if connection else None
    return _alive(await cache(ctx).get(user_id, load))


async def reload(ctx: Context, user_id: int, connection: Connection) -> User:
    """The user as the database has it now. Raises UserGone."""
    return _alive(await cache(ctx).reload(user_id, partial(repository.get, connection)))


def keep(ctx: Context, user: User) -> None:
    """Remember what this process has just committed. Call after the commit."""
    cache(ctx).put(user.id, user)


async def lock(connection: Connection, user_id: int) -> User:
    """The user as it is now, locked until the transaction ends. Raises UserGone."""
    return _alive(await repository.get_for_update(connection, user_id))


def _alive(user: User | None) -> User:
    if user is None or user.deleted_at is not None:
        raise UserGone
    return user


async def find_or_create(
    ctx: Context,
    connection: Connection,
    openid: str,
    nickname: str | None = None,
    avatar: str | None = None,
) -> User:
    """Who has this openid; nickname and avatar only count for somebody new.

    Two first log-ins at the same moment find the same user.
    """
    known = await repository.get_by_openid(connection, openid)
    if known is not None:
        return known
    if nickname == WECHAT_PLACEHOLDER:
        nickname = None
    added = await repository.add(connection, openid, nickname, avatar, ctx.clock.now())
    user = added or await repository.get_by_openid(connection, openid)
    assert user is not None, "the insert only yields to a committed row"
    return user


async def find_or_create_by_phone(
    ctx: Context, connection: Connection, e164: str, nickname: str | None = None
) -> User:
    """Who has this number; the nickname only counts for somebody new.

    Two first log-ins at the same moment find the same user.
    """
    index = phone_index(ctx, e164)
    user = None
    while user is None:  # whoever was faster may have unbound the number by now
        user = await repository.get_by_phone(connection, index)
        user = user or await _add_by_phone(ctx, connection, e164, nickname)
    return user


async def _add_by_phone(
    ctx: Context, connection: Connection, e164: str, nickname: str | None
) -> User | None:
    user_id = await repository.next_id(connection)
    phone = _sealed_phone(ctx, user_id, e164), phone_index(ctx, e164)
    return await repository.add_by_phone(connection, user_id, phone, nickname, ctx.clock.now())


async def set_phone(ctx: Context, connection: Connection, user_id: int, e164: str | None) -> User:
    """Bind the number in place of the one before, or none. Call `keep` after the commit.

    Raises PhoneTaken (the unique index decides), UserGone.
    """
    await lock(connection, user_id)
    changes = {
        "phone_ciphertext": e164 and _sealed_phone(ctx, user_id, e164),
        "phone_index": e164 and phone_index(ctx, e164),
    }
    try:
        user = await _update(ctx, connection, user_id, changes)
    except asyncpg.UniqueViolationError:
        raise PhoneTaken from None
    await outbox.publish(connection, PhoneChanged(user_id, user.version))
    return user


async def set_ban(
    ctx: Context, connection: Connection, user_id: int, reason: str | None
) -> User | None:
    """Ban the user, or lift the ban (None); also one who has deleted the account.

    Locks the row: a log-in at the same moment comes before or after, not in between. None where
    there is no such user. Call `keep` after the commit.
    """
    if await repository.get_for_update(connection, user_id) is None:
        return None
    banned_at = ctx.clock.now() if reason is not None else None
    changes = {"banned_at": banned_at, "ban_reason": reason}
    user = await _update(ctx, connection, user_id, changes)
    await outbox.publish(connection, BanChanged(user_id, user.version))
    return user


def masked_phone(ctx: Context, user: Sealed) -> str | None:
    """The number as the person sees it, None where none is bound.

    One that no key of ours opens is all stars: the person's other data must still be seen.
    """
    if user.phone_ciphertext is None:
        return None
    try:
        return mask_phone(ctx.vault.open(user.phone_ciphertext, PHONE_BOUND_TO.format(id=user.id)))
    except Unreadable:
        log.error("sealed_value_unreadable", user_id=user.id)
        return "*" * 11


def phone_index(ctx: Context, e164: str) -> bytes:
    """What a number is looked up by."""
    return ctx.index.of("phone", e164)


def _sealed_phone(ctx: Context, user_id: int, e164: str) -> str:
    return ctx.vault.seal(e164, PHONE_BOUND_TO.format(id=user_id))


async def update_profile(ctx: Context, user_id: int, changes: Mapping[str, Any]) -> User:
    """Change the named fields.

    Raises UnknownRegion, StreetWithoutDistrict, UserGone, ContentRejected.
    """
    await _check_texts(ctx, await get(ctx, user_id), changes)
    async with ctx.db.transaction() as connection:
        before = await lock(connection, user_id)
        if changes.keys() & set(_REGION):
            changes = {**changes, **_checked_region(before, changes)}
        changes = _different(before, changes)
        if not changes:
            return before
        user = await _update(ctx, connection, user_id, changes)
        left = (before.province, before.city, before.district, before.street)
        await outbox.publish(connection, ProfileChanged(user_id, user.version, left))
    keep(ctx, user)
    return user


async def acceptable(ctx: Context, nickname: str | None, openid: str | None) -> str | None:
    """The nickname that somebody logs in with, or None where it may not be: no log-in fails by it.

    Asks WeChat: before the transaction, not in it.
    """
    if nickname is not None:
        try:
            await ctx.content.check("nickname", nickname, Scene.PROFILE, openid)
        except ContentRejected:
            return None
    return nickname


async def _check_texts(ctx: Context, user: User, changes: Mapping[str, Any]) -> None:
    """What others will see. Asks WeChat: before the transaction, not in it."""
    for field, text in _different(user, changes).items():
        if field in _SEEN_BY_OTHERS and text is not None:
            await ctx.content.check(field, text, Scene.PROFILE, user.openid)


def _different(before: User | Settings, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if getattr(before, name) != value}


def _checked_region(before: User, changes: Mapping[str, Any]) -> dict[str, str | None]:
    """The whole region after the change, in the one spelling of the list of divisions.

    Every level needs the one above it; the street is free text.
    """
    wanted = {name: changes.get(name, getattr(before, name)) for name in _REGION}
    street = wanted.pop("street")
    path = regions.check_path(**wanted)
    if street is not None and path.district is None and not _without_districts(path):
        raise StreetWithoutDistrict
    return {**path._asdict(), "street": street}


def _without_districts(path: regions.Path) -> bool:
    """A few cities have no districts: there the street stands directly under the city."""
    if path.province is None or path.city is None:
        return False
    return not regions.children((path.province, path.city))


async def get_settings(
    ctx: Context, user_id: int, connection: Connection | None = None
) -> Settings:
    """Asked for over `connection`, where the caller holds one. Raises UserGone."""
    if connection is not None:
        return await _settings(connection, user_id)
    async with ctx.db.connection() as own:
        return await _settings(own, user_id)


async def _settings(connection: Connection, user_id: int) -> Settings:
    settings = await repository.get_settings(connection, user_id)
    if settings is None:
        raise UserGone
    return settings


async def update_settings(ctx: Context, user_id: int, changes: Mapping[str, Any]) -> Settings:
    """Change the named settings. Raises QuitInFuture, UserGone."""
    now = ctx.clock.now()
    if (quit_at := changes.get("quit_at")) is not None and quit_at > now:
        raise QuitInFuture
    async with ctx.db.transaction() as connection:
        await lock(connection, user_id)
        before = await _settings(connection, user_id)
        changes = _different(before, changes)
        if not changes:
            return before
        zone = {"timezone": changes.pop("timezone")} if "timezone" in changes else {}
        await repository.update_settings(connection, user_id, changes, now)
        user = await _update(ctx, connection, user_id, zone)
        await outbox.publish(connection, SettingsChanged(user_id, user.version))
        settings = await _settings(connection, user_id)
    keep(ctx, user)
    return settings


async def _update(
    ctx: Context, connection: Connection, user_id: int, changes: Mapping[str, Any]
) -> User:
    user = await repository.update(connection, user_id, changes, ctx.clock.now())
    assert user is not None, "the row is locked"
    return user
