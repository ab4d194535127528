"""Operators sign in with a password and a second factor, and change their own."""

import asyncio
import secrets

from structlog import get_logger
from structlog.contextvars import get_contextvars

from zxo.context import Context
from zxo.kit import passwords
from zxo.kit.db import Connection
from zxo.modules.operators import repository, rules, service
from zxo.modules.operators.errors import (
    InvalidCredentials,
    OperatorSessionEnded,
    TotpAlreadyEnrolled,
    TotpRequired,
    WeakPassword,
    WrongTotpCode,
)
from zxo.modules.operators.models import Acting, Entry, Operator, SignedIn

log = get_logger(__name__)

TOTP_BOUND_TO = "operators.totp:{id}"


async def log_in(
    ctx: Context, name: str, password: str, code: str | None, acting_from: str
) -> SignedIn:
    """A session. Raises InvalidCredentials, and TotpRequired to somebody who knows the password."""
    async with ctx.db.connection() as connection:
        operator = await repository.get_by_name(connection, rules.name_key(name))
    # The try is counted while the hash is computed: a name that exists takes no longer.
    compared = passwords.matches(password, operator.password_hash if operator else None)
    counted = await asyncio.gather(_take_try(ctx, operator), compared)
    if operator is None or not all(counted):
        log.warning("operator_log_in_refused", operator_id=operator and operator.id)
        raise InvalidCredentials
    return await _sign_in(ctx, operator, code, acting_from)


async def _take_try(ctx: Context, operator: Operator | None) -> bool:
    if operator is None:
        return False
    now = ctx.clock.now()
    async with ctx.db.connection() as connection:
        return await repository.take_try(connection, operator.id, now, now + rules.LOCKED_FOR)


async def _sign_in(
    ctx: Context, operator: Operator, code: str | None, acting_from: str
) -> SignedIn:
    now, token = ctx.clock.now(), rules.TOKEN_PREFIX + secrets.token_urlsafe(32)
    async with ctx.db.transaction() as connection:
        operator = await _unchanged(connection, operator)
        enrolling = ctx.settings.admin_totp_required and not operator.has_totp
        if operator.has_totp:
            await _use_code(ctx, connection, operator, code)
        await repository.forget_tries(connection, operator.id)
        await repository.add_session(connection, _index(ctx, token), operator.id, enrolling, now)
        acting = Acting(operator.id, operator.name, operator.role, acting_from, _request_id())
        await repository.record(connection, acting, Entry("operator.log_in"), now)
    log.info("operator_logged_in", operator_id=operator.id)
    return SignedIn(token, operator, enrolling)


async def _unchanged(connection: Connection, operator: Operator) -> Operator:
    """The operator as of now, locked. Raises InvalidCredentials."""
    # Comparing took long. Whatever ended sessions meanwhile would have missed a new one.
    now = await repository.get_for_update(connection, operator.id)
    if now is None or now.disabled_at or now.password_hash != operator.password_hash:
        raise InvalidCredentials
    return now


async def _use_code(
    ctx: Context, connection: Connection, operator: Operator, code: str | None
) -> None:
    """Raises TotpRequired, InvalidCredentials."""
    if code is None:
        raise TotpRequired
    step = _step_of(ctx, operator, code)
    if step is None or not await repository.use_step(connection, operator.id, step):
        log.warning("operator_log_in_refused", operator_id=operator.id)
        raise InvalidCredentials


def _step_of(ctx: Context, operator: Operator, code: str) -> int | None:
    assert operator.totp_ciphertext is not None, "has_totp"
    secret = ctx.vault.open(operator.totp_ciphertext, _bound_to(operator.id))
    return rules.matching_step(secret, code, ctx.clock.now())


def _bound_to(operator_id: int) -> str:
    return TOTP_BOUND_TO.format(id=operator_id)


def _index(ctx: Context, token: str) -> bytes:
    """What a session is found by: a stolen table opens none."""
    return ctx.index.of("operator-session", token)


def _request_id() -> str:
    return str(get_contextvars().get("request_id", ""))


async def who(ctx: Context, token: str, address: str) -> tuple[Acting, bool]:
    """Who is signed in with the token, and whether only to enrol. Raises OperatorSessionEnded."""
    now, token_hash = ctx.clock.now(), _index(ctx, token)
    async with ctx.db.connection() as connection:
        found = await repository.use_session(
            connection, token_hash, now, now - rules.IDLE, now - rules.LONGEST_SESSION
        )
    if found is None:
        raise OperatorSessionEnded
    operator, enrolling = found
    acting = Acting(operator.id, operator.name, operator.role, address, _request_id(), token_hash)
    return acting, enrolling


async def log_out(ctx: Context, acting: Acting) -> None:
    async with ctx.db.transaction() as connection:
        await repository.end_session(connection, acting.token_hash)
        await repository.record(connection, acting, Entry("operator.log_out"), ctx.clock.now())


async def change_password(ctx: Context, acting: Acting, old: str, new: str) -> None:
    """One's own. Ends one's other sessions. Raises WeakPassword, InvalidCredentials."""
    assert acting.id is not None, "signed in"
    if rules.is_weak(new, acting.name):  # before it costs a try
        raise WeakPassword
    operator = await service.get(ctx, acting.id)
    if not (
        await _take_try(ctx, operator) and await passwords.matches(old, operator.password_hash)
    ):
        raise InvalidCredentials
    changes = {"password_hash": await passwords.hashed(new)}
    async with ctx.db.transaction() as connection:
        await _unchanged(connection, operator)
        await repository.forget_tries(connection, operator.id)
        await service.write(
            ctx, connection, acting, operator.id, changes, "operator.change_password"
        )


async def begin_totp(ctx: Context, acting: Acting) -> tuple[str, str]:
    """A new secret and its address for an authenticator; told once. Raises TotpAlreadyEnrolled."""
    assert acting.id is not None, "signed in"
    secret = rules.new_secret()
    sealed = ctx.vault.seal(secret, _bound_to(acting.id))
    async with ctx.db.transaction() as connection:
        if service.found(await repository.get_for_update(connection, acting.id)).has_totp:
            raise TotpAlreadyEnrolled
        await repository.update(connection, acting.id, {"totp_ciphertext": sealed})
        await repository.record(connection, acting, Entry("operator.begin_totp"), ctx.clock.now())
    return secret, rules.provisioning_uri(secret, acting.name)


async def confirm_totp(ctx: Context, acting: Acting, code: str) -> None:
    """From now on a log-in needs the second factor. Raises WrongTotpCode, TotpAlreadyEnrolled."""
    assert acting.id is not None, "signed in"
    async with ctx.db.transaction() as connection:
        operator = service.found(await repository.get_for_update(connection, acting.id))
        if operator.has_totp:
            raise TotpAlreadyEnrolled
        step = _step_of(ctx, operator, code) if operator.totp_ciphertext else None
        if step is None or not await repository.use_step(connection, operator.id, step):
            raise WrongTotpCode
        await repository.enrolled(connection, acting.token_hash)
        changes = {"totp_confirmed_at": ctx.clock.now()}
        await service.write(ctx, connection, acting, operator.id, changes, "operator.confirm_totp")


async def delete_old_sessions(ctx: Context) -> None:
    """Forget those that are over."""
    now = ctx.clock.now()
    over = now - rules.IDLE, now - rules.LONGEST_SESSION
    async with ctx.db.connection() as connection:
        await repository.delete_old_sessions(connection, *over)
