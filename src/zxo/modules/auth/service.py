"""Logging in and out. A log-in is a session; its token is exchanged for a fresh one."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from structlog import get_logger

from zxo.clients.wechat import WechatNotConfigured
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.kit.security import SessionEnded
from zxo.modules import phones, users
from zxo.modules.auth import repository, rules
from zxo.modules.auth.errors import (
    AccountDeleted,
    AlreadyRefreshed,
    InvalidDevelopmentName,
    NoSuchSession,
    TooOldToRefresh,
)
from zxo.modules.auth.models import LoggedIn, Session
from zxo.modules.users import User

log = get_logger(__name__)


async def log_in_with_wechat(
    ctx: Context, code: str, nickname: str | None, avatar: str | None, device: str
) -> LoggedIn:
    """Exchange WeChat's code, find or make the user, open a session.

    Raises what WeChat refuses with, AccountDeleted, and the errors of development log-ins.
    """
    openid = await _openid(ctx, code)
    nickname = await users.acceptable(ctx, nickname, openid)

    async def find(connection: Connection) -> User:
        return await users.find_or_create(ctx, connection, openid, nickname, avatar)

    return await _log_in(ctx, find, device)


async def log_in_with_sms(
    ctx: Context, phone: str, code: str, nickname: str | None, device: str
) -> LoggedIn:
    """Use up the code, find or make the user, open a session.

    Raises InvalidPhone, PhoneRegionNotSupported, InvalidSmsCode, AccountDeleted.
    """
    ticket = await phones.check_login_code(ctx, phone, code)
    nickname = await users.acceptable(ctx, nickname, None)

    async def find(connection: Connection) -> User:
        await phones.use_up(connection, ticket)
        return await users.find_or_create_by_phone(ctx, connection, ticket.e164, nickname)

    return await _log_in(ctx, find, device)


async def _log_in(
    ctx: Context, find: Callable[[Connection], Awaitable[User]], device: str
) -> LoggedIn:
    """A session for whom `find` finds, however they proved it. Raises AccountDeleted."""
    async with ctx.db.transaction() as connection:
        user = await find(connection)
        _refuse_deleted(user)
        session, token = await _open_session(ctx, connection, user, device)
    log.info("logged_in", user_id=user.id, session_id=str(session.id))
    return LoggedIn(token, user)


async def _openid(ctx: Context, code: str) -> str:
    if ctx.settings.development_login and code.startswith(rules.DEVELOPMENT_PREFIX):
        openid = rules.development_openid(code)
        if openid is None:
            raise InvalidDevelopmentName
        return openid
    if not ctx.settings.wechat.configured:
        raise WechatNotConfigured
    return await ctx.wechat.openid(code)


def _refuse_deleted(user: User) -> None:
    if user.deleted_at is not None:
        purge_at = user.deleted_at + rules.PURGE_AFTER_DELETION
        raise AccountDeleted(data={"purgeAt": purge_at})


async def _open_session(
    ctx: Context, connection: Connection, user: User, device: str
) -> tuple[Session, str]:
    now = ctx.clock.now()
    session = Session(
        id=uuid4(),
        user_id=user.id,
        device=rules.device_name(device),
        created_at=now,
        refreshed_at=now,
        expires_at=_session_end(ctx, now),
    )
    jti = uuid4()
    await repository.add(connection, session, jti)
    return session, _token(ctx, user, session.id, jti, now)


def _session_end(ctx: Context, now: datetime) -> datetime:
    """When the last token issued at `now` can no longer even be exchanged."""
    return now + ctx.settings.tokens.expires_in + rules.REFRESH_AFTER_EXPIRY


def _token(ctx: Context, user: User, session_id: UUID, jti: UUID, now: datetime) -> str:
    issued = int(now.timestamp())
    return ctx.tokens.sign(
        {
            "userId": user.id,
            "openid": user.openid,
            "memberType": user.tier(now),  # for the client to show; nothing is authorised from it
            "sid": str(session_id),
            "jti": str(jti),
            "iat": issued,
            "exp": issued + int(ctx.settings.tokens.expires_in.total_seconds()),
        }
    )


async def refresh(ctx: Context, claims: dict[str, Any]) -> str:
    """A fresh token for one of ours that has not expired, or not seven days ago; once.

    Raises TooOldToRefresh, AlreadyRefreshed, SessionEnded, UserGone.
    """
    now = ctx.clock.now()
    if now.timestamp() >= claims["exp"] + rules.REFRESH_AFTER_EXPIRY.total_seconds():
        raise TooOldToRefresh
    session, old, new = (UUID(claims["sid"]), claims["userId"]), UUID(claims["jti"]), uuid4()
    async with ctx.db.transaction() as connection:
        user = await users.lock(connection, claims["userId"])
        end = _session_end(ctx, now)
        if not await repository.exchange(connection, session, (old, new), now, end):
            known = await repository.exists(connection, *session)
            raise AlreadyRefreshed if known else SessionEnded
    return _token(ctx, user, session[0], new, now)


async def log_out(ctx: Context, user_id: int, session_id: UUID) -> None:
    """End the caller's own session; also where another process was faster."""
    with suppress(NoSuchSession):
        await end_session(ctx, user_id, session_id)


async def end_session(ctx: Context, user_id: int, session_id: UUID) -> None:
    """End one of the user's sessions everywhere, within a second. Raises NoSuchSession."""
    async with ctx.db.transaction() as connection:
        if not await repository.end(connection, session_id, user_id):
            raise NoSuchSession
    ctx.ended_sessions.add(str(session_id))


async def list_sessions(
    ctx: Context, user_id: int, after: tuple[datetime, UUID] | None, limit: int
) -> list[Session]:
    """The user's living sessions, newest first. Raises UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        return await repository.list_page(connection, user_id, ctx.clock.now(), after, limit)
