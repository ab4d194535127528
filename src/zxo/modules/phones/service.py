"""Codes to phones, and numbers bound to accounts. No answer tells whose a number is."""

import hmac

from zxo.clients import wechat_phone
from zxo.clients.wechat import WechatNotConfigured
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.modules import users
from zxo.modules.phones import repository, rules
from zxo.modules.phones.errors import (
    InvalidPhone,
    InvalidSmsCode,
    PhoneIsOnlyLogin,
    PhoneRegionNotSupported,
    SmsNotConfigured,
)
from zxo.modules.phones.models import Ticket
from zxo.modules.users import User


def number_of(text: str) -> str:
    """The mobile number that `text` means, in E.164. Raises InvalidPhone."""
    number = rules.parse_number(text)
    if number is None:
        raise InvalidPhone
    return number.e164


def _reachable(ctx: Context, text: str) -> str:
    """A number of a country that we write to. Raises InvalidPhone, PhoneRegionNotSupported."""
    number = rules.parse_number(text)
    if number is None:
        raise InvalidPhone
    if number.region not in ctx.settings.sms.regions:
        raise PhoneRegionNotSupported
    return number.e164


async def send_login_code(ctx: Context, phone: str) -> None:
    """Send a code to log in with, to whoever's number it is.

    Raises InvalidPhone, PhoneRegionNotSupported, SmsNotConfigured, RateLimited, and what the
    service refuses with.
    """
    e164 = _reachable(ctx, phone)
    await _send(ctx, e164, rules.login_row(e164))


async def send_bind_code(ctx: Context, user_id: int, phone: str) -> None:
    """Send a code that binds the number to this account. Raises what `send_login_code` does."""
    e164 = _reachable(ctx, phone)
    await users.get(ctx, user_id)
    await _send(ctx, e164, rules.bind_row(user_id, e164))


async def _send(ctx: Context, e164: str, purpose: str) -> None:
    """Stored before it is sent: whoever reads it can use it, also where the answer was lost."""
    if ctx.sms is None:
        raise SmsNotConfigured
    await ctx.limits.spend("sms_number", e164)
    await ctx.limits.spend("sms_number_daily", e164)
    code = rules.new_code()
    row = ctx.index.of("sms_code_row", purpose)
    expires_at = ctx.clock.now() + rules.LIFETIME
    async with ctx.db.connection() as connection:
        digest = _digest(ctx, purpose, code)
        await repository.put(connection, row, digest, rules.TRIES, expires_at)
    await ctx.sms.send_code(e164, users.mask_phone(e164), code)


def _digest(ctx: Context, purpose: str, code: str) -> bytes:
    """Differs between numbers and purposes: a code opens nothing but its own row."""
    return ctx.index.of("sms_code", f"{purpose}:{code}")


async def check_login_code(ctx: Context, phone: str, code: str) -> Ticket:
    """Count a try. Raises InvalidPhone, PhoneRegionNotSupported, InvalidSmsCode."""
    e164 = _reachable(ctx, phone)
    return await _check(ctx, e164, rules.login_row(e164), code)


async def _check(ctx: Context, e164: str, purpose: str, code: str) -> Ticket:
    """In a transaction of its own: a try stays counted, whatever fails after it."""
    row = ctx.index.of("sms_code_row", purpose)
    async with ctx.db.connection() as connection:
        stored = await repository.take_try(connection, row, ctx.clock.now())
    given = _digest(ctx, purpose, code)
    if stored is None or not hmac.compare_digest(stored, given):
        raise InvalidSmsCode
    return Ticket(e164, row, given)


async def use_up(connection: Connection, ticket: Ticket) -> None:
    """In the transaction that the code is for; it serves again if that one fails.

    Raises InvalidSmsCode where it was used, or replaced, meanwhile.
    """
    if not await repository.use_up(connection, ticket.row, ticket.digest):
        raise InvalidSmsCode


async def bind_with_code(ctx: Context, user_id: int, phone: str, code: str) -> User:
    """Bind a number that a code proves, in place of the one before.

    Raises InvalidPhone, PhoneRegionNotSupported, InvalidSmsCode, PhoneTaken, UserGone.
    """
    e164 = _reachable(ctx, phone)
    ticket = await _check(ctx, e164, rules.bind_row(user_id, e164), code)
    async with ctx.db.transaction() as connection:
        await use_up(connection, ticket)
        user = await users.set_phone(ctx, connection, user_id, e164)
    users.keep(ctx, user)
    return user


async def bind_with_wechat(ctx: Context, user_id: int, code: str) -> User:
    """Bind the number that WeChat vouches for, of whichever country.

    Raises WechatNotConfigured, what WeChat refuses with, InvalidPhone, PhoneTaken, UserGone.
    """
    if not ctx.settings.wechat.configured:
        raise WechatNotConfigured
    e164 = number_of(await wechat_phone.phone_number(ctx.wechat, code))
    async with ctx.db.transaction() as connection:
        user = await users.set_phone(ctx, connection, user_id, e164)
    users.keep(ctx, user)
    return user


async def unbind(ctx: Context, user_id: int) -> User:
    """Forget the number. Raises PhoneIsOnlyLogin, UserGone."""
    async with ctx.db.transaction() as connection:
        before = await users.lock(connection, user_id)
        if before.phone_ciphertext is None:
            return before
        if before.openid is None:
            raise PhoneIsOnlyLogin
        user = await users.set_phone(ctx, connection, user_id, None)
    users.keep(ctx, user)
    return user
