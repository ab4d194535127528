"""Operators sign in with a password and a second factor; what they do is written down."""

import asyncio
import secrets
from typing import Any

import bcrypt
from structlog import get_logger
from structlog.contextvars import get_contextvars

from zxo.context import Context
from zxo.kit.db import Connection
from zxo.modules.operators import repository, rules
from zxo.modules.operators.errors import (
    InvalidCredentials,
    LastOwner,
    NoSuchOperator,
    OperatorNameTaken,
    OperatorSessionEnded,
    TotpAlreadyEnrolled,
    TotpRequired,
    WeakPassword,
    WrongTotpCode,
)
from zxo.modules.operators.models import Acting, Audited, Entry, Operator, SignedIn
from zxo.modules.operators.rules import Role

log = get_logger(__name__)

COST = 12  # of bcrypt: about a quarter of a second
HASHING_AT_ONCE = 2  # threads; the others wait
# Compared with where there is no operator: the answer takes as long as any.
NOBODY = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(COST)).decode()

TOTP_BOUND_TO = "operators.totp:{id}"

_hashing = asyncio.Semaphore(HASHING_AT_ONCE)


async def log_in(
    ctx: Context, name: str, password: str, code: str | None, acting_from: str
) -> SignedIn:
    """A session. Raises InvalidCredentials, and TotpRequired to somebody who knows the password."""
    async with ctx.db.connection() as connection:
        operator = await repository.get_by_name(connection, rules.name_key(name))
    # The try is counted while the hash is computed: a name that exists takes no longer.
    compared = _matches(password, operator.password_hash if operator else NOBODY)
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


async def _matches(password: str, password_hash: str) -> bool:
    """In a thread, a few at once: it keeps a core busy."""
    given = password.encode()
    if len(given) > rules.LONGEST_PASSWORD:
        given, password_hash = b"", NOBODY
    async with _hashing:
        return await asyncio.to_thread(bcrypt.checkpw, given, password_hash.encode())


async def _hashed(password: str, name: str) -> str:
    """Raises WeakPassword."""
    if rules.is_weak(password, name):
        raise WeakPassword
    async with _hashing:
        salt = bcrypt.gensalt(COST)
        return (await asyncio.to_thread(bcrypt.hashpw, password.encode(), salt)).decode()


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


async def get(ctx: Context, operator_id: int) -> Operator:
    """Raises NoSuchOperator."""
    async with ctx.db.connection() as connection:
        return _found(await repository.get(connection, operator_id))


def _found(operator: Operator | None) -> Operator:
    if operator is None:
        raise NoSuchOperator
    return operator


async def list_operators(ctx: Context) -> list[Operator]:
    async with ctx.db.connection() as connection:
        return await repository.list_all(connection)


async def change_password(ctx: Context, acting: Acting, old: str, new: str) -> None:
    """One's own. Ends one's other sessions. Raises WeakPassword, InvalidCredentials."""
    assert acting.id is not None, "signed in"
    if rules.is_weak(new, acting.name):  # before it costs a try
        raise WeakPassword
    operator = await get(ctx, acting.id)
    if not (await _take_try(ctx, operator) and await _matches(old, operator.password_hash)):
        raise InvalidCredentials
    changes = {"password_hash": await _hashed(new, operator.name)}
    async with ctx.db.transaction() as connection:
        await _unchanged(connection, operator)
        await repository.forget_tries(connection, operator.id)
        await _write(ctx, connection, acting, operator.id, changes, "operator.change_password")


async def begin_totp(ctx: Context, acting: Acting) -> tuple[str, str]:
    """A new secret and its address for an authenticator; told once. Raises TotpAlreadyEnrolled."""
    assert acting.id is not None, "signed in"
    secret = rules.new_secret()
    sealed = ctx.vault.seal(secret, _bound_to(acting.id))
    async with ctx.db.transaction() as connection:
        if _found(await repository.get_for_update(connection, acting.id)).has_totp:
            raise TotpAlreadyEnrolled
        await repository.update(connection, acting.id, {"totp_ciphertext": sealed})
        await repository.record(connection, acting, Entry("operator.begin_totp"), ctx.clock.now())
    return secret, rules.provisioning_uri(secret, acting.name)


async def confirm_totp(ctx: Context, acting: Acting, code: str) -> None:
    """From now on a log-in needs the second factor. Raises WrongTotpCode, TotpAlreadyEnrolled."""
    assert acting.id is not None, "signed in"
    async with ctx.db.transaction() as connection:
        operator = _found(await repository.get_for_update(connection, acting.id))
        if operator.has_totp:
            raise TotpAlreadyEnrolled
        step = _step_of(ctx, operator, code) if operator.totp_ciphertext else None
        if step is None or not await repository.use_step(connection, operator.id, step):
            raise WrongTotpCode
        await repository.enrolled(connection, acting.token_hash)
        changes = {"totp_confirmed_at": ctx.clock.now()}
        await _write(ctx, connection, acting, operator.id, changes, "operator.confirm_totp")


async def _write(
    ctx: Context,
    connection: Connection,
    acting: Acting,
    operator_id: int,
    changes: dict[str, Any],
    action: str,
) -> Operator:
    """Ends all sessions of the operator but the one that acts; says which columns were changed."""
    operator = await repository.update(connection, operator_id, changes)
    await repository.end_sessions(connection, operator_id, acting.token_hash)
    details: dict[str, Any] = {"changed": sorted(changes)}
    if "role" in changes:
        details["role"] = changes["role"]
    entry = Entry(action, f"operator:{operator_id}", details)
    await repository.record(connection, acting, entry, ctx.clock.now())
    return operator


async def create(ctx: Context, acting: Acting, name: str, role: Role, password: str) -> Operator:
    """Raises WeakPassword, OperatorNameTaken."""
    hashed = await _hashed(password, name)
    async with ctx.db.transaction() as connection:
        keyed = (name, rules.name_key(name))
        operator = await repository.add(connection, keyed, role, hashed, ctx.clock.now())
        if operator is None:
            raise OperatorNameTaken
        entry = Entry("operator.create", f"operator:{operator.id}", {"name": name, "role": role})
        await repository.record(connection, acting, entry, ctx.clock.now())
    return operator


async def change(
    ctx: Context,
    acting: Acting,
    operator_id: int,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    reset_totp: bool = False,
) -> Operator:
    """Role, whether they may sign in, enrolling anew. Raises NoSuchOperator, LastOwner."""
    changes: dict[str, Any] = {}
    if role is not None:
        changes["role"] = role
    if disabled is not None:
        changes["disabled_at"] = ctx.clock.now() if disabled else None
    if reset_totp:
        changes |= {"totp_ciphertext": None, "totp_confirmed_at": None, "last_totp_step": None}
    async with ctx.db.transaction() as connection:
        owners = await repository.lock_owners(connection)
        before = _found(await repository.get(connection, operator_id))
        if not changes:
            return before
        leaves = disabled or role not in {None, "owner"}
        if leaves and owners <= {operator_id}:
            raise LastOwner
        return await _write(ctx, connection, acting, operator_id, changes, "operator.change")


async def record(ctx: Context, connection: Connection, acting: Acting, entry: Entry) -> None:
    """Write down what an operator does, in the transaction that does it."""
    await repository.record(connection, acting, entry, ctx.clock.now())


async def note(ctx: Context, acting: Acting, entry: Entry) -> None:
    """Write down what changes nothing: that somebody looked."""
    async with ctx.db.connection() as connection:
        await repository.record(connection, acting, entry, ctx.clock.now())


async def audit(ctx: Context, before: int | None, target: str | None, limit: int) -> list[Audited]:
    """The audit, newest first; `before`: an id."""
    async with ctx.db.connection() as connection:
        return await repository.audit(connection, before, target, limit)


async def delete_old_sessions(ctx: Context) -> None:
    """Forget those that are over."""
    now = ctx.clock.now()
    over = now - rules.IDLE, now - rules.LONGEST_SESSION
    async with ctx.db.connection() as connection:
        await repository.delete_old_sessions(connection, *over)
